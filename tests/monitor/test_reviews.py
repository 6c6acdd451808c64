"""Reviews as people work on them: the lock, what is written under it, and who is told no."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid, NotFound
from tallybook.monitor.service import reviews
from tallybook.monitor.service.reviews import Locked, PostedMeanwhile, Reviewer
from tallybook.monitor.types import LOCK_LASTS, STEP_COLUMNS, Changes, Filters, Kind, Place, Posted, Review, Shown
from tests import world
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, at, file, open_for, said

NOW = at("2025-12-02 16:00")
TODAY = Filters(first_day=NOW.date(), last_day=NOW.date())


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


BY_HAND = """
insert into qa_photo_reviews (business_id, drop_number, user_name, project, created_at)
values (%(business_id)s, 'DR1000099', 'by hand', 'Mohadin', %(created_at)s)
"""
ALL_RIGHT = Changes(ticks=dict.fromkeys(STEP_COLUMNS, True))


async def test_a_review_is_complete_when_all_twelve_are_right(conn: Conn, business: Business, ana: Reviewer) -> None:
    review_id = await posted(conn, business)
    review = await reviews.save(conn, business, review_id, ana, ALL_RIGHT)
    assert review.completed
    review = await reviews.save(conn, business, review_id, ana, Changes(reasons={STEP_COLUMNS[0]: " Blurry "}))
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
    review = await reviews.save(conn, business, review_id, ana, Changes({STEP_COLUMNS[0]: True}))
    await reviews.save(conn, business, review_id, ana, Changes(comment="Looks good"))
    await reviews.save(conn, business, review_id, ana, Changes(comment="Looks good"))
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
    await reviews.take_lock(conn, business, review_id, ana)
    with pytest.raises(Locked) as refused:
        await reviews.take_lock(conn, business, review_id, ben)
    assert refused.value.details["locked_by"] == "Ana"
    with pytest.raises(Locked):
        await reviews.save(conn, business, review_id, ben, ALL_RIGHT)
    assert not (await reviews.one(conn, business, review_id)).completed


AGED = "update qa_photo_reviews set locked_at = locked_at - %(by)s::interval"


async def test_a_lock_ends_by_itself_and_its_old_holder_may_not_write_over_the_new_one(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id, ben = await posted(conn, business), await reviewer(conn, "ben")
    await reviews.take_lock(conn, business, review_id, ana)
    await conn.execute(AGED, {"by": LOCK_LASTS})
    assert (await reviews.one(conn, business, review_id)).lock is None
    await reviews.save(conn, business, review_id, ben, Changes(comment="Ben's"))
    with pytest.raises(Locked):
        await reviews.save(conn, business, review_id, ana, Changes(comment="Ana's"))
    await reviews.release_lock(conn, business, review_id, ana)
    assert (await reviews.one(conn, business, review_id)).lock is not None
    await reviews.release_lock(conn, business, review_id, ben)
    assert (await reviews.one(conn, business, review_id)).lock is None


@pytest.mark.parametrize(("short_of_its_end", "held"), [(timedelta(milliseconds=1), True), (timedelta(0), False)])
async def test_list_review_and_lock_agree_to_the_millisecond_on_when_a_lock_ends(
    conn: Conn, business: Business, ana: Reviewer, short_of_its_end: timedelta, held: bool
) -> None:
    review_id, ben = await posted(conn, business), await reviewer(conn, "ben")
    await reviews.take_lock(conn, business, review_id, ana)  # and this transaction's now() stands still
    await conn.execute(AGED, {"by": LOCK_LASTS - short_of_its_end})
    (row,) = await reviews.listed(conn, business, Filters())
    lock = (await reviews.one(conn, business, review_id)).lock
    assert ((row.locked_by == "Ana"), lock is not None) == (held, held)
    if held:
        with pytest.raises(Locked) as refused:
            await reviews.take_lock(conn, business, review_id, ben)
        assert lock is not None
        assert refused.value.details["until"] == lock.until.isoformat()
    else:
        await reviews.take_lock(conn, business, review_id, ben)


async def test_of_sixteen_who_take_the_lock_at_once_one_gets_it(db: Database, business: Business) -> None:
    async def prepare(conn: Conn) -> tuple[UUID, list[Reviewer]]:
        return await posted(conn, business), [await reviewer(conn, f"r{n}") for n in range(16)]

    review_id, people = await db.run("prepare", prepare)

    async def take(who: Reviewer) -> str | None:
        try:
            await db.run("take", lambda conn: reviews.take_lock(conn, business, review_id, who))
        except Locked:
            return None
        return who.name

    winners = [name for name in await asyncio.gather(*map(take, people)) if name]
    assert len(winners) == 1
    review = await db.run("look", lambda conn: reviews.one(conn, business, review_id))
    assert review.lock is not None
    assert review.lock.name == winners[0]


async def test_a_post_that_arrives_while_somebody_reviews_loses_neither(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id = await posted(conn, business)
    await reviews.save(conn, business, review_id, ana, Changes({STEP_COLUMNS[0]: True}))
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 16:01")])
    review = await reviews.save(conn, business, review_id, ana, Changes({STEP_COLUMNS[1]: True}))
    assert review.resubmitted
    assert [column for column in STEP_COLUMNS if review.ticks[column]] == list(STEP_COLUMNS[:2])


async def test_another_business_s_review_does_not_exist(conn: Conn, business: Business, ana: Reviewer) -> None:
    review_id = await posted(conn, business)
    other = await world.velo_fibre(conn, name="Another")
    for refused in (
        reviews.one(conn, other, review_id),
        reviews.take_lock(conn, other, review_id, ana),
        reviews.save(conn, other, review_id, ana, ALL_RIGHT),
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
        await reviews.save(conn, business, review_id, ana, changes)


async def listed(conn: Conn, business: Business, **filters: Any) -> list[str]:
    return [row.drop_number for row in await reviews.listed(conn, business, Filters(**filters))]


async def test_the_list_shows_what_was_posted_again_first_and_filters_by_the_message_s_day(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    done = await posted(conn, business, "DR1000001", "2025-12-01 23:59")
    await posted(conn, business, "DR1000002", "2025-12-02 00:01")
    await posted(conn, business, "DR1000003", "2025-12-02 09:00")
    await file(conn, business, [said(MOHADIN, "DR1000002", "2025-12-02 10:00")])
    await reviews.save(conn, business, done, ana, ALL_RIGHT)
    assert await listed(conn, business) == ["DR1000002", "DR1000003", "DR1000001"]
    assert await listed(conn, business, first_day=at("2025-12-02 12:00").date()) == ["DR1000002", "DR1000003"]
    assert await listed(conn, business, last_day=at("2025-12-01 12:00").date()) == ["DR1000001"]
    assert await listed(conn, business, shown=Shown.COMPLETE) == ["DR1000001"]
    assert await listed(conn, business, posted=Posted.AGAIN) == ["DR1000002"]
    assert await listed(conn, business, search="dr1000003") == ["DR1000003"]
    assert await listed(conn, business, search="%") == []
    assert await listed(conn, business, project="Mohadin") == ["DR1000002"]
    assert await listed(conn, business, project="Mamelodi") == []
    await file(conn, business, [said(LAWLEY, "DR1000001", "2025-12-03 08:00")])
    assert await listed(conn, business, first_day=at("2025-12-03 12:00").date()) == ["DR1000001"]
    assert await listed(conn, business, shown=Shown.COMPLETE) == []
    assert await reviews.count(conn, business, Filters(shown=Shown.OPEN)) == 3


async def test_a_row_stands_by_its_newest_post(conn: Conn, business: Business, ana: Reviewer) -> None:
    again = await posted(conn, business, "DR1000001", "2025-12-02 08:00")
    await posted(conn, business, "DR1000002", "2025-12-02 09:00")
    await posted(conn, business, "DR1000003", "2025-12-02 11:00")
    await file(conn, business, [said(LAWLEY, "DR1000002", "2025-12-02 12:00")])
    await file(conn, business, [said(LAWLEY, "DR1000001", "2025-12-02 10:00")])
    await file(conn, business, [said(LAWLEY, "DR1000003", "2025-12-02 07:00")])  # late: history
    for filters in (Filters(), TODAY):
        rows = await reviews.listed(conn, business, filters)
        assert [(row.drop_number, row.said_at, row.last_said_at) for row in rows] == [
            ("DR1000002", at("2025-12-02 09:00"), at("2025-12-02 12:00")),
            ("DR1000001", at("2025-12-02 08:00"), at("2025-12-02 10:00")),
            ("DR1000003", at("2025-12-02 11:00"), at("2025-12-02 11:00")),
        ]
    await reviews.look(conn, business, again, ana, posts=2)
    rows = await reviews.listed(conn, business, TODAY)
    assert [row.drop_number for row in rows] == ["DR1000002", "DR1000003", "DR1000001"]


async def test_pages_follow_each_other_without_a_gap_while_posts_arrive(conn: Conn, business: Business) -> None:
    for n in range(9):
        await posted(conn, business, f"DR{1_000_000 + n}", f"2025-12-02 0{n}:00")
    seen: list[str] = []
    after: Place | None = None
    while page := await reviews.listed(conn, business, Filters(), after, limit=2):
        seen += [row.drop_number for row in page]
        after = Place(page[-1].resubmitted, page[-1].last_said_at, page[-1].id)
        await posted(conn, business, f"DR{2_000_000 + len(seen)}", "2025-12-02 15:00")
    assert seen == [f"DR{1_000_000 + n}" for n in reversed(range(9))]


async def test_today_counts_distinct_drops_by_the_message_s_own_time(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    await open_for(conn, business)
    first = await posted(conn, business, "DR1000001", "2025-12-02 08:00")
    await file(conn, business, [said(LAWLEY, "DR1000001", "2025-12-02 09:00"), said(LAWLEY, "DR1000002")])
    await file(conn, business, [said(LAWLEY, "DR1000003", "2025-12-01 09:00"), said(MARKETING, "DR1000001")])
    await reviews.save(conn, business, first, ana, ALL_RIGHT)
    day = {count.project: count for count in await reviews.day(conn, business, NOW)}
    lawley = day["Lawley"]
    assert (lawley.drops, lawley.complete, lawley.again, lawley.usual[-1]) == (2, 0, 1, 1)
    assert day["Marketing Activations"].drops == 1
    assert day["Mohadin"].drops == 0
    assert sum(lawley.usual) == 1
    await reviews.look(conn, business, first, ana, posts=2)
    lawley = next(count for count in await reviews.day(conn, business, NOW) if count.project == "Lawley")
    assert (lawley.drops, lawley.complete, lawley.again) == (2, 1, 0)


async def test_the_day_s_counts_are_those_of_the_list_that_they_lead_to(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    await open_for(conn, business)
    done = [await posted(conn, business, f"DR100000{n}", "2025-12-01 08:00") for n in range(3)]
    done += [await posted(conn, business, f"DR100001{n}") for n in range(3)]
    for review_id in done[1:5]:
        await reviews.save(conn, business, review_id, ana, ALL_RIGHT)
    again = [said(MOHADIN, "DR1000001"), said(LAWLEY, "DR1000002"), said(LAWLEY, "DR1000010 and DR1000012")]
    await file(conn, business, again)
    await conn.execute(BY_HAND, {"business_id": business.id, "created_at": at("2025-12-02 10:00")})
    for day in await reviews.day(conn, business, NOW):
        if day.kind is Kind.QA:
            asked = msgspec.structs.replace(TODAY, project=day.project)

            async def counted(asked: Filters = asked, **more: Any) -> int:
                return await reviews.count(conn, business, msgspec.structs.replace(asked, **more))

            assert day.drops == await counted() == len(await reviews.listed(conn, business, asked))
            assert day.complete == await counted(shown=Shown.COMPLETE)
            assert day.drops - day.complete == await counted(shown=Shown.OPEN)
            assert day.again == await counted(posted=Posted.AGAIN)


async def test_the_lock_is_whole_or_not_there(conn: Conn, business: Business, ana: Reviewer) -> None:
    lock = await reviews.take_lock(conn, business, await posted(conn, business), ana)
    assert lock.until - datetime.now(UTC) <= LOCK_LASTS


# ── Posted again ────────────────────────────────────────────────────────────────────────────────────────────────────


async def complete_and_posted_again(conn: Conn, business: Business, who: Reviewer) -> UUID:
    review_id = await posted(conn, business)
    await reviews.save(conn, business, review_id, who, ALL_RIGHT)
    await reviews.release_lock(conn, business, review_id, who)
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 12:00")])
    return review_id


async def actions(conn: Conn, review_id: UUID) -> list[str]:
    cursor = await conn.execute(
        "select action from audit_log where subject_id = %(id)s order by id", {"id": str(review_id)}
    )
    return [row[0] for row in await cursor.fetchall()]


async def test_a_complete_review_that_is_posted_again_is_open_until_somebody_looked_at_it(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id = await complete_and_posted_again(conn, business, ana)
    assert await listed(conn, business, shown=Shown.OPEN) == ["DR1752104"]
    review = await reviews.look(conn, business, review_id, ana, posts=2)
    assert (review.completed, review.resubmitted, review.lock) == (True, False, None)
    assert all(review.ticks.values())
    assert await reviews.one(conn, business, review_id) == review
    assert await listed(conn, business, shown=Shown.OPEN) == []
    assert await listed(conn, business, shown=Shown.COMPLETE) == ["DR1752104"]
    assert await actions(conn, review_id) == ["review.saved", "review.looked_at"]


async def test_a_look_leaves_what_is_not_complete_open(conn: Conn, business: Business, ana: Reviewer) -> None:
    review_id = await posted(conn, business)
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 12:00")])
    await reviews.look(conn, business, review_id, ana, posts=2)
    assert await listed(conn, business, shown=Shown.OPEN) == ["DR1752104"]
    assert await listed(conn, business, posted=Posted.AGAIN) == []


async def test_a_repeated_look_does_nothing_and_never_counts_for_a_later_post(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id = await complete_and_posted_again(conn, business, ana)
    first = await reviews.look(conn, business, review_id, ana, posts=2)
    assert await reviews.look(conn, business, review_id, ana, posts=2) == first
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 13:00")])
    with pytest.raises(PostedMeanwhile) as refused:
        await reviews.look(conn, business, review_id, ana, posts=2)
    assert refused.value.details == {"posts": 3}
    assert (await reviews.one(conn, business, review_id)).resubmitted
    assert await actions(conn, review_id) == ["review.saved", "review.looked_at"]


async def test_a_look_minds_somebody_else_s_lock(conn: Conn, business: Business, ana: Reviewer) -> None:
    review_id, ben = await complete_and_posted_again(conn, business, ana), await reviewer(conn, "ben")
    await reviews.take_lock(conn, business, review_id, ben)
    with pytest.raises(Locked):
        await reviews.look(conn, business, review_id, ana, posts=2)
    assert not (await reviews.look(conn, business, review_id, ben, posts=2)).resubmitted


@pytest.mark.parametrize(("posts", "left"), [(2, False), (1, True), (None, True)])
async def test_the_last_tick_counts_as_a_look_if_every_post_was_seen(
    conn: Conn, business: Business, ana: Reviewer, posts: int | None, left: bool
) -> None:
    review_id = await posted(conn, business)
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 12:00")])
    changes = Changes(ticks=ALL_RIGHT.ticks, posts=posts)
    review = await reviews.save(conn, business, review_id, ana, changes)
    assert (review.completed, review.resubmitted) == (True, left)
    assert await reviews.one(conn, business, review_id) == review
    _, changed = await reviews.history(conn, business, review)
    assert ("resubmitted" in (changed[0].after or {})) is not left


async def test_two_who_look_at_once_both_succeed_and_it_is_told_once(db: Database, business: Business) -> None:
    async def prepare(conn: Conn) -> tuple[UUID, list[Reviewer]]:
        people = [await reviewer(conn, f"r{n}") for n in range(8)]
        return await complete_and_posted_again(conn, business, people[0]), people

    review_id, people = await db.run("prepare", prepare)

    async def look(who: Reviewer) -> bool:
        review = await db.run("look", lambda conn: reviews.look(conn, business, review_id, who, posts=2))
        return review.resubmitted

    assert await asyncio.gather(*map(look, people)) == [False] * 8
    assert await db.run("actions", lambda conn: actions(conn, review_id)) == ["review.saved", "review.looked_at"]


@pytest.mark.parametrize("way", ["look", "last tick"])
async def test_a_post_that_is_being_filed_while_somebody_looks_is_not_taken_for_seen(
    db: Database, business: Business, way: str
) -> None:
    """The look waits for the filing's transaction, and must count what it committed and not what was there before."""

    async def prepare(conn: Conn) -> tuple[UUID, Reviewer]:
        who = await reviewer(conn, "ana")
        review_id = await complete_and_posted_again(conn, business, who)
        if way == "last tick":
            await reviews.save(conn, business, review_id, who, Changes(ticks={STEP_COLUMNS[0]: False}))
        return review_id, who

    review_id, who = await db.run("prepare", prepare)
    filed, looking = asyncio.Event(), asyncio.Event()

    async def post(conn: Conn) -> None:
        await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 13:00")])
        filed.set()
        async with asyncio.timeout(10):
            await looking.wait()
            while not await waits_for_us(conn):
                await asyncio.sleep(0.01)  # a lock that is waited for is seen by looking alone

    async def look(conn: Conn) -> Review:
        looking.set()
        if way == "look":
            return await reviews.look(conn, business, review_id, who, posts=2)
        return await reviews.save(conn, business, review_id, who, Changes({STEP_COLUMNS[0]: True}, posts=2))

    posting = asyncio.create_task(db.run("post", post))
    await filed.wait()
    if way == "look":
        with pytest.raises(PostedMeanwhile):
            await db.run("look", look)
    else:
        assert (await db.run("look", look)).completed
    await posting
    assert (await db.run("one", lambda conn: reviews.one(conn, business, review_id))).resubmitted


async def waits_for_us(conn: Conn) -> bool:
    cursor = await conn.execute(
        "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    )
    return await cursor.fetchone() is not None
