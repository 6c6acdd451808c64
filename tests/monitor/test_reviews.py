"""Reviews as people work on them: the lock, what is written under it, and who is told no."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid, NotFound
from tallybook.monitor.service import reviews
from tallybook.monitor.service.reviews import LOCK_LASTS, Locked, Reviewer
from tallybook.monitor.types import STEP_COLUMNS, Changes, Filters, Place, Posted, Shown
from tests import world
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, at, file, open_for, said

NOW = at("2025-12-02 16:00")


@pytest.fixture
async def ana(conn: Conn, business: Business) -> Reviewer:
    return await reviewer(conn, "ana")


async def reviewer(conn: Conn, name: str) -> Reviewer:
    cursor = await conn.execute(
        "insert into accounts (login, display_name, password_hash) values (%(login)s, %(name)s, '') returning id",
        {"login": name, "name": name.title()},
    )
    row = await cursor.fetchone()
    assert row is not None
    return Reviewer(row[0], name.title())


async def posted(conn: Conn, business: Business, drop: str = "DR1752104", when: str = "2025-12-02 08:00") -> UUID:
    await file(conn, business, [said(LAWLEY, drop, when)])
    row = await (
        await conn.execute("select id from qa_photo_reviews where drop_number = %(drop)s", {"drop": drop})
    ).fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


ALL_RIGHT = Changes(ticks=dict.fromkeys(STEP_COLUMNS, True))


async def test_a_review_is_complete_when_all_twelve_are_right(conn: Conn, business: Business, ana: Reviewer) -> None:
    review_id = await posted(conn, business)
    review = await reviews.save(conn, business, review_id, ana, ALL_RIGHT, NOW)
    assert review.completed
    review = await reviews.save(conn, business, review_id, ana, Changes(reasons={STEP_COLUMNS[0]: " Blurry "}), NOW)
    assert not review.completed
    row = await (
        await conn.execute(
            "select completed_photos, outstanding_photos, completed, incorrect_steps, incorrect_comments "
            "from qa_photo_reviews"
        )
    ).fetchone()
    assert row == (11, 1, False, [STEP_COLUMNS[0]], {STEP_COLUMNS[0]: "Blurry"})


async def test_every_change_is_kept_with_who_made_it(conn: Conn, business: Business, ana: Reviewer) -> None:
    review_id = await posted(conn, business)
    review = await reviews.save(conn, business, review_id, ana, Changes({STEP_COLUMNS[0]: True}), NOW)
    await reviews.save(conn, business, review_id, ana, Changes(comment="Looks good"), NOW)
    await reviews.save(conn, business, review_id, ana, Changes(comment="Looks good"), NOW)
    submissions, changes = await reviews.history(conn, business, review)
    assert len(submissions) == 1
    assert [(change.who, change.after) for change in changes] == [
        ("Ana", {STEP_COLUMNS[0]: "right"}),
        ("Ana", {"comment": "Looks good"}),
    ]


async def test_a_lock_is_held_by_one_person_and_everybody_else_is_told_whose_it_is(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id, ben = await posted(conn, business), await reviewer(conn, "ben")
    await reviews.take_lock(conn, business, review_id, ana, NOW)
    with pytest.raises(Locked) as refused:
        await reviews.take_lock(conn, business, review_id, ben, NOW)
    assert refused.value.details["locked_by"] == "Ana"
    with pytest.raises(Locked):
        await reviews.save(conn, business, review_id, ben, ALL_RIGHT, NOW)
    assert not (await reviews.one(conn, business, review_id, NOW)).completed


async def test_a_lock_ends_by_itself_and_its_old_holder_may_not_write_over_the_new_one(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id, ben = await posted(conn, business), await reviewer(conn, "ben")
    await reviews.take_lock(conn, business, review_id, ana, NOW)
    later = NOW + LOCK_LASTS + timedelta(seconds=1)
    assert (await reviews.one(conn, business, review_id, later)).lock is None
    await reviews.save(conn, business, review_id, ben, Changes(comment="Ben's"), later)
    with pytest.raises(Locked):
        await reviews.save(conn, business, review_id, ana, Changes(comment="Ana's"), later)
    await reviews.release_lock(conn, business, review_id, ana)
    assert (await reviews.one(conn, business, review_id, later)).lock is not None
    await reviews.release_lock(conn, business, review_id, ben)
    assert (await reviews.one(conn, business, review_id, later)).lock is None


async def test_of_sixteen_who_take_the_lock_at_once_one_gets_it(db: Database, business: Business) -> None:
    async def prepare(conn: Conn) -> tuple[UUID, list[Reviewer]]:
        return await posted(conn, business), [await reviewer(conn, f"r{n}") for n in range(16)]

    review_id, people = await db.run("prepare", prepare)

    async def take(who: Reviewer) -> str | None:
        try:
            await db.run("take", lambda conn: reviews.take_lock(conn, business, review_id, who, NOW))
        except Locked:
            return None
        return who.name

    winners = [name for name in await asyncio.gather(*map(take, people)) if name]
    assert len(winners) == 1
    review = await db.run("look", lambda conn: reviews.one(conn, business, review_id, NOW))
    assert review.lock is not None
    assert review.lock.name == winners[0]


async def test_a_post_that_arrives_while_somebody_reviews_loses_neither(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id = await posted(conn, business)
    await reviews.save(conn, business, review_id, ana, Changes({STEP_COLUMNS[0]: True}), NOW)
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 16:01")])
    review = await reviews.save(conn, business, review_id, ana, Changes({STEP_COLUMNS[1]: True}), NOW)
    assert review.resubmitted
    assert [column for column in STEP_COLUMNS if review.ticks[column]] == list(STEP_COLUMNS[:2])


async def test_another_business_s_review_does_not_exist(conn: Conn, business: Business, ana: Reviewer) -> None:
    review_id = await posted(conn, business)
    other = await world.velo_fibre(conn, name="Another")
    for refused in (
        reviews.one(conn, other, review_id, NOW),
        reviews.take_lock(conn, other, review_id, ana, NOW),
        reviews.save(conn, other, review_id, ana, ALL_RIGHT, NOW),
    ):
        with pytest.raises(NotFound):
            await refused


@pytest.mark.parametrize(
    "changes",
    [Changes(ticks={"completed": True}), Changes(reasons={STEP_COLUMNS[0]: "x" * 501}), Changes(comment="x" * 10_001)],
)
async def test_what_cannot_be_written_is_refused_in_words(
    conn: Conn, business: Business, ana: Reviewer, changes: Changes
) -> None:
    review_id = await posted(conn, business)
    with pytest.raises(Invalid):
        await reviews.save(conn, business, review_id, ana, changes, NOW)


async def listed(conn: Conn, business: Business, **filters: Any) -> list[str]:
    return [row.drop_number for row in await reviews.listed(conn, business, Filters(**filters))]


async def test_the_list_shows_what_was_posted_again_first_and_filters_by_the_message_s_day(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    done = await posted(conn, business, "DR1000001", "2025-12-01 23:59")
    await posted(conn, business, "DR1000002", "2025-12-02 00:01")
    await posted(conn, business, "DR1000003", "2025-12-02 09:00")
    await file(conn, business, [said(MOHADIN, "DR1000002", "2025-12-02 10:00")])
    await reviews.save(conn, business, done, ana, ALL_RIGHT, NOW)
    assert await listed(conn, business) == ["DR1000002", "DR1000003", "DR1000001"]
    assert await listed(conn, business, first_day=at("2025-12-02 12:00").date()) == ["DR1000002", "DR1000003"]
    assert await listed(conn, business, last_day=at("2025-12-01 12:00").date()) == ["DR1000001"]
    assert await listed(conn, business, shown=Shown.COMPLETE) == ["DR1000001"]
    assert await listed(conn, business, posted=Posted.AGAIN) == ["DR1000002"]
    assert await listed(conn, business, search="dr1000003") == ["DR1000003"]
    assert await listed(conn, business, search="%") == []
    assert await listed(conn, business, project="Mohadin") == []
    await file(conn, business, [said(LAWLEY, "DR1000001", "2025-12-03 08:00")])
    assert await listed(conn, business, first_day=at("2025-12-03 12:00").date()) == ["DR1000001"]
    assert await reviews.count(conn, business, Filters(shown=Shown.OPEN)) == 2


async def test_pages_follow_each_other_without_a_gap_while_posts_arrive(conn: Conn, business: Business) -> None:
    for n in range(9):
        await posted(conn, business, f"DR{1_000_000 + n}", f"2025-12-02 0{n}:00")
    seen: list[str] = []
    after: Place | None = None
    while page := await reviews.listed(conn, business, Filters(), after, limit=2):
        seen += [row.drop_number for row in page]
        after = Place(page[-1].resubmitted, page[-1].said_at, page[-1].id)
        await posted(conn, business, f"DR{2_000_000 + len(seen)}", "2025-12-02 15:00")
    assert seen == [f"DR{1_000_000 + n}" for n in reversed(range(9))]


async def test_today_counts_distinct_drops_by_the_message_s_own_time(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    await open_for(conn, business)
    first = await posted(conn, business, "DR1000001", "2025-12-02 08:00")
    await file(conn, business, [said(LAWLEY, "DR1000001", "2025-12-02 09:00"), said(LAWLEY, "DR1000002")])
    await file(conn, business, [said(LAWLEY, "DR1000003", "2025-12-01 09:00"), said(MARKETING, "DR1000001")])
    await reviews.save(conn, business, first, ana, ALL_RIGHT, NOW)
    day = {count.project: count for count in await reviews.day(conn, business, NOW)}
    lawley = day["Lawley"]
    assert (lawley.drops, lawley.complete, lawley.again, lawley.usual[-1]) == (2, 1, 1, 1)
    assert day["Marketing Activations"].drops == 1
    assert day["Mohadin"].drops == 0
    assert sum(lawley.usual) == 1


async def test_the_lock_is_whole_or_not_there(conn: Conn, business: Business, ana: Reviewer) -> None:
    lock = await reviews.take_lock(conn, business, await posted(conn, business), ana, datetime.now(UTC))
    assert lock.until - datetime.now(UTC) <= LOCK_LASTS
