"""Which database the doctor looks at, and what is said where it cannot be reached. Stands on psycopg alone."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tallybook.core.errors import TallybookError, Unavailable, WrongSetup

T = TypeVar("T")
Conn = psycopg.AsyncConnection[Any]

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="ADDRESS",
        help="A URL, “host=… dbname=…”, or a service of pg_service.conf. Else DATABASE_URL, or PGHOST and its like.",
    ),
]
Schemas = Annotated[
    list[str] | None, typer.Option("--schema", help="May be given several times. Else those of the search path.")
]
ContractFile = Annotated[
    Path | None, typer.Option("--contract", metavar="FILE", help="The contract; see docs/doctor.md.")
]
Env = Annotated[str | None, typer.Option("--env", help="The product's environment, where no database is named.")]

# What needs the whole product, where only the doctor was installed.
OWN = "The product's own environment (name another database with --database, or a contract with --contract)"
VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGUSER", "PGPORT")
SECONDS = 10  # for a connection
# What is wrong, by words of the driver or the server, and what mends it. The first that fits is said.
HINTS = (
    (
        "password authentication failed|no password supplied",
        "Check the user and the password; PGPASSWORD or ~/.pgpass can hold it.",
    ),
    ("pg_hba.conf", "The server lets nobody in from here by this user; pg_hba.conf says who may come from where."),
    ("definition of service", "A database by its name alone is written dbname=NAME."),
    ("database .* does not exist", "Check the database's name at the end of the address."),
    ("role .* does not exist", "Check the user in the address."),
    ("could not translate|name resolution|not known|getaddrinfo", "Check the host in the address."),
    ("connection refused|no such file|is the server running", "Start the server, or check host and port."),
    ("timeout|timed out", "Nothing answers there: check host, port and firewall."),
    ("ssl|certificate", "Check sslmode and sslrootcert in the address."),
    ("too many|remaining connection slots", "The server has no connection left; try again later."),
)
UNREADABLE = (
    "The address of the database cannot be read{}. It is a URL such as postgresql://reader@db.example:5432/shop, or "
    "“host=db.example dbname=shop user=reader”. Signs such as @ : / # in a password are written as %40 %3A %2F %23."
)
SCHEMAS = "select current_schemas(false)"
# A schema of the path that our role may not use is left out of current_schemas without a word.
CLOSED = """
select n.nspname, current_user
from unnest(string_to_array(current_setting('search_path'), ',')) with ordinality as path (name, place)
join pg_namespace n on n.nspname = replace(btrim(path.name, ' "'), '$user', current_user)
where not has_schema_privilege(n.oid, 'usage') order by path.place limit 1
"""
THERE = "select nspname from pg_namespace where nspname = any(%(schemas)s::text[])"


def address(given: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """The address as the driver takes it: what was given, or DATABASE_URL, or what PGHOST and its like say.

    Raises BadParameter, in whose text no part of the address stands: it may hold a password.
    """
    text = given if given is not None else environ.get("DATABASE_URL", "")
    if not text.strip() and not any(environ.get(name) for name in VARIABLES):
        raise typer.BadParameter("Name a database: --database ADDRESS, or DATABASE_URL, or PGHOST and its like.")
    if re.fullmatch(r"[\w.-]+", text):
        text = make_conninfo(service=text)
    # Libraries for other languages add their driver's name: postgresql+psycopg://.
    text = re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", text.strip())
    try:
        named = conninfo_to_dict(text)
    except psycopg.ProgrammingError as error:
        unknown = re.search(
            r'invalid (?:URI query parameter|connection option): "(\w+)"|invalid connection option "(\w+)"', str(error)
        )
        why = f": PostgreSQL knows no {unknown[1] or unknown[2]} in it" if unknown else ""
        raise typer.BadParameter(UNREADABLE.format(why)) from None
    # What follows the first @ or / of a password was taken for host or port, and would stand in the driver's words.
    if re.search(r"[^,]@", str(named.get("host") or "")) or re.search(r"[^\d,]", str(named.get("port") or "")):
        raise typer.BadParameter(UNREADABLE.format(""))
    if "connect_timeout" not in named and not environ.get("PGCONNECT_TIMEOUT"):
        named["connect_timeout"] = SECONDS
    return make_conninfo("", **named)


def _as_doctor(named: Mapping[str, Any]) -> str:
    """By our name, by which the server's log tells us from other programs, unless another one is given."""
    # A database that keeps bytes as they come (SQL_ASCII) would give bytes for names.
    return make_conninfo("", **{"application_name": "tallybook doctor", "client_encoding": "utf8", **named})


@asynccontextmanager
async def connected(conninfo: str) -> AsyncIterator[Conn]:
    """A connection in autocommit. Raises Unavailable with what to do where there is none."""
    named = conninfo_to_dict(conninfo)
    try:
        conn = await psycopg.AsyncConnection.connect(_as_doctor(named), autocommit=True, prepare_threshold=None)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:  # the latter for an option's value
        raise Unavailable(not_reached(str(error), named.get("password"))) from None
    async with conn:
        yield conn


def not_reached(said: str, password: Any) -> str:
    """Why there is no connection, in the driver's words without a password, and what to do."""
    said = " ".join(said.split())
    if password:
        said = said.replace(str(password), "…")
    hint = next((hint for words, hint in HINTS if re.search(words, said, re.IGNORECASE)), "Check the address.")
    return f"The database cannot be reached: {said.rstrip('.')}. {hint}"


async def schemas_of(conn: Conn, asked: list[str] | None) -> list[str]:
    """The schemas to look at. Raises WrongSetup where one is not there."""
    if not asked:
        row = await (await conn.execute(SCHEMAS)).fetchone()
        asked = list(row[0]) if row else []
        if not asked and (closed := await (await conn.execute(CLOSED)).fetchone()):
            raise WrongSetup(
                f"Our role {closed[1]} may not use the schema {closed[0]}, which the search path names: grant it usage "
                "on the schema, or name another one with --schema."
            )
        if not asked:
            raise WrongSetup("The search path names no schema that is there; name one with --schema.")
        return asked
    there = {row[0] for row in await (await conn.execute(THERE, {"schemas": asked})).fetchall()}
    if missing := [schema for schema in asked if schema not in there]:
        raise WrongSetup(f"There is no schema {', '.join(missing)} in the database {conn.info.dbname}.")
    return asked


@contextmanager
def told() -> Iterator[None]:
    """Says what hinders an examination, with exit code 2: 1 says that it found something."""
    try:
        yield
    except TallybookError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(2) from None
    except psycopg.OperationalError as error:
        typer.echo(f"The database broke off: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs the work to its end, by a loop that the driver can use on every system."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(work)
