"""PostgreSQL for one machine: the product's own server under the data directory, started, attached to and ended.

Who may do what is held by file locks, which the kernel drops with their process, however it dies:
``product.lock`` is the one product; ``door.lock`` is held while somebody comes or goes; ``users.lock`` is shared by all
who use the server, and whoever leaves last ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import structlog
from psycopg import sql

from tallybook.core import embedded_server as one
from tallybook.core.embedded_programs import (
    SUPERUSER,
    Account,
    Programs,
    account_for,
    check_version,
    initialise,
    programs_for,
    sync_folder,
)
from tallybook.core.errors import WrongSetup
from tallybook.core.file_lock import lock_file, try_lock, waited_for

DATABASE = "tallybook"
OWNER = "tallybook_owner"
PRODUCT_LOCK = "product.lock"
# Seconds.
LOOK = 0.5
ANSWERS_WITHIN = 10
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

ROLE_EXISTS = "select 1 from pg_roles where rolname = %(name)s::text"
DATABASE_EXISTS = "select 1 from pg_database where datname = %(name)s::text"

LET_BE_QUIET = "grant set on parameter log_min_messages to public"
CREATE_OWNER = "create role {owner} login createrole"
ALTER_OWNER = "alter role {owner} password {password}"
CREATE_DATABASE = "create database {database} owner {owner}"

log = structlog.get_logger()


@dataclass(frozen=True)
class Server:
    """A running server. It keeps its address for as long as anybody uses it, over restarts too."""

    data_dir: Path
    host: str
    port: int = one.PORT

    @property
    def log_folder(self) -> Path:
        """Where it writes what it refused, for programs to read."""
        return self.data_dir / "postgres" / one.LOG_FOLDER

    @property
    def superuser_url(self) -> str:
        """For making roles and databases, and for backups."""
        return self.url_for(SUPERUSER)

    @property
    def owner_url(self) -> str:
        """For migrations and for people's own SQL."""
        return self.url_for(OWNER)

    def url_for(self, role: str) -> str:
        """A libpq address with the role's password in it: never to be logged."""
        host = quote(self.host, safe="")
        return f"postgresql://{role}:{self.password_for(role)}@/{DATABASE}?host={host}&port={self.port}"

    def quiet_url_for(self, role: str) -> str:
        """The same for the product's own processes, which keep what they are refused by themselves."""
        return f"{self.url_for(role)}&options={quote('-c log_min_messages=fatal')}"

    def password_for(self, role: str) -> str:
        """The role's password; on the first ask it is made up and stored, which blocks for some milliseconds."""
        with lock_file(self.data_dir / "credentials.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _password(self.data_dir / "credentials.json", role)


@contextlib.asynccontextmanager
async def running(data_dir: Path, *, exclusive: bool) -> AsyncIterator[Server]:
    """The server of this data directory, running for as long as the block does.

    ``exclusive`` is the product: there is one, and it restarts a server that dies. Otherwise it is a command, which
    attaches to what runs, or starts it. The last to leave ends the server.
    Raises WrongSetup, with what to do, where the directory cannot be used; nothing is left running then.
    """
    async with contextlib.AsyncExitStack() as stack:
        with _refusals_told(data_dir):
            data_dir = _private_folder(data_dir)
            if exclusive:
                stack.enter_context(_sole_product(data_dir))
            server = await stack.enter_async_context(_using(data_dir))
        if exclusive:
            await stack.enter_async_context(_watched(server))
        yield server


def refuse_second(data_dir: Path) -> None:
    """Raises WrongSetup, which names the process, where a product runs on this data directory."""
    data_dir = data_dir.expanduser().absolute()
    if (data_dir / PRODUCT_LOCK).exists():
        with _refusals_told(data_dir), _sole_product(data_dir):
            pass


def _private_folder(data_dir: Path) -> Path:
    data_dir = data_dir.expanduser().absolute()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return data_dir


@contextlib.contextmanager
def _refusals_told(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise WrongSetup(
            f"This account may not use {error.filename or data_dir}. "
            "Run Tallybook as the account that first started it, or choose another TALLYBOOK_DATA_DIR."
        ) from error


@contextlib.contextmanager
def _sole_product(data_dir: Path) -> Iterator[None]:
    with lock_file(data_dir / PRODUCT_LOCK) as lock:
        if not try_lock(lock, fcntl.LOCK_EX):
            pid = os.pread(lock, 20, 0).decode().strip() or "unknown"
            raise WrongSetup(
                f"Tallybook already runs on {data_dir} (process {pid}). "
                "Stop it first, or choose another TALLYBOOK_DATA_DIR."
            )
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield


@contextlib.asynccontextmanager
async def _using(data_dir: Path) -> AsyncIterator[Server]:
    with lock_file(data_dir / "users.lock") as users:
        try:
            async with waited_for(data_dir / "door.lock"):
                # Never waits: whoever wants this lock alone asks for it within the door and does not wait either.
                fcntl.flock(users, fcntl.LOCK_SH)
                server = await _ensure(data_dir, None)
            yield server
        finally:
            async with waited_for(data_dir / "door.lock"):
                if try_lock(users, fcntl.LOCK_EX):
                    await _end(data_dir)


@contextlib.asynccontextmanager
async def _watched(server: Server) -> AsyncIterator[None]:
    task = asyncio.create_task(_watch(server), name="watch the database server")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _watch(server: Server) -> None:
    pause = SHORTEST_PAUSE
    started = time.monotonic()
    while True:
        await asyncio.sleep(LOOK)
        if await asyncio.to_thread(_is_well, server.data_dir):
            if time.monotonic() - started > LONGEST_PAUSE:
                pause = SHORTEST_PAUSE
            continue
        log.error("The database server has ended by itself; starting it again")
        await _restart(server)
        started = time.monotonic()
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _is_well(data_dir: Path) -> bool:
    """Whether the server lives. Its log is kept within bounds on the way."""
    with contextlib.suppress(OSError):  # a full disk is told elsewhere, and must not end the watch
        one.trim_log(data_dir / "postgres.log")
        one.trim_log_folder(data_dir / "postgres")
    try:
        return _live_server(data_dir) is not None
    except (OSError, WrongSetup):
        return False


async def _restart(server: Server) -> None:
    try:
        async with waited_for(server.data_dir / "door.lock"):
            again = await _ensure(server.data_dir, Path(server.host))
    except (WrongSetup, OSError) as error:
        log.error("The database server could not be started; trying again", reason=str(error))  # noqa: TRY400 - the reason is whole
        return
    if again.host != server.host:
        log.error("The database server had to move its socket. Restart Tallybook")
        return
    log.info("The database server runs again")


async def _ensure(data_dir: Path, last_socket_dir: Path | None) -> Server:
    """The server, adopted if it runs and else started. Only within the door."""
    cluster = data_dir / "postgres"
    account = await asyncio.to_thread(account_for, cluster)
    programs = await asyncio.to_thread(programs_for, account)
    check_version(cluster, programs)
    found = await asyncio.to_thread(_live_server, data_dir)
    if found is None or not await _adopted(found, cluster, account):
        await _start(data_dir, programs, account, last_socket_dir)
    # Read again: while a server starts, its file does not yet say where its socket is.
    found = one.read_pid_file(cluster)
    if found is None:
        raise WrongSetup(f"The database server ended at once. {_last_words(data_dir)}")
    server = Server(data_dir, str(found.socket_dir))
    await _complete(server)
    return server


def _live_server(data_dir: Path) -> one.PidFile | None:
    cluster = data_dir / "postgres"
    found = one.read_pid_file(cluster)
    return found if found is not None and one.lives(found.pid, cluster, account_for(cluster)) else None


async def _adopted(found: one.PidFile, cluster: Path, account: Account) -> bool:
    if found.status in {"starting", "ready"} and await one.until_ready(found.pid, cluster, account):
        return True
    await one.end(found.pid, cluster, account)
    return False


async def _start(data_dir: Path, programs: Programs, account: Account, last_socket_dir: Path | None) -> None:
    cluster = data_dir / "postgres"
    log_file = data_dir / "postgres.log"
    if not (cluster / "PG_VERSION").exists():
        password = await asyncio.to_thread(Server(data_dir, "").password_for, SUPERUSER)
        await asyncio.to_thread(initialise, cluster, programs, account, password)
    stale = one.read_pid_file(cluster)
    await one.clear(cluster, account)
    # Nothing lives here now. PostgreSQL itself would refuse to start if another process bears the stale number.
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    last = last_socket_dir or (stale.socket_dir if stale else None)
    socket_dir = await asyncio.to_thread(one.socket_folder, account, last)
    one.trim_log(log_file)
    pid = await asyncio.to_thread(one.spawn, cluster, programs, account, socket_dir, log_file)
    if not await one.until_ready(pid, cluster, account):
        one.remove_socket_folder(socket_dir)
        raise WrongSetup(f"The database server did not start. {_last_words(data_dir)}")


def _last_words(data_dir: Path) -> str:
    file, lines = one.last_words(data_dir / "postgres.log", data_dir / "postgres")
    return f"The end of {file}: " + " / ".join(lines)


async def _end(data_dir: Path) -> None:
    cluster = data_dir / "postgres"
    account = await asyncio.to_thread(account_for, cluster)
    found = one.read_pid_file(cluster)
    if await asyncio.to_thread(_live_server, data_dir) is not None and found is not None:
        await one.end(found.pid, cluster, account)
    else:
        await one.clear(cluster, account)
    if found is not None:
        one.remove_socket_folder(found.socket_dir)


async def _complete(server: Server) -> None:
    """The product's database and its owner, made if they are not there: the first start may have been cut short."""
    url, owner_password = await asyncio.to_thread(lambda: (server.superuser_url, server.password_for(OWNER)))
    try:
        connection = await psycopg.AsyncConnection.connect(
            url, dbname=SUPERUSER, autocommit=True, connect_timeout=ANSWERS_WITHIN
        )
    except psycopg.errors.ConnectionTimeout as error:
        raise WrongSetup(
            f"The database in {server.data_dir} runs, and has not answered for {ANSWERS_WITHIN} seconds. "
            "Is this machine overloaded, or its disk away? What comes in meanwhile is kept; try again."
        ) from error
    except psycopg.OperationalError as error:
        raise WrongSetup(
            f"The database in {server.data_dir} does not accept the password in credentials.json beside it. "
            "Restore that file from where it was, or restore a backup into an empty directory."
        ) from error
    async with connection:
        await connection.execute(LET_BE_QUIET)
        names = {"owner": sql.Identifier(OWNER), "database": sql.Identifier(DATABASE)}
        if await (await connection.execute(DATABASE_EXISTS, {"name": DATABASE})).fetchone():
            return
        if not await (await connection.execute(ROLE_EXISTS, {"name": OWNER})).fetchone():
            await connection.execute(sql.SQL(CREATE_OWNER).format(**names))
        await connection.execute(sql.SQL(ALTER_OWNER).format(**names, password=sql.Literal(owner_password)))
        await connection.execute(sql.SQL(CREATE_DATABASE).format(**names))


def _password(file: Path, role: str) -> str:
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    if role not in kept:
        kept[role] = secrets.token_urlsafe(24)
        handle, name = tempfile.mkstemp(prefix="credentials-", dir=file.parent)  # mode 0600
        with os.fdopen(handle, "w") as new:
            json.dump(kept, new, indent=1)
            new.flush()
            os.fsync(new.fileno())
        Path(name).rename(file)
        sync_folder(file.parent)
    return kept[role]
