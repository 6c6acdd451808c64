"""A refused post whose drop is in the list by now is offered, and accepted once, with its message's own time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid
from tallybook.core.messages import Incoming
from tallybook.monitor.service import held, offers, validity, validity_board
from tallybook.monitor.service.filing import Desk
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.service.validity import Entry
from tallybook.monitor.service.validity_board import Board
from tallybook.monitor.store.held import Waiting
from tallybook.monitor.store.offers import Asked
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, again, file, open_for, said

LISTED, ALSO = replace(LAWLEY, validated=True), replace(MOHADIN, validated=True)
NADIA, OMAR = Person("Nadia"), Person("Omar")


async def rows(db: Database, statement: str) -> list[tuple[Any, ...]]:
    async def work(conn: Conn) -> list[tuple[Any, ...]]:
        return await (await conn.execute(statement)).fetchall()

    return await db.run("look", work)


async def listed(db: Database, business: Business, *entries: tuple[str, str]) -> None:
    await db.run("list", lambda conn: validity.add(conn, business, [Entry(*one) for one in entries]))


@pytest.fixture
async def desk(db: Database, business: Business) -> Desk:
    """Two validated projects, each with a list of one drop."""
    await listed(db, business, ("DR1000001", "Lawley"), ("DR2000001", "Mohadin"))
    return await db.run("mirror", lambda conn: open_for(conn, business, LISTED, ALSO, MARKETING))


async def post(db: Database, business: Business, desk: Desk, *messages: Incoming) -> None:
    await db.run("post", lambda conn: file(conn, business, messages, desk))


async def shown(db: Database, business: Business, part: Any = None, asked: Asked | None = None) -> Board:
    return await db.run("show", lambda conn: validity_board.board(conn, business, part, asked or Asked()))


async def test_a_refused_post_is_offered_once_its_drop_is_in_the_list(
    db: Database, business: Business, desk: Desk
) -> None:
    await post(db, business, desk, said(LISTED, "DR1752104"), said(ALSO, "DR1752104"), said(LISTED, "DR2000001"))
    before = await shown(db, business)
    assert before.counts == {"offers": 0, "held": 0, "rejected": 3}
    assert {(one.drop_number, one.project): one.valid_for for one in before.lines} == {
        ("DR2000001", "Lawley"): ["Mohadin"], ("DR1752104", "Mohadin"): [], ("DR1752104", "Lawley"): [],
    }  # fmt: skip
    await listed(db, business, ("DR1752104", "Lawley"))
    after = await shown(db, business)
    assert [(one.drop_number, one.project) for one in after.lines] == [("DR1752104", "Lawley")]
    (check,) = await db.run("check", lambda conn: validity_board.checks(conn, business, datetime.now(UTC)))
    assert (check.state, check.says) == ("ok", "1 refused post may be accepted.")


async def test_an_accepted_post_makes_the_review_that_its_message_would_have_made(
    db: Database, business: Business, desk: Desk
) -> None:
    await post(db, business, desk, said(LISTED, "DR1752104", "2025-12-02 08:00"))
    await listed(db, business, ("DR1752104", "Lawley"))
    (line,) = (await shown(db, business)).lines
    done = await db.run("accept", lambda conn: offers.accept(conn, business, [line.key], NADIA))
    assert (done.drops, done.left) == (["DR1752104"], 0)
    ((drop, when, user),) = await rows(db, "select drop_number, whatsapp_message_date, user_name from qa_photo_reviews")
    assert (drop, when.astimezone(UTC).hour, user) == ("DR1752104", 6, "27820000001")
    assert await rows(db, "select who, action, subject_id from audit_log") == [("Nadia", "post.accepted", "DR1752104")]
    assert (await shown(db, business)).counts["offers"] == 0


async def test_two_who_accept_at_once_accept_once(db: Database, business: Business, desk: Desk) -> None:
    await post(db, business, desk, *(said(LISTED, f"DR175210{n}") for n in range(5)))
    await listed(db, business, *((f"DR175210{n}", "Lawley") for n in range(5)))
    keys = [line.key for line in (await shown(db, business)).lines]

    async def accept(who: Person) -> Any:
        return await db.run("accept", lambda conn: offers.accept(conn, business, keys, who))

    both = await asyncio.gather(accept(NADIA), accept(OMAR), accept(NADIA), accept(OMAR))
    assert sorted(len(one.drops) for one in both) == [0, 0, 0, 5]
    assert await rows(db, "select count(*) from qa_submissions") == [(5,)]
    assert await rows(db, "select count(*) from audit_log") == [(5,)]


async def test_all_are_accepted_only_if_they_are_those_that_were_shown(
    db: Database, business: Business, desk: Desk
) -> None:
    await post(db, business, desk, said(LISTED, "DR1752104"), said(LISTED, "DR1752105"))
    await listed(db, business, ("DR1752104", "Lawley"), ("DR1752105", "Lawley"))
    with pytest.raises(Conflict, match="other posts"):
        await db.run("accept", lambda conn: offers.accept_all(conn, business, Asked(), 1, NADIA))
    done = await db.run("accept", lambda conn: offers.accept_all(conn, business, Asked("Lawley"), 2, NADIA))
    assert done.drops == ["DR1752104", "DR1752105"]


async def test_what_is_put_aside_is_offered_again_only_if_its_drop_comes_into_the_list_later(
    db: Database, business: Business, desk: Desk
) -> None:
    await post(db, business, desk, said(LISTED, "DR1752104"), said(LISTED, "DR1752105"))
    await listed(db, business, ("DR1752104", "Lawley"))
    keys = [line.key for line in (await shown(db, business, "rejected")).lines]
    with pytest.raises(Invalid):
        await db.run("dismiss", lambda conn: offers.dismiss(conn, business, keys, NADIA, " "))
    drops = await db.run("dismiss", lambda conn: offers.dismiss(conn, business, keys, NADIA, "a typing mistake"))
    assert drops == ["DR1752104", "DR1752105"]
    assert await db.run("dismiss", lambda conn: offers.dismiss(conn, business, keys, OMAR, "again")) == []
    assert (await shown(db, business)).counts["offers"] == 0
    await listed(db, business, ("DR1752105", "Lawley"))
    assert [one.drop_number for one in (await shown(db, business)).lines] == ["DR1752105"]
    assert {one.note for one in (await shown(db, business, "rejected")).lines} == {"a typing mistake"}


async def test_a_lead_accepts_a_drop_anyway_and_the_list_says_who_did(
    db: Database, business: Business, desk: Desk
) -> None:
    await post(db, business, desk, said(LISTED, "DR1752104"), said(MARKETING, "DR1752104"))
    (line,) = (await shown(db, business)).lines
    await db.run("accept", lambda conn: offers.accept(conn, business, [line.key], NADIA, anyway="not in the plan yet"))
    assert await rows(db, "select project, sync_source from valid_drop_numbers where drop_number = 'DR1752104'") == [
        ("Lawley", "accepted by Nadia: not in the plan yet")
    ]
    assert await rows(db, "select count(*) from qa_photo_reviews") == [(1,)]
    assert await rows(db, "select is_valid from marketing_activations") == [(True,)]


async def test_a_held_post_is_accepted_or_put_aside_too(db: Database, business: Business, desk: Desk) -> None:
    await rows(db, "delete from valid_drop_numbers where project = 'Lawley' returning 1")
    await post(db, business, desk, said(LISTED, "DR1752104"), said(LISTED, "DR1752105"))
    board = await shown(db, business)
    assert (board.part, board.counts["held"]) == ("held", 2)
    aside, taken = (line.key for line in board.lines)
    await db.run("dismiss", lambda conn: offers.dismiss(conn, business, [aside], NADIA, "a test"))
    await db.run("accept", lambda conn: offers.accept(conn, business, [taken], NADIA, anyway="known"))
    assert await rows(db, "select drop_number, state from held_posts order by 1") == [
        ("DR1752104", "accepted"), ("DR1752105", "dismissed"),
    ]  # fmt: skip
    await held.decide_all(db, business, desk)
    assert await rows(db, "select count(*) from qa_submissions") == [(1,)]


async def test_a_post_whose_message_says_something_else_by_now_is_not_filed(
    db: Database, business: Business, desk: Desk
) -> None:
    message = said(LISTED, "DR1752104")
    await post(db, business, desk, message)
    await post(db, business, desk, again(message, "never mind"))
    await listed(db, business, ("DR1752104", "Lawley"))
    (line,) = (await shown(db, business)).lines
    done = await db.run("accept", lambda conn: offers.accept(conn, business, [line.key], NADIA))
    assert (done.drops, done.gone) == ([], 1)
    assert await rows(db, "select count(*) from qa_photo_reviews") == [(0,)]
    assert (await shown(db, business)).counts["offers"] == 0


async def test_a_post_of_nobody_s_is_left_alone(db: Database, business: Business, desk: Desk) -> None:
    done = await db.run("accept", lambda conn: offers.accept(conn, business, [Waiting("Lawley", "DR1", 99)], NADIA))
    assert (done.drops, done.gone, done.left) == ([], 0, 1)


async def test_the_lists_page_by_page(db: Database, business: Business, desk: Desk) -> None:
    await post(db, business, desk, *(said(LISTED, f"DR175210{n} DR175211{n}") for n in range(5)))
    seen: list[str] = []
    below = None
    for _ in range(4):
        board = await shown(db, business, "rejected", Asked(limit=3, below=below))
        seen += [one.drop_number for one in board.lines]
        below = board.further
    assert below is None
    assert len(seen) == len(set(seen)) == 10
    found = await shown(db, business, "rejected", Asked(search="17521", project="Mohadin"))
    assert found.counts["rejected"] == 0
    assert [one.checked for one in found.lists] == [True, True]
