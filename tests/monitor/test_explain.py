"""Why is my drop missing? The whole story of one drop, whatever became of it."""

from __future__ import annotations

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.heartbeats import beat
from tallybook.monitor.service import explain, reconcile
from tallybook.monitor.service.explain import Decision, Story, drop_asked
from tallybook.monitor.service.like_it import neighbours, similar
from tallybook.monitor.service.reconcile import Asked
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.service.supervisor_list import Given
from tests import world
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, PROJECTS, VELO_TEST, again, file, open_for, project, said

VALIDATED = project("Etwatwa", validated=True)
ELSEWHERE = project("A group of friends")


@pytest.fixture
async def world_of_drops(conn: Conn, business: Business) -> None:
    await open_for(conn, business, *PROJECTS, VALIDATED)
    await conn.execute("insert into valid_drop_numbers (drop_number, project) values ('DR1', 'Etwatwa')")


async def story(conn: Conn, business: Business, asked: str = "DR1752104") -> Story:
    return await explain.explain(conn, business, asked)


def decisions(found: Story) -> list[tuple[str | None, Decision]]:
    return [(post.project, post.decision) for post in found.posts]


@pytest.mark.parametrize(
    "asked", ["DR1752104", "dr1752104", " dr 1752104 ", "DR: 1752104", "1752104", "DR-1752104", "Drop number 1752104"]
)
def test_a_drop_is_found_however_it_is_spelled(asked: str) -> None:
    assert drop_asked(asked, PROJECTS) == "DR1752104"


@pytest.mark.parametrize("asked", ["", "   ", "x" * 200, "DR1752104 DR1752105"])
def test_what_is_no_one_drop_is_refused_in_a_sentence(asked: str) -> None:
    with pytest.raises(Invalid, match="drop number"):
        drop_asked(asked, PROJECTS)


async def test_every_post_is_told_with_where_it_was_said_and_what_it_did(
    conn: Conn, business: Business, world_of_drops: None
) -> None:
    await file(conn, business, [said(MARKETING, "DR1752104", "2025-12-02 08:00")])
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 09:00")])
    await file(conn, business, [said(MOHADIN, "dr 1752104 done", "2025-12-02 11:00")])
    await file(conn, business, [said(MOHADIN, "DR1752104", "2025-12-02 10:00")])
    await file(conn, business, [said(MARKETING, "DR1752104", "2025-12-02 12:00")])
    found = await story(conn, business)
    assert decisions(found) == [
        (MARKETING.name, Decision.ACTIVATED),
        ("Lawley", Decision.CREATED),
        ("Mohadin", Decision.HISTORY),
        ("Mohadin", Decision.RESUBMITTED),
        (MARKETING.name, Decision.ACTIVATED_BEFORE),
    ]
    assert [(review.project, review.resubmitted) for review in found.reviews] == [("Lawley", True)]
    assert [row.project for row in found.activations] == [MARKETING.name]
    assert (found.missing, found.absence) == ([], None)


async def test_what_was_not_filed_is_told_with_why(conn: Conn, business: Business, world_of_drops: None) -> None:
    edited = said(LAWLEY, "DR1752104 oops", "2025-12-02 08:06")
    messages = [
        said(VALIDATED, "DR1752104", "2025-12-02 08:00"),
        said(ELSEWHERE, "DR1752104", "2025-12-02 08:01"),
        said(LAWLEY, "DR1752104", "2025-12-02 08:02", from_us=True),
        said(LAWLEY, "DR1752104", "2025-12-02 08:03", deleted=True),
        said(LAWLEY, "drop no 1752104", "2025-12-02 08:04"),
        said(LAWLEY, "call me at 2717521049", "2025-12-02 08:05"),
        edited,
    ]
    desk = await open_for(conn, business, *PROJECTS, VALIDATED)
    await file(conn, business, messages, desk)
    await conn.execute("delete from qa_submissions; delete from qa_photo_reviews")
    await file(conn, business, [again(edited, "never mind")], desk)
    parked = "update messages set parked_reason = 'UntranslatableCharacter' where chat = %s"
    await file(conn, business, [said(MARKETING, "DR1752104", "2025-12-02 08:09")], desk)
    await conn.execute(parked, [MARKETING.group])
    found = await story(conn, business)
    assert decisions(found) == [
        ("Etwatwa", Decision.REFUSED),
        (None, Decision.NOT_WATCHED),
        ("Lawley", Decision.OURS),
        ("Lawley", Decision.DELETED),
        ("Lawley", Decision.NOT_A_DROP),
        ("Lawley", Decision.EDITED_AWAY),
        (MARKETING.name, Decision.PARKED),
    ]
    assert [revision.text for revision in found.posts[5].edits] == ["DR1752104 oops"]
    assert (found.listed, found.validated) == ([], {"Etwatwa": 1})


