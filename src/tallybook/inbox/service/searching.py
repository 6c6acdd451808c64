"""Finding what was said: the messages that have the words, the newest first, and the way to each in its thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from tallybook.core.callers import Caller
from tallybook.core.db import Conn, Database
from tallybook.core.errors import NotFound
from tallybook.inbox import search_rules
from tallybook.inbox.store import searching as store
from tallybook.inbox.store.searching import Hit, Narrowed

__all__ = ["Found", "Hit", "Narrowed", "Wanted", "find", "place_of", "read_all", "said_anew"]

said_anew = store.said_anew
LATEST = timedelta(days=1)  # after now: no provider's clock is wrong by more
BELOW = 20  # messages that are shown below the one to which somebody is led


@dataclass(frozen=True)
class Wanted:
    """What is looked for: words, by whom, in threads of which label, said from ``since`` on and before ``until``."""

    words: str
    narrowed: Narrowed = Narrowed()  # noqa: RUF009 - it is frozen
    since: datetime | None = None
    until: datetime | None = None


class Found(msgspec.Struct, frozen=True):
    """A page of messages, the newest first. ``after`` is where the next one begins; None on the last."""

    hits: list[Hit]
    after: tuple[datetime, int] | None


async def find(conn: Conn, caller: Caller, wanted: Wanted, after: tuple[datetime, int] | None, limit: int) -> Found:
    """At most ``limit`` messages of the caller's business that have all the words, or those after a place.

    A word is found by its beginning, and one of a single letter is not asked for. Nothing is found by no word at all.
    """
    query = search_rules.query_of(wanted.words, search_rules.SHORTEST, search_rules.said_by(caller.business_id))
    if not query:
        return Found([], None)
    until = min(
        filter(None, (wanted.until, after and after[0] + timedelta(microseconds=1), datetime.now(UTC) + LATEST))
    )
    hits: list[Hit] = []
    for within in search_rules.slices(caller.business_id, wanted.since, until):
        more = limit + 1 - len(hits)
        hits += await store.find(conn, caller.business_id, query, within, wanted.narrowed, after, more)
        if len(hits) > limit:
            break
    last = hits[limit - 1] if len(hits) > limit else None
    return Found(hits[:limit], (last.said_at, last.id) if last else None)


async def place_of(conn: Conn, caller: Caller, message_id: int) -> tuple[int, tuple[datetime, int] | None]:
    """Which thread a message is in by now, and the place before which it is shown with some that came after it.

    The place is None where the message is among the newest. Raises NotFound.
    """
    found = await store.place(conn, caller.business_id, message_id, BELOW)
    if found is None:
        raise NotFound("There is no such message.")
    return found


async def read_all(db: Database, business_id: int) -> int:
    """Reads for searches whatever a business's messages say that was not read yet; how many they were."""
    total = 0
    if not await db.run("look for words", lambda conn: store.waits(conn, business_id)):
        return total
    while True:
        count, goes_on = await db.run("read words", lambda conn: _read(conn, business_id))
        total += count
        if not goes_on:
            return total


async def _read(conn: Conn, business_id: int) -> tuple[int, bool]:
    """One turn: how many were read, and whether there is more to read at once."""
    marks = await store.hold(conn, business_id)
    if marks is None:
        return 0, False
    count, read_to = await store.read_new(conn, business_id, marks.read_to)
    goes_on = count >= store.BATCH
    whole_to, following = marks.whole_to, marks.next_whole_to
    if not goes_on:
        count += await store.read_due(conn, business_id)
        count += await store.read_late(conn, business_id, marks.whole_to, read_to)
        if marks.is_over and datetime.now(UTC) - marks.at >= store.GRACE:
            whole_to, following = marks.next_whole_to, read_to
    await store.move(conn, business_id, read_to, whole_to, following)
    return count, goes_on
