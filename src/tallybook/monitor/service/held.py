"""Deciding what was held: through the same desk, once however many workers do it, as soon as the lists can answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Stored
from tallybook.core.wakeups import wake_up
from tallybook.monitor.store import filing as filing_store
from tallybook.monitor.store import held as store
from tallybook.monitor.store import importing as import_store
from tallybook.monitor.store import registers as register_store
from tallybook.monitor.store.held import Settling, Waiting
from tallybook.monitor.types import Filed, Kind, Post

from .filing import Desk, Said
from .own_words import by_others

TOPIC = "monitor"
BATCH = 2000


@dataclass(frozen=True)
class Decided:
    """What a batch of held posts came to; ``count`` no longer wait."""

    count: int
    filed: list[Filed]


async def decide_all(db: Database, business: Business, desk: Desk) -> list[Filed]:
    """Decides everything that can be decided now, a batch in a transaction, those said first before the others.

    A post that must wait on (its list is empty, or an import runs) stays held.
    """
    if not await db.run("anything held", lambda conn: _anything(conn, business)):
        return []
    filed: list[Filed] = []
    while True:
        decided = await db.run("decide held posts", lambda conn: decide(conn, business, desk))
        filed += decided.filed
        if decided.count == 0:
            return filed


async def _anything(conn: Conn, business: Business) -> bool:
    await import_store.end_killed(conn, business.id)
    return await store.any_waiting(conn, business.id)


async def decide(conn: Conn, business: Business, desk: Desk) -> Decided:
    """Decides one batch, in the caller's transaction, which holds the turn: so nobody else decides the same ones.

    In the order in which posts were said, so that of two posts of one drop the first makes the review.
    """
    await store.take_turn(conn, business.id, "decide")
    waiting = await store.waiting(conn, business.id, await _answerable(conn, business, desk), BATCH)
    if not waiting:
        return Decided(0, [])
    said = await posts_of(conn, business, desk, waiting)
    gone = await store.let_go(conn, business.id, said.gone) if said.gone else 0
    filed = await desk.file(conn, business, Said(said.posts, [])) if said.posts else []
    settled = await settle(conn, business, said, Settling([]))
    if gone or settled:
        await wake_up(conn, TOPIC, business.id)
    return Decided(gone + len(settled), filed)


async def _answerable(conn: Conn, business: Business, desk: Desk) -> list[str]:
    """The groups whose posts can be judged now."""
    names = [project.name for project in desk.projects.values() if project.validated]
    listed = await filing_store.listed(conn, business.id, (), names)
    silent = listed.empty | listed.importing
    return [
        group
        for group, project in desk.projects.items()
        if not (project.validated and project.kind is Kind.QA and project.name in silent)
    ]


@dataclass(frozen=True)
class Found:
    """What messages say now of posts that were asked about.

    ``posts`` are in the order they were said, ``now`` pairs those that are there with the project they belong to,
    ``gone`` are those that their messages no longer name. Posts of a message that is parked are in neither.
    """

    posts: list[Post]
    now: list[tuple[Waiting, str]]
    gone: list[Waiting]


async def posts_of(conn: Conn, business: Business, desk: Desk, asked: Sequence[Waiting]) -> Found:
    """The posts that stand behind these keys, as their messages are now."""
    stored = await register_store.messages(conn, business.id, [one.message_id for one in asked])
    said = desk.read(stored)
    by_key = {(post.drop_number, post.message_id): post for post in await by_others(conn, business.id, said)}
    known = {message.id: message for message in stored}
    now: list[tuple[Waiting, str]] = []
    gone: list[Waiting] = []
    for one in asked:
        post = by_key.get((one.drop_number, one.message_id))
        if post is not None:
            now.append((one, post.project.name))
        elif _is_gone(known.get(one.message_id), desk):
            gone.append(one)
    wanted = {(one.drop_number, one.message_id) for one, _ in now}
    return Found([post for post in said.posts if (post.drop_number, post.message_id) in wanted], now, gone)


def _is_gone(message: Stored | None, desk: Desk) -> bool:
    """Whether a message was read and does not name the drop; one of a group that nobody reads now may again."""
    return message is not None and message.incoming.chat in desk.projects


async def settle(conn: Conn, business: Business, found: Found, how: Settling) -> dict[Waiting, str]:
    """Writes down what became of posts that the desk has just filed; returns those that changed."""
    if not found.now:
        return {}
    spaces = await register_store.spaces(conn, business.id)
    return await store.settle(conn, business.id, found.now, Settling(spaces, how.filed, how.who, how.note))
