"""One PostgreSQL server over one directory: how it is found, started and ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import structlog

from tallybook.core.embedded_programs import ENVIRONMENT, Account, Programs, descriptor
from tallybook.core.errors import WrongSetup

PORT = 5432
PRIVATE = 0o700
STATUS_LINE = 7  # of postmaster.pid; the server adds it last
SOCKET_NAME = f".s.PGSQL.{PORT}"
# The kernel allows 107 bytes; the lock file beside the socket is never bound, so only the socket's own name counts.
LONGEST_SOCKET_PATH = 107
LOG_LIMIT = 10 * 1024 * 1024
# In the server's own folder, since its account may enter no other; so many files of each kind are kept.
LOG_FOLDER = "log"
KEPT_LOGS = 3

# Seconds: how often a condition is looked at, and how long a server may take to end before it is told more firmly.
LOOK = 0.02
PATIENCE = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0))
# Seconds. Whoever started a process is told so a moment before the kernel gives it its new name and rights; on a busy
# machine the moment lasts.
EXEC = 1.0
SAY_AGAIN = 10.0

# Given on the command line, so that they hold whatever postgresql.conf says.
FIXED_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "cluster_name": "tallybook",
    # The worker reads it: what other programs are refused stands nowhere else.
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": LOG_FOLDER,
    "log_filename": "server-%Y%m%d-%H%M%S.log",
    "log_file_mode": "0600",
    "log_rotation_size": "5MB",
    "log_rotation_age": "1d",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_min_messages": "error",
    # Statements quote values, which may be a message or a phone number. A record's detail quotes a key's all the same,
    # so that our own processes write none, and only a few files are kept.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
log = structlog.get_logger()


@dataclass(frozen=True)
class PidFile:
    """What the server says of itself in postmaster.pid; it may be stale."""

    pid: int
    socket_dir: Path
    status: str


def read_pid_file(cluster: Path) -> PidFile | None:
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        status = lines[STATUS_LINE].strip() if len(lines) > STATUS_LINE else "starting"
        return PidFile(int(lines[0]), Path(lines[4]), status)
    except (FileNotFoundError, IndexError, ValueError):  # absent, or half written by a server just starting
        return None


def processes(cluster: Path, account: Account) -> list[int]:
    """The server processes that live in this directory.

    PostgreSQL's own lock file names a number that another process may bear by now; where a process works cannot lie.
    """
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in numbers if lives(pid, cluster, account)]


def lives(pid: int, cluster: Path, account: Account) -> bool:
    """Whether the process is PostgreSQL, at work in this directory, and not a corpse."""
    try:
        if Path(f"/proc/{pid}/comm").read_text().strip() != "postgres":
            return False
        home = cluster.stat()
        return _workplace(pid, account) == (home.st_dev, home.st_ino)
    except (FileNotFoundError, ProcessLookupError):
        return False


def _workplace(pid: int, account: Account) -> tuple[int, int] | None:
    try:
        place = Path(f"/proc/{pid}/cwd").stat()
    except PermissionError:
        return _workplace_asked(pid, account)
    return place.st_dev, place.st_ino


def _workplace_asked(pid: int, account: Account) -> tuple[int, int] | None:
    """The same, asked as the server's account: root in a container may not look into other accounts' processes."""
    if not account.options:
        return None
    command = ["/usr/bin/stat", "-L", "-c", "%d %i", f"/proc/{pid}/cwd"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", **account.options)
    device, _, inode = done.stdout.strip().partition(" ")
    return (int(device), int(inode)) if done.returncode == 0 else None


def socket_folder(account: Account, earlier: Path | None) -> Path:
    """A private directory for the socket, short enough for the kernel: the earlier one where it is still ours."""
    if earlier is not None and _is_ours(earlier, account):
        for leftover in earlier.glob(f"{SOCKET_NAME}*"):
            leftover.unlink()
        return earlier
    for parent in _temporary_folders():
        if len(os.fsencode(f"{parent}/tallybook-12345678/{SOCKET_NAME}")) > LONGEST_SOCKET_PATH or "\n" in parent:
            continue
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="tallybook-", dir=parent))
            os.chown(folder, account.uid, account.gid)
            if _can_enter(folder, account):
                return folder
            folder.rmdir()
    raise WrongSetup(
        "There is no temporary directory for the database's socket: every one is closed or its name is long."
    )


def remove_socket_folder(folder: Path) -> None:
    """Remove the socket's directory and what a killed server left in it. Only where no server lives."""
    if not folder.name.startswith("tallybook-") or str(folder.parent) not in _temporary_folders():
        return
    with contextlib.suppress(OSError):
        for leftover in folder.glob(f"{SOCKET_NAME}*"):
            leftover.unlink()
        folder.rmdir()


