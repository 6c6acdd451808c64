"""Has another environment's copy forget whom production forgot. The owner's work: neither can look into the other."""

from __future__ import annotations

import dataclasses

import msgspec

from . import customer_files
from .core import businesses, environment, environment_copying, people
from .core.businesses import Business
from .core.callers import Caller
from .core.db import PROD, Database, open_database
from .core.environment_turns import alone
from .inbox.service import copies
from .settings import Settings


class Forgot(msgspec.Struct, frozen=True):
    """What a copy forgot: threads that were taken away; ``ended`` is false where its worker has something to end."""

    environment: str
    threads: int
    ended: bool


async def apply(owner_url: str, settings: Settings, name: str) -> Forgot:
    """Forgets there whoever production forgot, and says so in production's record. A repeat does nothing.

    Raises WrongSetup for production, or what is no environment; Conflict while somebody copies there.
    """
    async with alone(owner_url, name):
        await environment_copying.check(owner_url, name)
        await environment.create(owner_url, name, {})
        async with (
            open_database(owner_url, PROD, size=1) as production,
            open_database(owner_url, name, size=1, statement_timeout="0") as copy,
        ):
            done = Forgot(name, 0, ended=True)
            for business in await production.run("businesses", businesses.every):
                threads, ended = await _of_business(settings, production, copy, business)
                done = Forgot(name, done.threads + threads, done.ended and ended)
            return done


async def _of_business(
    settings: Settings, production: Database, copy: Database, business: Business
) -> tuple[int, bool]:
    name = copy.environment
    caller: Caller = msgspec.structs.replace(people.command_line(business.id), business=business)
    those = await production.run("look at erasures", lambda conn: copies.known(conn, business.id, name))
    if those is None:
        return 0, True
    places = customer_files.erased(dataclasses.replace(settings, env=name))
    gone, ended = await copies.forget(copy, caller, those, places)
    await production.run("record a forgetting", lambda conn: copies.record(conn, caller, name, those.erasures))
    return gone, ended


async def apply_everywhere(owner_url: str, settings: Settings) -> list[Forgot]:
    """Every environment of the database but production, one after the other."""
    found = [name for name in await environment.names(owner_url) if name != PROD]
    return [await apply(owner_url, settings, name) for name in found]
