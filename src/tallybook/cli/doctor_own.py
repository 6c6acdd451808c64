"""The product's own environments as the doctor looks at them. Imported only where they are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tallybook.core.db import schema_of
from tallybook.own_contract import own_contract

from .opening import Needs, owner_url, settings_of, with_database

__all__ = ["environment", "environments", "own_contract", "tables"]


@asynccontextmanager
async def environment(env: str | None) -> AsyncIterator[tuple[str, str]]:
    """The address by the environment's own role, and its schema. Its tables may be of any release."""
    async with with_database(settings_of(env), Needs.ENVIRONMENT) as settings:
        yield settings.direct_database_url or settings.database_url or "", schema_of(settings.env)


@asynccontextmanager
async def environments(env: str) -> AsyncIterator[tuple[str, str]]:
    """The address by which the catalogue of all environments can be read, and the schema of one of them."""
    async with with_database(settings_of(env), Needs.ENVIRONMENT) as settings:
        yield owner_url(settings), schema_of(settings.env)


@asynccontextmanager
async def tables(env: str | None) -> AsyncIterator[tuple[str, str]]:
    """The same for what changes tables: by this release's contract, so that they must be of this release."""
    async with with_database(settings_of(env)) as settings:
        yield owner_url(settings), schema_of(settings.env)
