"""Backup and restore of the whole database, every environment's schema, with PostgreSQL's own programs.

A backup is one file in pg_dump's custom format. Roles and their rights are not in it: after a restore to a new server,
``tallybook env create`` makes them again.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from . import owner_refusals
from .db import PROD
from .embedded_programs import installed_programs
from .errors import Conflict, Unavailable, WrongSetup

DEBIAN = Path("/usr/lib/postgresql")
UNKNOWN_BEFORE_17 = b"SET transaction_timeout ="
PREAMBLE = 30  # lines; the settings stand in them, and no row does
ERROR = r"(?:: error: |(?:^|: )ERROR: +(?:[0-9A-Z]{5}: )?)"
SECRETS = {"password": "PGPASSWORD", "sslpassword": "PGSSLPASSWORD"}
TABLES = """
select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
"""


@dataclass(frozen=True)
class Program:
    """pg_dump or pg_restore, and its major version."""

    path: Path
    major: int


async def backup(owner_url: str, file: Path) -> None:
    """Writes a backup to ``file`` (mode 0600), which appears only once it is whole and on the disk.

    Raises WrongSetup where no fitting pg_dump is found or the file cannot be written, and Unavailable with its sentence
    where pg_dump fails.
    """
    program = _nearest(await _programs("pg_dump"), await _server_major(owner_url))
    try:
        with _appearing_whole(file) as target:
            await _dump(program, owner_url, target)
    except OSError as error:
        raise WrongSetup(f"{file} cannot be written: {error.strerror}.") from error


async def restore(owner_url: str, file: Path, *, replace: bool = False) -> None:
    """Fills an empty database from a backup, or with ``replace`` any database; all of it or nothing.

    Raises Conflict where the database holds tables and ``replace`` was not given, Unavailable where it fails.
    """
    if not os.access(file, os.R_OK):
        raise WrongSetup(f"There is no backup at {file} that may be read.")
    tables = await _tables(owner_url)
    if tables and not replace:
        raise Conflict(
            f"The database holds {tables} tables already. Restore into an empty one, or with --replace: what it holds "
            "is then replaced by the backup.",
            tables=tables,
        )
    await _pour(_newest(await _programs("pg_restore"), await _server_major(owner_url)), owner_url, file, replace)


async def _pour(program: Program, owner_url: str, file: Path, replace: bool) -> None:
    """The backup as SQL into psql, in one transaction, which ends only once all of the backup was read without fault.

    The way round by psql serves every version of server: a newer pg_restore sets what an older server does not know.
    """
    how = ["--file=-", "--no-owner", "--no-privileges", *(["--clean", "--if-exists"] if replace else [])]
    reader = await asyncio.create_subprocess_exec(
        program.path, *how, file, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=_surroundings({})
    )
    arguments, secrets = _address(owner_url)
    writer = await asyncio.create_subprocess_exec(
        program.path.with_name("psql"), "-X", "-q", "--single-transaction", "--set=ON_ERROR_STOP=1",
        "--set=VERBOSITY=verbose", *arguments,
        stdin=PIPE, stdout=DEVNULL, stderr=PIPE, env=_surroundings(secrets),
    )  # fmt: skip
    said = asyncio.gather(_all_of(reader.stderr), _all_of(writer.stderr))
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # psql met an error and says which
            await _copy(reader, writer)
            if await reader.wait() == 0 and writer.stdin is not None:
                writer.stdin.close()
                await writer.wait()
    finally:
        # Before psql sees the end of its input, which would commit what it has.
        for process in (writer, reader):
            with suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(writer.wait(), reader.wait(), _all_of(reader.stdout))
        faults = await said
    if reader.returncode != 0 or writer.returncode != 0:
        raise Unavailable(f"The backup could not be restored: {await _why(owner_url, faults[1] or faults[0])}")


async def _why(owner_url: str, said: str) -> str:
    """The first error; of a refusal also what it was, which is recorded where there are tables for it."""
    first, found = _first_error(said), owner_refusals.told_by_psql(said)
    if found is None:
        return first
    kept = await owner_refusals.keep(owner_url, PROD, found, "restore a backup")
    return f"{first}. {owner_refusals.sentence(found, kept=kept)}"


async def _all_of(stream: asyncio.StreamReader | None) -> str:
    return (await stream.read()).decode(errors="replace") if stream else ""


async def _copy(reader: asyncio.subprocess.Process, writer: asyncio.subprocess.Process) -> None:
    """Everything that ``reader`` says, but for the one setting that servers before 17 do not know."""
    if reader.stdout is None or writer.stdin is None:
        return
    for _ in range(PREAMBLE):
        line = await reader.stdout.readline()
        if not line.startswith(UNKNOWN_BEFORE_17):
            writer.stdin.write(line)
    while piece := await reader.stdout.read(2**20):
        writer.stdin.write(piece)
        await writer.stdin.drain()
    await writer.stdin.drain()


@contextmanager
def _appearing_whole(file: Path) -> Iterator[int]:
    """A descriptor to write to. The file takes its name only once all of it is on the disk; its folder too."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.unfinished")
    target = os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    try:
        yield target
        os.fsync(target)
        unfinished.replace(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
    finally:
        os.close(target)
        unfinished.unlink(missing_ok=True)


def _able(programs: list[Program], server: int) -> list[Program]:
    """The programs that can read the server, oldest first: one older than the server cannot. Pure."""
    able = sorted((program for program in programs if program.major >= server), key=lambda program: program.major)
    if not able:
        found = ", ".join(f"{program.path} is version {program.major}" for program in programs) or "none is installed"
        raise WrongSetup(
            f"The database server is PostgreSQL {server}; a backup needs pg_dump and pg_restore of version {server} or "
            f"newer ({found}). Install PostgreSQL {server}'s client programs."
        )
    return able


def _nearest(programs: list[Program], server: int) -> Program:
    """For a backup: what it writes can be read by most others."""
    return _able(programs, server)[0]


def _newest(programs: list[Program], server: int) -> Program:
    """For a restore: it reads what any other wrote."""
    return _able(programs, server)[-1]


async def _programs(name: str) -> list[Program]:
    """Every ``name`` that runs here, with its version."""
    paths = _paths(name)
    majors = await asyncio.gather(*(_major_of(path) for path in paths))
    return [Program(path, major) for path, major in zip(paths, majors, strict=True) if major is not None]


def _paths(name: str) -> list[Path]:
    """Where ``name`` is: what comes with us, the system's of every version, and what is on the path."""
    places = sorted(DEBIAN.glob("*/bin"), reverse=True)
    with suppress(WrongSetup):
        places.insert(0, installed_programs().folder)
    paths = [place / name for place in places if os.access(place / name, os.X_OK)]
    on_path = shutil.which(name)
    if on_path is not None:
        paths.append(Path(on_path))
    return paths


async def _major_of(path: Path) -> int | None:
    try:
        process = await asyncio.create_subprocess_exec(path, "--version", stdout=PIPE, stderr=DEVNULL)
    except OSError:
        return None
    output, _ = await process.communicate()
    match = re.search(rb"\) (\d+)", output)
    return int(match[1]) if match and process.returncode == 0 else None


async def _server_major(owner_url: str) -> int:
    async with await psycopg.AsyncConnection.connect(owner_url) as conn:
        return conn.info.server_version // 10000


async def _tables(owner_url: str) -> int:
    async with await psycopg.AsyncConnection.connect(owner_url) as conn:
        row = await (await conn.execute(TABLES)).fetchone()
        return int(row[0]) if row else 0


def _address(owner_url: str) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment that lead to the database. Every user may see arguments: no password there."""
    terms: dict[str, Any] = conninfo_to_dict(owner_url)
    secrets = {variable: str(terms.pop(name)) for name, variable in SECRETS.items() if name in terms}
    return ["--no-password", f"--dbname={make_conninfo('', **terms)}"], secrets


def _surroundings(secrets: dict[str, str]) -> dict[str, str]:
    return os.environ | secrets | {"LC_MESSAGES": "C"}


async def _dump(program: Program, owner_url: str, target: int) -> None:
    arguments, secrets = _address(owner_url)
    process = await asyncio.create_subprocess_exec(
        program.path, "--format=custom", *arguments,
        stdin=DEVNULL, stdout=target, stderr=PIPE, env=_surroundings(secrets),
    )  # fmt: skip
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise Unavailable(f"The backup failed: {_first_error(said.decode(errors='replace'))}")


def _first_error(said: str) -> str:
    """The program's first error, without the lines after it: they may quote rows."""
    lines = [line for line in said.splitlines() if re.search(ERROR, line)] or said.splitlines() or ["it gave no reason"]
    return re.split(ERROR, lines[0], maxsplit=1)[-1]
