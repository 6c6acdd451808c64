"""What every command needs: its settings, its log, its database."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Annotated, Any, TypeVar

import psycopg
import structlog
import typer
import uvloop

from tallybook.app import App, open_app
from tallybook.core import embedded, environment, key_check, log
from tallybook.core.db import Conn, is_transient
from tallybook.core.embedded import Server
from tallybook.core.errors import Unavailable, WrongSetup
from tallybook.core.revisions import check_current, check_revision
from tallybook.settings import Settings

AGAIN_SECONDS = 2.0
T = TypeVar("T")
logger = structlog.get_logger()

Env = Annotated[str | None, typer.Option("--env", help="The environment; the default is TALLYBOOK_ENV, or prod.")]
Json = Annotated[bool, typer.Option("--json", help="Say it as JSON.")]


def settings_of(env: str | None) -> Settings:
    """The settings of a command, its log set up by them. Raises WrongSetup."""
    settings = Settings.load()
    if env is not None:
        settings = dataclasses.replace(settings, env=env)
    key = settings.secret_keys()[0]
    log.configure(settings.log_format, settings.log_file, settings.log_level, settings.env, key)
    return settings


def run(work: Awaitable[T]) -> T:
    """Runs a command's work to its end. Raises Unavailable where the database is away."""

    async def main() -> T:
        return await work

    try:
        return uvloop.run(main())
    except psycopg.OperationalError as error:
        if not is_transient(error):
            raise
        raise Unavailable(f"The database cannot be reached: {reason_of(error)}") from None


async def once_it_is_there(work: Callable[[], Awaitable[T]]) -> T:
    """What ``work`` returns, tried again for as long as the database is away; that is logged once."""
    is_told = False
    while True:
        try:
            return await work()
        except psycopg.OperationalError as error:
            if not is_transient(error):
                raise
            if not is_told:
                logger.warning("The database is away; it is waited for", reason=reason_of(error))
            is_told = True
        await asyncio.sleep(AGAIN_SECONDS)


def reason_of(error: psycopg.Error) -> str:
    """The first line of what the driver says; the others may quote a statement."""
    return str(error).partition("\n")[0] or type(error).__name__


def say(value: Any, text: Callable[[], str] | str, *, as_json: bool) -> None:
    """Says a result to standard output, for programs or for people."""
    if as_json:
        typer.echo(json.dumps(value, ensure_ascii=False, default=str, indent=2))
    else:
        typer.echo(text if isinstance(text, str) else text())


class Needs(Enum):
    """What a command must find in the database. Only what makes an environment may do so without one."""

    NOTHING = "a server; a backup may be poured into it"
    ENVIRONMENT = "the environment, whatever its tables are at"
    TABLES = "the environment, its tables up to date"
    MADE = "the environment, which is made or brought up to date first"


@asynccontextmanager
async def with_database(settings: Settings, needs: Needs = Needs.TABLES) -> AsyncIterator[Settings]:
    """The settings with a database in them: the one that is named, or the embedded one beside or without a product.

    Raises WrongSetup where it has not what the command needs; nothing is made or changed then. A database that is named
    and away is let pass: the command itself meets it.
    """
    if settings.database_url is not None:
        if needs is not Needs.MADE:
            with suppress(psycopg.OperationalError):
                await _check_needs(owner_url(settings), settings.env, needs)
        yield settings
        return
    begun = needs in {Needs.MADE, Needs.NOTHING} or (settings.data_dir / "postgres" / "PG_VERSION").exists()
    if not begun:
        raise WrongSetup(f"There is no database in {settings.data_dir} yet: start tallybook run, or tallybook migrate.")
    async with embedded.running(settings.data_dir, exclusive=False) as server:
        if needs is Needs.MADE:
            await make_environment(server, settings.env)
        else:
            await _check_needs(server.owner_url, settings.env, needs)
        yield on_server(settings, server)


async def _check_needs(url: str, env: str, needs: Needs) -> None:
    """Raises WrongSetup. A server that is away raises OperationalError."""
    if needs is Needs.NOTHING:
        return
    names = await environment.names(url)
    if env not in names:
        there = f"there are: {', '.join(names)}" if names else "the database is empty; run tallybook migrate"
        raise WrongSetup(f"There is no environment {env}; {there}.")
    if needs is Needs.TABLES:
        try:
            check_revision(await environment.revision(url, env))
        except psycopg.errors.InsufficientPrivilege as error:
            raise WrongSetup(f"The database's role that is set may not see the environment {env}.") from error


async def make_environment(server: Server, env: str) -> list[str]:
    """Makes or mends an environment of the embedded server; returns the migrations applied."""
    role = environment.role_of(env)
    return await environment.create(server.owner_url, env, {role: server.password_for(role)})


def on_server(settings: Settings, server: Server) -> Settings:
    """The settings for the embedded server, whose environment is there."""
    role = environment.role_of(settings.env)
    return dataclasses.replace(
        settings,
        database_url=server.quiet_url_for(role),
        direct_database_url=server.quiet_url_for(role),
        owner_database_url=server.owner_url,
        server_log=settings.server_log or (server.log_folder,),
    )


def owner_url(settings: Settings) -> str:
    """The address for what only the owner may do: migrations, environments, backups."""
    return settings.owner_database_url or settings.direct_database_url or settings.database_url or ""


@asynccontextmanager
async def opened(env: str | None) -> AsyncIterator[App]:
    """The application for a command, on its database."""
    async with with_database(settings_of(env)) as settings, open_app(settings) as app:
        yield app


@asynccontextmanager
async def open_checked(env: str | None) -> AsyncIterator[App]:
    """The application for a part of the product, which refuses a database that does not fit the code.

    A database that is away is no reason not to start: what comes in is spooled until it is back.
    """
    async with opened(env) as app:
        try:
            await app.db.run("check database", _check)
        except psycopg.OperationalError as error:
            logger.warning(
                "Starting without the database, which is looked for again and again", error=type(error).__name__
            )
        else:
            yield app
            return
        try:
            async with asyncio.TaskGroup() as group:
                checking = group.create_task(_check_later(app))
                yield app
                checking.cancel()
        except* WrongSetup as refused:
            raise refused.exceptions[0] from None


async def _check(conn: Conn) -> None:
    await check_current(conn)
    await key_check.check(conn)


async def _check_later(app: App) -> None:
    """Checks as soon as the database is there. What does not fit raises, and so ends the part that has started."""
    while True:
        try:
            return await app.db.run("check database", _check)
        except psycopg.OperationalError:
            await asyncio.sleep(AGAIN_SECONDS)


def confirmed(question: str, *, yes: bool) -> None:
    """Asks before something is destroyed, unless ``yes`` was given. Without a terminal the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Nobody is there to answer; confirm it with --yes.")
    typer.confirm(question, abort=True)
