"""The whole product on one machine."""

from __future__ import annotations

import typer

from . import supervise
from .opening import Env, Needs, owner_url, settings_of, with_database
from .opening import run as run_to_end


def run(env: Env = None) -> None:
    """Run everything on this machine: database, migrations, web, worker. Ctrl-C stops it."""
    run_to_end(supervise.run_product(settings_of(env), typer.echo))


def database_url(env: Env = None) -> None:
    """Print the database's address as its owner, for psql. It holds a password."""

    async def address() -> str:
        async with with_database(settings_of(env), Needs.ENVIRONMENT) as settings:
            return owner_url(settings)

    typer.echo(run_to_end(address()))
