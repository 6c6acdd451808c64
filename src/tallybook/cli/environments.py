"""Environments, migrations, backups: what the database's owner does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import typer

from tallybook.core import backup as backups
from tallybook.core import embedded, environment, revisions, roll_back
from tallybook.core.db import PROD, schema_of

from . import environment_data
from .opening import (
    Env,
    Json,
    Needs,
    confirmed,
    make_environment,
    once_it_is_there,
    owner_url,
    run,
    say,
    settings_of,
    with_database,
)

app = typer.Typer(no_args_is_help=True, help="Environments: a schema and a role of its own each.")
for _command in environment_data.COMMANDS:
    app.command()(_command)


@app.command("create")
def create_environment(
    name: str,
    new_password: Annotated[bool, typer.Option("--new-password", help="Give a role that exists another one.")] = False,
    as_json: Json = False,
) -> None:
    """Make an environment, or mend its schema, role, grants and tables. May be repeated.

    NAME is the environment, and so there is no --env.
    """
    given, role = settings_of(name), environment.role_of(name)
    # The embedded server's passwords are made and kept by itself; everybody who starts it reads them there.
    own = given.database_url is not None
    if new_password and not own:
        raise typer.BadParameter("The database that comes with the product keeps its own passwords.")

    async def work() -> tuple[list[str], str | None]:
        # Production's tables come first: the others take their businesses from it.
        prod = dataclasses.replace(given, env=PROD)
        async with with_database(prod, Needs.MADE), with_database(given, Needs.MADE) as settings:
            url = owner_url(settings)
            wanted = own and (new_password or not await environment.has_role(url, name))
            password = environment.new_password() if wanted else None
            return await environment.create(url, name, {role: password} if password else {}), password

    applied, password = run(work())
    said = f"{name}: schema {schema_of(name)}, role {role}, tables up to date."
    if password:
        said += f"\nIts password, shown this once: {password}"
    say({"environment": name, "role": role, "applied": applied, "password": password}, said, as_json=as_json)


def do_migrate(
    stage: Annotated[
        Literal["all", "pre", "back"],
        typer.Option(help="pre: only what is safe before the new code. back: let the release before start again."),
    ] = "all",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for a database that is away, however long.")] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Bring the database up to this release. Many may run it at once; it happens once."""
    if stage == "back":
        _let_the_old_one_start(env, as_json=as_json)
        return

    async def work() -> list[str]:
        settings = settings_of(env)
        if settings.database_url is not None:
            if stage == "all" and settings.database_url != owner_url(settings):
                # The application's role gets its rights on the tables as well: it may be newer than they are.
                return await environment.create(owner_url(settings), settings.env, {})
            return await revisions.migrate(owner_url(settings), settings.env, stage)
        async with embedded.running(settings.data_dir, exclusive=False) as server:
            return await make_environment(server, settings.env)

    applied = run(once_it_is_there(work) if wait else work())
    say({"applied": applied}, f"{len(applied)} migrations applied; the database is up to date.", as_json=as_json)


def _let_the_old_one_start(env: str | None, *, as_json: bool) -> None:
    async def work() -> str:
        async with with_database(settings_of(env), Needs.ENVIRONMENT) as settings:
            return await roll_back.back(owner_url(settings), settings.env, revisions.known_revisions())

    at = run(work())
    say({"revision": roll_back.BEFORE, "tables": at},
        f"The release before this one may start. The tables stay at {at}; tallybook migrate goes on from there.",
        as_json=as_json)  # fmt: skip


def backup(file: Path, env: Env = None) -> None:
    """Write all environments into one file."""

    async def work() -> None:
        async with with_database(settings_of(env), Needs.ENVIRONMENT) as settings:
            await backups.backup(owner_url(settings), file)

    run(work())
    typer.echo(f"{file}: {file.stat().st_size:,} bytes.")


def restore(
    file: Path,
    replace: Annotated[bool, typer.Option(help="Restore over what is there, destroying it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    env: Env = None,
) -> None:
    """Read a backup into an empty database, or with --replace over what is there."""
    if replace:
        confirmed("Everything in this database is replaced by the backup. Go on?", yes=yes)

    async def work() -> None:
        async with with_database(settings_of(env), Needs.NOTHING) as settings:
            await backups.restore(owner_url(settings), file, replace=replace)

    run(work())
    typer.echo(f"{file} is restored.")
