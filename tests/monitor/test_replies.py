"""Each rejected post is answered once, in the transaction that rejected it, and history never is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor.reply_types import Manner, Rejected
from tallybook.monitor.service.replies import answer_rejected
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.types import Post, Project
from tests import world
from tests.monitor.desk import ANA, LAWLEY, MOHADIN, PROJECTS

OUTBOX = "select recipient, account, topic, dedup_key, body from outbox order by id"
WATCH_LONG = "update monitor_projects set watched_since = now() - interval '1 year'"


def a_post(message: int, project: Project = LAWLEY, ago: timedelta = timedelta(seconds=3), drop: str = "DR1") -> Post:
    said_at = datetime.now(UTC) - ago
    return Post(
        message, fresh=True, drop_number=drop, project=project, said_at=said_at, phone=ANA, bridge="primary",
        chat=project.group,
    )  # fmt: skip


def rejected(*posts: Post, valid_for: tuple[str, ...] = ()) -> list[Rejected]:
    return [Rejected(post, valid_for) for post in posts]


@pytest.fixture
async def watched(conn: Conn, business: Business) -> Business:
    """A business that has long watched its groups."""
    await project_store.mirror(conn, business.id, PROJECTS)
    await conn.execute(WATCH_LONG)
    return business


async def answered(conn: Conn, business: Business, posts: Sequence[Rejected], **manner: object) -> int:
    return await answer_rejected(conn, business, posts, datetime.now(UTC), Manner(**manner))


async def test_a_reply_goes_to_the_group_by_the_number_that_watches_it(conn: Conn, watched: Business) -> None:
    assert await answered(conn, watched, rejected(a_post(7))) == 1
    row = await (await conn.execute(OUTBOX)).fetchone()
    assert row is not None
    assert row[:4] == (LAWLEY.group, "primary", "drop:DR1", "reply:unknown_drop:Lawley:DR1:7")
    assert row[4]["mention"] == "27820000001@s.whatsapp.net"
    assert row[4]["text"].startswith("Invalid Drop Number\nDrop DR1 is not")


async def test_the_reply_is_in_the_language_of_the_business(conn: Conn) -> None:
    other = await world.kinneret_tours(conn)
    await project_store.mirror(conn, other.id, PROJECTS)
    await conn.execute(WATCH_LONG)
    await answered(conn, other, rejected(a_post(7)))
    row = await (await conn.execute(OUTBOX)).fetchone()
    assert row is not None
    assert row[4]["text"].startswith("מספר דרופ לא תקין")


async def test_a_cause_is_answered_once(conn: Conn, watched: Business) -> None:
    assert await answered(conn, watched, rejected(a_post(7), a_post(8), a_post(7, drop="DR2"))) == 3
    assert await answered(conn, watched, rejected(a_post(7), a_post(8), a_post(7, drop="DR2"))) == 0
    await conn.execute("delete from outbox")
    assert await answered(conn, watched, rejected(a_post(7))) == 0, "the outbox forgets, the record does not"


async def test_eight_at_once_answer_a_cause_once(db: Database, business: Business) -> None:
    await db.run("mirror", lambda conn: project_store.mirror(conn, business.id, PROJECTS))
    async with db.transaction() as conn:
        await conn.execute(WATCH_LONG)
    posts = rejected(*(a_post(number) for number in range(20)))

    async def answer(order: int) -> int:
        return await db.run("answer", lambda conn: answered(conn, business, posts[::order]))

    assert sum(await asyncio.gather(*(answer(order) for order in (1, -1) * 4))) == 20
    async with db.transaction() as conn:
        assert await (await conn.execute("select count(*) from outbox")).fetchone() == (20,)


async def test_what_is_undone_was_not_answered(db: Database, business: Business) -> None:
    await db.run("mirror", lambda conn: project_store.mirror(conn, business.id, PROJECTS))

    async def fail(conn: Conn) -> None:
        await conn.execute(WATCH_LONG)
        assert await answered(conn, business, rejected(a_post(7))) == 1
        raise LookupError

    with pytest.raises(LookupError):
        await db.run("fail", fail)
    async with db.transaction() as conn:
        assert await (await conn.execute("select count(*) from monitor_replies")).fetchone() == (0,)
        assert await (await conn.execute("select count(*) from outbox")).fetchone() == (0,)


async def test_history_is_not_answered(conn: Conn, watched: Business) -> None:
    old = [a_post(number, ago=timedelta(minutes=11 + number)) for number in range(100)]
    assert await answered(conn, watched, rejected(*old)) == 0
    assert await answered(conn, watched, rejected(old[0]), max_age=timedelta(hours=1)) == 1


async def test_a_group_that_was_just_added_is_not_answered_for_its_past(conn: Conn, business: Business) -> None:
    await project_store.mirror(conn, business.id, [LAWLEY])
    assert await answered(conn, business, rejected(a_post(1))) == 0
    await conn.execute(WATCH_LONG)
    assert await answered(conn, business, rejected(a_post(1))) == 1


async def test_a_group_that_comes_back_begins_anew(conn: Conn, watched: Business) -> None:
    await project_store.mirror(conn, watched.id, [MOHADIN])
    assert await answered(conn, watched, rejected(a_post(1))) == 0, "it is not watched"
    await project_store.mirror(conn, watched.id, PROJECTS)
    assert await answered(conn, watched, rejected(a_post(1))) == 0, "said before it was watched again"
    assert await answered(conn, watched, rejected(a_post(2, MOHADIN))) == 1, "which was watched all the time"


async def test_nothing_is_said_where_replies_are_off(conn: Conn, watched: Business) -> None:
    assert await answered(conn, watched, rejected(a_post(1)), enabled=False) == 0