async def test_a_row_that_was_deleted_by_hand_is_named(conn: Conn, business: Business, world_of_drops: None) -> None:
    await file(conn, business, [said(LAWLEY, "DR1752104")])
    await conn.execute("delete from qa_photo_reviews")
    found = await story(conn, business)
    assert (found.missing, found.reviews) == (["qa_photo_reviews"], [])
    await conn.execute("delete from qa_submissions")
    assert decisions(await story(conn, business)) == [("Lawley", Decision.MISSING)]


async def test_a_group_that_is_no_longer_watched_is_told(conn: Conn, business: Business, world_of_drops: None) -> None:
    await conn.execute("update monitor_projects set active = false where name = 'Velo Test'")
    await file(conn, business, [said(VELO_TEST, "DR1752104")])
    await conn.execute("delete from qa_submissions; delete from qa_photo_reviews")
    assert decisions(await story(conn, business)) == [("Velo Test", Decision.NO_LONGER_WATCHED)]


async def test_what_a_person_added_is_told_with_who_and_why(
    conn: Conn, business: Business, world_of_drops: None
) -> None:
    asked = Asked("list.csv", b"DR,Date\nDR1752104,2/12/2025\n", Given("Lawley"))
    sheets = await reconcile.sheets_of(asked)
    number = await reconcile.keep(conn, business, asked, sheets, Person("Ana"))
    await reconcile.add_missing(conn, business, number, Person("Ana Mokoena"), "on Sam's list")
    found = await story(conn, business)
    assert [(post.by_hand, post.decision) for post in found.posts] == [(True, Decision.CREATED)]
    (change,) = found.changes
    assert (change.who, change.action) == ("Ana Mokoena", "drop.added_by_hand")
    assert change.after is not None
    assert change.after["reason"] == "on Sam's list"


async def test_where_there_is_nothing_it_says_who_was_heard_and_what_is_like_it(
    conn: Conn, business: Business, world_of_drops: None
) -> None:
    """One missing drop is not an outage: the groups are heard, the neighbours are there, one digit is off."""
    await beat(conn, "bridge", {"newest_at": "2025-12-02T10:00:00Z"})
    await file(conn, business, [
        said(LAWLEY, "DR1752103", "2025-12-02 08:00"),
        said(LAWLEY, "DR1752140", "2025-12-02 08:01"),
        said(MARKETING, "DR1752904", "2025-12-02 08:02"),
    ])  # fmt: skip
    found = await story(conn, business, "1752104")
    assert found.absence is not None
    assert [near.drop_number for near in found.absence.neighbours] == ["DR1752103"]
    assert sorted(near.drop_number for near in found.absence.similar) == ["DR1752140", "DR1752904"]
    heard = {group.project: group.said_at is not None for group in found.absence.groups}
    assert (heard["Lawley"], heard["Mohadin"]) == (True, False)
    assert found.absence.bridge_newest == "2025-12-02T10:00:00Z"


async def test_another_business_has_no_part_in_the_story(conn: Conn, business: Business, world_of_drops: None) -> None:
    await file(conn, business, [said(LAWLEY, "DR1752104")])
    other = await world.kinneret_tours(conn)
    found = await story(conn, other)
    assert (found.posts, found.reviews) == ([], [])
    assert found.absence is not None
    assert found.absence.groups == []


def test_slips_of_one_finger_are_thought_of() -> None:
    made = similar("DR1752104")
    for slip in ("DR1752105", "DR7152104", "DR175210", "DR17521044", "DR1752014"):
        assert slip in made
    assert "DR1752104" not in made
    assert neighbours("DR0000000")[0] == "DR0000001"
    assert (similar("HOUSE"), neighbours("HOUSE")) == ([], [])


async def test_a_post_that_waits_for_its_list_is_told_and_is_not_missing(
    conn: Conn, business: Business, world_of_drops: None
) -> None:
    desk = await open_for(conn, business, *PROJECTS, VALIDATED)
    await conn.execute("delete from valid_drop_numbers")
    await file(conn, business, [said(VALIDATED, "DR1752104")], desk)
    found = await story(conn, business)
    assert (decisions(found), found.missing) == ([("Etwatwa", Decision.HELD)], [])
