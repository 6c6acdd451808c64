"""Whose a review is, and what is done to many reviews at once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid, NotFound
from tallybook.monitor.service import assignment, bulk, reviews
from tallybook.monitor.service.assignment import AssignedMeanwhile, Wanted
from tallybook.monitor.service.bulk import Act, Became, Order
from tallybook.monitor.service.reviews import Locked, Reviewer
from tallybook.monitor.types import NOBODY, Filters
from tests import world
from tests.monitor.desk import LAWLEY, file, open_for, said
from tests.monitor.test_reviews import posted

ANY_DAY = Filters()


async def judge(conn: Conn, business: Business, login: str, **more: Role) -> Reviewer:
    someone = await world.someone(conn, business, login=login, name=login.title(), **more)
    return Reviewer(someone.account_id, someone.name)


@pytest.fixture
async def ana(conn: Conn, business: Business) -> Reviewer:
    return await judge(conn, business, "ana")


@pytest.fixture
async def ben(conn: Conn, business: Business) -> Reviewer:
    return await judge(conn, business, "ben")


async def test_a_review_is_given_to_a_person_and_found_under_that_person(
    conn: Conn, business: Business, ana: Reviewer, ben: Reviewer
) -> None:
    first, second = await posted(conn, business), await posted(conn, business, "DR1752105")
    review = await assignment.assign(conn, business, first, ana, Wanted(ben.account_id))
    assert (review.assigned_agent, review.assigned_account) == ("Ben", ben.account_id)

    async def ids(account: int) -> list[UUID]:
        filters = Filters(assigned=account)
        found = [row.id for row in await reviews.listed(conn, business, filters)]
        assert await reviews.count(conn, business, filters) == len(found)
        return found

    assert [await ids(one) for one in (ben.account_id, ana.account_id, NOBODY)] == [[first], [], [second]]
    _, changes = await reviews.history(conn, business, review)
    assert [(one.who, one.before, one.after) for one in changes] == [
        ("Ana", {"assigned_agent": None}, {"assigned_agent": "Ben"})
    ]


async def test_who_did_not_see_the_last_assignment_does_not_undo_it(
    conn: Conn, business: Business, ana: Reviewer, ben: Reviewer
) -> None:
    review_id = await posted(conn, business)
    await assignment.assign(conn, business, review_id, ana, Wanted(ana.account_id))
    with pytest.raises(AssignedMeanwhile) as refused:
        await assignment.assign(conn, business, review_id, ben, Wanted(ben.account_id))
    assert refused.value.details["name"] == "Ana"
    await assignment.assign(conn, business, review_id, ana, Wanted(ana.account_id))  # a repeat
    review = await assignment.assign(conn, business, review_id, ben, Wanted(ben.account_id, ana.account_id))
    assert review.assigned_agent == "Ben"


async def test_of_two_who_assign_at_once_one_is_told(db: Database, business: Business) -> None:
    async def set_up(conn: Conn) -> tuple[UUID, Reviewer, Reviewer]:
        return await posted(conn, business), await judge(conn, business, "ana"), await judge(conn, business, "ben")

    review_id, ana, ben = await db.run("set up", set_up)

    async def give(who: Reviewer) -> object:
        wanted = Wanted(who.account_id)
        return await db.run("assign", lambda conn: assignment.assign(conn, business, review_id, who, wanted))

    ends = await asyncio.gather(give(ana), give(ben), return_exceptions=True)
    assert sum(isinstance(end, AssignedMeanwhile) for end in ends) == 1


async def test_only_somebody_who_may_judge_is_given_a_review_and_only_within_the_business(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id = await posted(conn, business)
    viewer = await judge(conn, business, "vera", role=Role.VIEWER)
    caio = await world.caio(conn)
    for account in (viewer.account_id, caio.account_id, 9999, NOBODY):
        with pytest.raises(Invalid):
            await assignment.assign(conn, business, review_id, ana, Wanted(account))
    with pytest.raises(NotFound):
        await assignment.assign(conn, caio.business, review_id, ana, Wanted(caio.account_id))
    assert [one.name for one in await assignment.judges(conn, business)] == ["Ana"]


async def test_what_somebody_else_works_on_is_not_assigned_away(
    conn: Conn, business: Business, ana: Reviewer, ben: Reviewer
) -> None:
    review_id = await posted(conn, business)
    await reviews.take_lock(conn, business, review_id, ben)
    with pytest.raises(Locked):
        await assignment.assign(conn, business, review_id, ana, Wanted(ana.account_id))


# ── Many at once ────────────────────────────────────────────────────────────────────────────────────────────────────


async def several(conn: Conn, business: Business) -> list[UUID]:
    """Four reviews; all but the first posted again."""
    await open_for(conn, business)
    ids = [await posted(conn, business, f"DR175210{n}") for n in range(4)]
    await file(conn, business, [said(LAWLEY, f"DR175210{n}", "2025-12-02 09:00") for n in range(1, 4)])
    return ids


async def test_many_are_looked_at_row_by_row_and_each_outcome_is_told(
    conn: Conn, business: Business, ana: Reviewer, ben: Reviewer
) -> None:
    ids = await several(conn, business)
    await reviews.take_lock(conn, business, ids[1], ben)
    shown = await bulk.preview(conn, business, ana, Order(Act.LOOKED_AT), ids)
    assert [shown.count(became) for became in Became] == [2, 1, 1]
    assert await resubmitted(conn, business, ids) == [False, True, True, True]
    # Posted once more after the preview: that one was not seen.
    await file(conn, business, [said(LAWLEY, "DR1752102", "2025-12-02 10:00")])
    outcomes = await bulk.run(conn, business, ana, Order(Act.LOOKED_AT), shown.rows)
    assert [one.became for one in outcomes] == [Became.AS_IT_WAS, Became.LEFT, Became.LEFT, Became.DONE]
    assert [one.locked_by for one in outcomes] == [None, "Ben", None, None]
    assert outcomes[2].why == "It was posted again meanwhile. Look at the new post first."
    assert await resubmitted(conn, business, ids) == [False, True, True, False]
    again = await bulk.run(conn, business, ana, Order(Act.LOOKED_AT), shown.rows)
    assert [one.became for one in again] == [Became.AS_IT_WAS, Became.LEFT, Became.LEFT, Became.AS_IT_WAS]


async def resubmitted(conn: Conn, business: Business, ids: list[UUID]) -> list[bool]:
    return [(await reviews.one(conn, business, one)).resubmitted for one in ids]


async def test_many_are_assigned_but_not_what_was_assigned_meanwhile_or_is_worked_on(
    conn: Conn, business: Business, ana: Reviewer, ben: Reviewer
) -> None:
    ids = await several(conn, business)
    order = Order(Act.ASSIGN, ana.account_id)
    shown = await bulk.preview(conn, business, ana, order, ids)
    await assignment.assign(conn, business, ids[0], ben, Wanted(ben.account_id))
    await reviews.take_lock(conn, business, ids[1], ben)
    outcomes = await bulk.run(conn, business, ana, order, shown.rows)
    assert [one.became for one in outcomes] == [Became.LEFT, Became.LEFT, Became.DONE, Became.DONE]
    names = [(await reviews.one(conn, business, one)).assigned_agent for one in ids]
    assert names == ["Ben", None, "Ana", "Ana"]


async def test_only_one_s_own_locks_are_given_back(
    conn: Conn, business: Business, ana: Reviewer, ben: Reviewer
) -> None:
    ids = await several(conn, business)
    await reviews.take_lock(conn, business, ids[0], ana)
    await reviews.take_lock(conn, business, ids[1], ben)
    shown = await bulk.preview(conn, business, ana, Order(Act.UNLOCK), ids)
    outcomes = await bulk.run(conn, business, ana, Order(Act.UNLOCK), shown.rows)
    assert [one.became for one in outcomes] == [Became.DONE, *[Became.AS_IT_WAS] * 3]
    holders = [(await reviews.one(conn, business, one)).lock for one in ids]
    assert [lock and lock.name for lock in holders] == [None, "Ben", None, None]


async def test_reviews_of_another_business_are_left_out(conn: Conn, business: Business, ana: Reviewer) -> None:
    ids = await several(conn, business)
    other = await world.kinneret_tours(conn)
    shown = await bulk.preview(conn, other, ana, Order(Act.LOOKED_AT), ids)
    assert shown.rows == []
    mine = await bulk.preview(conn, business, ana, Order(Act.LOOKED_AT), ids)
    assert await bulk.run(conn, other, ana, Order(Act.LOOKED_AT), mine.rows) == []


async def test_too_many_at_once_are_refused_with_the_number(conn: Conn, business: Business, ana: Reviewer) -> None:
    with pytest.raises(Invalid, match="500"):
        await bulk.preview(conn, business, ana, Order(Act.UNLOCK), [UUID(int=n) for n in range(501)])
    ids = await several(conn, business)
    assert set(await bulk.all_that_fit(conn, business, ANY_DAY)) == set(ids)