def _temporary_folders() -> list[str]:
    return list(dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm")))  # noqa: S108 - made private


def _is_ours(folder: Path, account: Account) -> bool:
    if not folder.name.startswith("tallybook-") or str(folder.parent) not in _temporary_folders():
        return False
    try:
        found = folder.lstat()
    except FileNotFoundError:
        # A cleaner of temporary files took it; connection pools still know the name, so it is made again.
        with contextlib.suppress(OSError):
            folder.mkdir(mode=PRIVATE)
            os.chown(folder, account.uid, account.gid)
            return True
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and stat.S_IMODE(found.st_mode) == PRIVATE


def _can_enter(folder: Path, account: Account) -> bool:
    command = ["/usr/bin/test", "-w", f"{folder}/."]
    done = subprocess.run(command, check=False, cwd="/", **account.options)
    return done.returncode == 0


def spawn(cluster: Path, programs: Programs, account: Account, socket_dir: Path, log_file: Path) -> int:
    """Start the server and return its process number; it is not ready yet. Nothing of it is tied to our own end."""
    quoted = '"' + str(socket_dir).replace('"', '""') + '"'
    settings = {**FIXED_SETTINGS, "unix_socket_directories": quoted}
    with descriptor(cluster) as opened, _appending(log_file) as output:
        command = [programs["postgres"], "-D", f"/proc/self/fd/{opened}"]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cluster,
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,  # Ctrl-C is for the product, which ends the server last
            pass_fds=(opened,),
            **account.options,
        )
    # It may outlive us; if it does not, somebody must collect the corpse.
    Thread(target=process.wait, daemon=True, name="postgres").start()
    return process.pid


@contextlib.contextmanager
def _appending(log_file: Path) -> Iterator[int]:
    opened = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield opened
    finally:
        os.close(opened)


def trim_log(log_file: Path, limit: int = LOG_LIMIT) -> None:
    """Keep one earlier file of at most ``limit`` bytes. The server appends, so it goes on in the emptied file."""
    if log_file.exists() and log_file.stat().st_size > limit:
        shutil.copy2(log_file, log_file.with_suffix(".log.1"))
        os.truncate(log_file, 0)


def trim_log_folder(cluster: Path) -> None:
    """Keep the newest few files of the server's log, each of which it ends at 5 MB or after a day."""
    for form in ("json", "log"):
        for old in sorted((cluster / LOG_FOLDER).glob(f"*.{form}"))[:-KEPT_LOGS]:
            old.unlink(missing_ok=True)


def last_words(log_file: Path, cluster: Path) -> tuple[Path, list[str]]:
    """What the server said last, and where: a start that fails early says it before its log is begun."""
    begun = max((cluster / LOG_FOLDER).glob("*.json"), default=None)
    if begun is not None and begun.stat().st_mtime_ns > log_file.stat().st_mtime_ns:
        lines = begun.read_text(errors="replace").splitlines()[-3:]
        return begun, [str(json.loads(line).get("message", "")) for line in lines if line.endswith("}")]
    return log_file, log_file.read_text(errors="replace").splitlines()[-3:]


async def until_ready(pid: int, cluster: Path, account: Account) -> bool:
    """Wait for as long as the server recovers. False if it ended instead."""
    say_at = time.monotonic() + SAY_AGAIN
    seen_at = time.monotonic()
    while (live := await asyncio.to_thread(lives, pid, cluster, account)) or time.monotonic() - seen_at < EXEC:
        if live:
            seen_at = time.monotonic()
        found = read_pid_file(cluster) if live else None
        if found is not None and found.pid == pid and found.status == "ready":
            return True
        if time.monotonic() > say_at:
            log.info("The database is recovering after an unclean stop; it gets as much time as it needs")
            say_at = time.monotonic() + SAY_AGAIN
        await asyncio.sleep(LOOK)
    return False


async def end(pid: int, cluster: Path, account: Account) -> None:
    """End the server cleanly or, if it does not listen, less so: it then recovers at its next start."""
    for order, patience in PATIENCE:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, order)
        if await _gone(cluster, account, patience):
            return
    await clear(cluster, account)


async def clear(cluster: Path, account: Account) -> None:
    """End what a killed server left at work. Only without a postmaster: its memory is lost, so nothing else is."""
    for order, patience in ((signal.SIGQUIT, 5.0), (signal.SIGKILL, 30.0)):
        for pid in await asyncio.to_thread(processes, cluster, account):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, order)
        if await _gone(cluster, account, patience):
            return
    raise WrongSetup(f"An earlier database server in {cluster} does not end. Restart the machine.")


async def _gone(cluster: Path, account: Account, patience: float) -> bool:
    until = time.monotonic() + patience
    while await asyncio.to_thread(processes, cluster, account):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(LOOK)
    return True
