"""What every command needs: its settings, its log, its database."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import psycopg
import structlog
import typer

from tallybook.app import App, open_app
from tallybook.core import embedded, environment, keys, log
from tallybook.core.db import Conn
from tallybook.core.embedded import Server
from tallybook.core.errors import WrongSetup
from tallybook.core.revisions import check_current, known_revisions
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
    """Runs a command's work to its end."""

    async def main() -> T:
        return await work

    return asyncio.run(main())


def say(value: Any, text: Callable[[], str] | str, *, as_json: bool) -> None:
    """Says a result to standard output, for programs or for people."""
    if as_json:
        typer.echo(json.dumps(value, ensure_ascii=False, default=str, indent=2))
    else:
        typer.echo(text if isinstance(text, str) else text())


@asynccontextmanager
async def with_database(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with a database in them: the one that is named, or the embedded one beside or without a product."""
    if settings.database_url is not None:
        yield settings
        return
    async with embedded.running(settings.data_dir, exclusive=False) as server:
        yield await on_server(settings, server)


async def on_server(settings: Settings, server: Server) -> Settings:
    """The settings for the embedded server, whose environment is made or brought up to date first."""
    role = environment.role_of(settings.env)
    named = dataclasses.replace(
        settings,
        database_url=server.url_for(role),
        direct_database_url=server.url_for(role),
        owner_database_url=server.owner_url,
    )
    if await environment.revision(server.owner_url, settings.env) != known_revisions()[-1]:
        await environment.create(server.owner_url, settings.env, {role: server.password_for(role)})
    return named


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
    await keys.check(conn)


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
