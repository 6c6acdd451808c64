"""Forgetting in the copies that other environments have of production's inbox: docs/decisions/0058."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import audit, forgotten
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller
from tallybook.core.db import Conn, Database
from tallybook.core.errors import NotFound
from tallybook.core.health import Check
from tallybook.inbox.store import copies as store
from tallybook.inbox.store.copies import Behind

from . import erasing, threads
from .erasing import Places

__all__ = ["Behind", "Known", "behind", "checks", "forget", "known", "record"]

THROUGH = "Whoever was forgotten is forgotten in every readable copy too."


class Known(msgspec.Struct, frozen=True):
    """What production has of those who were forgotten, in how many ``erasures``; ``messages`` are hashes."""

    erasures: int
    contacts: list[int]
    messages: list[bytes]


async def known(conn: Conn, business_id: int, environment: str) -> Known | None:
    """What a copy in that environment is to forget, told by production; None where none was ever made there."""
    if not await store.was_copied(conn, business_id, environment):
        return None
    erasures, contacts = await store.erased(conn, business_id)
    return Known(erasures, contacts, await forgotten.kept(conn, business_id))


async def behind(conn: Conn, business_id: int) -> list[Behind]:
    """The readable copies of a business, told by production."""
    return await store.behind(conn, business_id)


async def forget(copy: Database, caller: Caller, those: Known, places: Places) -> tuple[int, bool]:
    """Forgets them in the copy as if it had been asked there; how many threads, and whether all was gone through.

    A repeat finds nobody. Not all is gone through where a delivery that names them waits: the copy's worker ends it.
    """
    business_id, ended = caller.business_id, True
    found = await copy.run("look for the forgotten", lambda conn: store.threads(conn, business_id, those.contacts))
    gone = 0
    for conversation_id in found:
        number = await _erase(copy, caller, conversation_id, places)
        if number is not None:
            gone += 1
            ended = await erasing.finish(copy, places, business_id, number) and ended
    await copy.run("take messages out", lambda conn: _take_out(conn, business_id, those.messages))
    return gone, ended


async def _erase(copy: Database, caller: Caller, conversation_id: int, places: Places) -> int | None:
    """The number of the erasure there; None where the thread went with another one of theirs."""

    async def work(conn: Conn) -> int:
        thread = await threads.by_number(conn, caller, conversation_id)
        return await erasing.erase(conn, caller, thread.id, erasing.word_of(thread), places)

    try:
        return await copy.run("forget in a copy", work)
    except NotFound:
        return None


async def _take_out(conn: Conn, business_id: int, hashes: Sequence[bytes]) -> None:
    await forgotten.remember(conn, business_id, hashes)
    await forgotten.take_out(conn, business_id, hashes)


async def record(conn: Conn, caller: Caller, environment: str, erasures: int) -> None:
    """Writes into production's record how many of its erasures a copy has by now."""
    after = {"erasures": erasures}
    await audit.record_by(conn, caller, store.FORGOT, store.SUBJECT, environment, None, after)


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:  # noqa: ARG001 - as every look
    """Whether a readable copy holds somebody who was forgotten; nothing where no such copy was made."""
    found = await store.behind(conn, business.id)
    if not found:
        return []
    facts: dict[str, str | int | float] = {one.environment: one.waiting for one in found}
    most = max(one.waiting for one in found)
    if not most:
        return [Check("copies", "ok", THROUGH, None, facts)]
    who = "1 customer who was forgotten is" if most == 1 else f"{most} customers who were forgotten are"
    return [Check("copies", "late", f"{who} still in a readable copy. Run: tallybook env forget", None, facts)]
