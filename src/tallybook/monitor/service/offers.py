"""Refused posts that may be accepted: filed through the desk with their message's own time, by a person, once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid
from tallybook.core.wakeups import wake_up
from tallybook.monitor.reply_types import Manner
from tallybook.monitor.store import held as held_store
from tallybook.monitor.store import offers as store
from tallybook.monitor.store import registers as register_store
from tallybook.monitor.store import validity as list_store
from tallybook.monitor.store.held import Settling, Waiting
from tallybook.monitor.store.offers import Asked
from tallybook.monitor.types import Filed
from tallybook.monitor.validity_types import Entry

from . import desks, held, replies
from .filing import Desk, Said
from .refiling import Person, reason_of

TOPIC = "monitor"
MOST = 5000  # posts that one press accepts
UNANSWERED = Manner(enabled=False)


class Accepted(msgspec.Struct, frozen=True):
    """What became of posts that somebody accepted. ``left`` were decided by others before, or cannot be filed now."""

    drops: list[str]
    gone: int
    left: int
    filed: list[Filed]


async def accept(
    conn: Conn, business: Business, posts: Sequence[Waiting], who: Person, *, anyway: str | None = None
) -> Accepted:
    """Files posts that were refused, held or put aside, if the lists have their drops by now.

    ``anyway`` gives a reason to put the drops into their projects' lists first, signed by the person. Of two people who
    accept one post, one does. Raises Invalid for an empty reason.
    """
    source = f"accepted by {who.name}: {reason_of(anyway)}" if anyway is not None else None
    if source is not None:
        # In this order everywhere, or two would wait for each other.
        await held_store.take_turn(conn, business.id, "import")
    await held_store.take_turn(conn, business.id, "decide")
    await store.adopt(conn, business.id, posts)
    known = await desks.desk_of(conn, business)
    desk = Desk(known.projects, known.zone, UNANSWERED)
    found = await held.posts_of(conn, business, desk, posts)
    if source is not None:
        await _list(conn, business, found.now, source)
    gone = await held_store.let_go(conn, business.id, found.gone) if found.gone else 0
    filed = await desk.file(conn, business, Said(found.posts, [])) if found.posts else []
    settled = await held.settle(conn, business, found, Settling([], "accepted", who.name, anyway))
    drops = sorted({one.drop_number for one, state in settled.items() if state == "accepted"})
    told = {"reason": anyway, "anyway": True} if anyway is not None else {}
    await audit.record_all(conn, who.within(business), "post.accepted", "drop", drops, told)
    await wake_up(conn, TOPIC, business.id)
    accepted = sum(state == "accepted" for state in settled.values())
    return Accepted(drops, gone, len(posts) - gone - accepted, filed)


async def _list(conn: Conn, business: Business, posts: Sequence[tuple[Waiting, str]], source: str) -> None:
    entries = sorted({Entry(one.drop_number, project) for one, project in posts})
    if entries and await list_store.add(conn, business.id, entries, source):
        await list_store.note_marketing(conn, business.id)
        await replies.take_back(conn, business.id, {one.drop_number for one in entries})


async def accept_all(conn: Conn, business: Business, asked: Asked, agreed: int, who: Person) -> Accepted:
    """Accepts every offer that is asked for. ``agreed`` is how many the person saw: if there are others now, none is.

    Raises Conflict then.
    """
    spaces = await register_store.spaces(conn, business.id)
    count = await store.count_offers(conn, business.id, spaces, asked)
    if count != agreed:
        raise Conflict("There are other posts to accept now than you were shown. Look again.")
    if count > MOST:
        raise Invalid("These are too many to accept at once. Choose a project, or search.")
    lines = await store.offers(conn, business.id, spaces, Asked(asked.project, asked.search, None, MOST))
    return await accept(conn, business, [line.key for line in lines], who)


async def dismiss(conn: Conn, business: Business, posts: Sequence[Waiting], who: Person, reason: str) -> list[str]:
    """Puts posts aside; returns the drops of those that nobody had decided. Raises Invalid without a reason."""
    why = reason_of(reason)
    await held_store.take_turn(conn, business.id, "decide")
    await store.adopt(conn, business.id, posts)
    drops = sorted(set(await store.dismiss(conn, business.id, posts, who.name, why)))
    await audit.record_all(conn, who.within(business), "post.dismissed", "drop", drops, {"reason": why})
    await wake_up(conn, TOPIC, business.id)
    return drops
