"""A supervisor's list against the registers, and adding what is missing: once, by hand, with a reason."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid, NotFound
from tallybook.monitor.service import desks, held, offers, reconcile, registers
from tallybook.monitor.service.comparison import Comparison
from tallybook.monitor.service.reconcile import Added, Asked
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.service.supervisor_list import Given
from tallybook.monitor.store import feedback
from tallybook.monitor.store.held import Waiting
from tests import world
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, PROJECTS, file, open_for, project, said

ANA, BEN = Person("Ana Mokoena"), Person("Ben Dlamini")
LIST = """Date;DR nr;Time
02/12/2025;DR1752104;09:00
02/12/2025;DR1752105;10:15
02/12/2025;dr 1752105;10:20
02/12/2025;DR1752106;
02/12/2025;;11:00
"""
VALIDATED = project("Etwatwa", validated=True)


def asked(text: str = LIST, name: str = "lawley.csv", **given: object) -> Asked:
    return Asked(name, text.encode(), Given(**({"project": "Lawley"} | given)))


async def keep(db: Database, business: Business, file: Asked) -> int:
    sheets = await reconcile.sheets_of(file)
    return await db.run("keep", lambda conn: reconcile.keep(conn, business, file, sheets, ANA))


async def compared(db: Database, business: Business, number: int) -> Comparison:
    return (await db.run("compare", lambda conn: reconcile.compared(conn, business, number)))[1]


async def add(db: Database, business: Business, number: int, who: Person = ANA, reason: str = "a list") -> Added:
    return await db.run("add", lambda conn: reconcile.add_missing(conn, business, number, who, reason))


async def rows(db: Database, statement: str) -> list[tuple[object, ...]]:
    async def work(conn: Conn) -> list[tuple[object, ...]]:
        return await (await conn.execute(statement.encode())).fetchall()

    return await db.run("look", work)


@pytest.fixture
async def posted(db: Database, business: Business) -> None:
    async def work(conn: Conn) -> None:
        await open_for(conn, business, *PROJECTS, VALIDATED)
        await file(conn, business, [
            said(LAWLEY, "DR1752104", "2025-12-02 09:00"),
            said(LAWLEY, "DR1752199", "2025-12-02 12:00"),
            said(LAWLEY, "DR1752198", "2025-12-03 12:00"),
            said(MARKETING, "DR1752106", "2025-12-02 08:00"),
        ])  # fmt: skip

    await db.run("file", work)


async def test_a_list_is_parted_in_three_and_nothing_of_it_is_dropped(
    db: Database, business: Business, posted: None
) -> None:
    found = await compared(db, business, await keep(db, business, asked()))
    assert [line.entry.drop_number for line in found.both] == ["DR1752104"]
    assert [(line.entry.drop_number, line.entry.row) for line in found.only_file] == [
        ("DR1752105", 3), ("DR1752106", 5),
    ]  # fmt: skip
    assert [line.drop_number for line in found.only_database] == ["DR1752199"]
    assert [(line.entry.row, line.first_row) for line in found.repeats] == [(4, 3)]
    assert [line.row for line in found.unread] == [6]


async def test_a_drop_of_the_space_is_found_whatever_its_project_and_day(
    db: Database, business: Business, posted: None
) -> None:
    """Lawley and Mohadin share their numbers: the drop is not missing, it stands elsewhere, and that is told."""
    text = "Project,Date,DR\nMohadin,5/12/2025,DR1752104\nVelo Test,5/12/2025,DR1752104\n"
    found = await compared(db, business, await keep(db, business, asked(text, project=None)))
    assert [(line.entry.project, line.same_day, line.same_project, line.projects) for line in found.both] == [
        ("Mohadin", False, False, ["Lawley"])
    ]
    assert [line.entry.project for line in found.only_file] == ["Velo Test"]


async def test_what_is_missing_is_added_once_with_its_reason_and_every_post_is_kept(
    db: Database, business: Business, posted: None
) -> None:
    number = await keep(db, business, asked())
    added = await add(db, business, number, reason="on Sam's list of 2 December")
    assert sorted(added.filed.created) == [("DR1752105", "Lawley"), ("DR1752106", "Lawley")]
    again = await add(db, business, number, BEN)
    assert (again.new, again.known) == ([], 3)
    assert await rows(db, "select drop_number, user_name, review_date, resubmitted from qa_photo_reviews "
                          "where drop_number in ('DR1752105', 'DR1752106') order by 1") == [
        ("DR1752105", "Manual Entry", date(2025, 12, 2), False),
        ("DR1752106", "Manual Entry", date(2025, 12, 2), False),
    ]  # fmt: skip
    assert await rows(db, "select m.channel, m.kind, s.effect from qa_submissions s join messages m "
                          "on m.id = s.message_id where s.drop_number = 'DR1752105'") == [
        ("manual", "manual", "created")
    ]  # fmt: skip
    assert await rows(
        db, "select who, subject_id, after ->> 'reason' from audit_log where subject = 'drop' order by id"
    ) == [
        (ANA.name, "DR1752105", "on Sam's list of 2 December"),
        (ANA.name, "DR1752106", "on Sam's list of 2 December"),
    ]
    assert await rows(db, "select added_by, reason from reconciliations") == [(ANA.name, "on Sam's list of 2 December")]


async def test_the_same_file_is_the_same_list_and_asked_otherwise_another(
    db: Database, business: Business, posted: None
) -> None:
    first = await keep(db, business, asked())
    assert await keep(db, business, asked(name="copy.csv")) == first
    assert await keep(db, business, asked(project="Mohadin")) != first


async def test_two_who_add_one_file_at_once_add_it_once(db: Database, business: Business, posted: None) -> None:
    one = await keep(db, business, asked())
    other = await keep(db, business, asked(LIST + "\n"))
    done = await asyncio.gather(*(add(db, business, number, who) for number in (one, other) for who in (ANA, BEN)))
    assert sorted(drop for added in done for drop, _ in added.new) == ["DR1752105", "DR1752106"]
    assert await rows(db, "select count(*) from qa_submissions where drop_number = 'DR1752105'") == [(1,)]
    assert await rows(db, "select bool_or(resubmitted) from qa_photo_reviews") == [(False,)]


async def test_a_post_that_comes_while_a_list_is_added_is_counted_once(
    db: Database, business: Business, posted: None
) -> None:
    """Whichever is first, the drop has one review; a list never makes a drop look as if it was posted again."""
    number = await keep(db, business, asked())
    message = said(LAWLEY, "DR1752105", "2025-12-02 10:15")

    async def post(conn: Conn) -> None:
        await file(conn, business, [message])

    await asyncio.gather(add(db, business, number), db.run("post", post))
    assert await rows(db, "select count(*) from qa_photo_reviews where drop_number = 'DR1752105'") == [(1,)]


async def test_marketing_s_missing_drops_are_added_to_marketing(db: Database, business: Business, posted: None) -> None:
    number = await keep(
        db, business, asked("DR,Date\n1752104,2025-12-02\n1752106,2025-12-02\n", project=MARKETING.name)
    )
    added = await add(db, business, number)
    assert added.filed.activated == [("DR1752104", MARKETING.name)]
    assert (await add(db, business, number)).new == []
    assert await rows(
        db, "select user_name from marketing_activations where drop_number = 'DR1752104'"
    ) == [("Manual Entry",)]  # fmt: skip


async def test_a_drop_that_no_list_has_is_refused_by_the_desk_here_too(
    db: Database, business: Business, posted: None
) -> None:
    await rows(db, "insert into valid_drop_numbers (drop_number, project) values ('DR1752107', 'Etwatwa') returning 1")
    number = await keep(db, business, asked("DR,Date\nDR1752107,2/12/2025\nDR1752108,2/12/2025\n", project="Etwatwa"))
    added = await add(db, business, number)
    assert (added.filed.created, added.filed.invalid) == ([("DR1752107", "Etwatwa")], [("DR1752108", "Etwatwa")])
    (line,) = (await compared(db, business, number)).only_file
    assert (line.entry.drop_number, line.refused) == ("DR1752108", True)
    assert (await add(db, business, number)).new == []


async def test_what_was_added_is_proved_by_the_nightly_check_too(
    db: Database, business: Business, posted: None
) -> None:
    await add(db, business, await keep(db, business, asked()))
    run = await registers.check(db, business, "a run", whole=True)
    assert (run.posts, run.missing) == (6, 0)


async def test_without_a_reason_nothing_is_added(db: Database, business: Business, posted: None) -> None:
    number = await keep(db, business, asked())
    with pytest.raises(Invalid, match="why"):
        await add(db, business, number, reason=" \n")
    assert await rows(db, "select count(*) from messages where channel = 'manual'") == [(0,)]


async def test_another_business_s_list_does_not_exist(db: Database, business: Business, posted: None) -> None:
    number = await keep(db, business, asked())
    other = await db.run("other", world.kinneret_tours)
    with pytest.raises(NotFound):
        await compared(db, other, number)
    with pytest.raises(NotFound):
        await add(db, other, number)


async def test_a_project_that_is_not_watched_is_a_mistake_that_names_those_that_are(
    db: Database, business: Business, posted: None
) -> None:
    with pytest.raises(Invalid, match="Mohadin"):
        await keep(db, business, asked(project="Atlantis"))
    assert MOHADIN.name == "Mohadin"


async def test_feedback_on_what_was_added_from_a_list_goes_to_the_group_and_quotes_nobody(
    db: Database, business: Business, posted: None
) -> None:
    await add(db, business, await keep(db, business, asked()))
    ((review_id,),) = await rows(db, "select id from qa_photo_reviews where drop_number = 'DR1752105'")
    whom = await db.run("whom", lambda conn: feedback.whom(conn, business.id, review_id))
    assert whom is not None
    assert (whom.group, whom.account, whom.phone, whom.quote) == (LAWLEY.group, "primary", None, None)


LACKING = "Project,Date,DR\nEtwatwa,2/12/2025,DR1752301\n"
SIGNED = "select user_name, comment, resubmitted from qa_photo_reviews where drop_number = 'DR1752301'"


async def list_valid(db: Database, business: Business, drop: str) -> None:
    async def work(conn: Conn) -> None:
        await conn.execute(
            f"insert into valid_drop_numbers (drop_number, project) values ('{drop}', 'Etwatwa')".encode()
        )

    await db.run("list", work)


async def test_a_drop_of_a_list_that_is_held_keeps_who_added_it_and_why_until_it_is_filed(
    db: Database, business: Business, posted: None
) -> None:
    number = await keep(db, business, asked(LACKING, project=None))
    added = await add(db, business, number, reason="Sam forgot")
    assert (added.new, added.filed.held) == ([], [("DR1752301", "Etwatwa")])
    assert await rows(
        db, "select who, after ->> 'reason' from audit_log where action = 'drop.added_by_hand'"
    ) == [(ANA.name, "Sam forgot")]  # fmt: skip
    assert await rows(db, "select (after ->> 'held')::int from audit_log where action = 'list.added'") == [(1,)]
    await list_valid(db, business, "DR1752301")
    desk = await db.run("desk", lambda conn: desks.desk_of(conn, business))
    await held.decide_all(db, business, desk)
    assert await rows(db, SIGNED) == [("Manual Entry", "Added by hand by Ana Mokoena: Sam forgot", False)]


async def test_a_drop_of_a_list_that_was_refused_and_then_accepted_is_signed_too(
    db: Database, business: Business, posted: None
) -> None:
    await list_valid(db, business, "DR1000000")
    number = await keep(db, business, asked(LACKING, project=None))
    assert (await add(db, business, number, reason="Sam forgot")).filed.invalid == [("DR1752301", "Etwatwa")]
    (message,) = await rows(db, "select message_id from invalid_drop_submissions where drop_number = 'DR1752301'")
    found = [Waiting("Etwatwa", "DR1752301", int(str(message[0])))]
    await db.run("accept", lambda conn: offers.accept(conn, business, found, BEN, anyway="it is there"))
    assert await rows(db, SIGNED) == [("Manual Entry", "Added by hand by Ana Mokoena: Sam forgot", False)]


async def test_a_drop_that_a_list_names_on_two_days_or_in_two_projects_is_made_once_and_not_posted_again(
    db: Database, business: Business, posted: None
) -> None:
    text = """Project,Date,DR
Mohadin,2/12/2025,DR1752302
Lawley,2/12/2025,DR1752302
Lawley,2/12/2025,DR1752303
Lawley,1/12/2025,DR1752303
"""
    number = await keep(db, business, asked(text, project=None))
    added = await add(db, business, number)
    assert sorted(added.new) == [("DR1752302", "Mohadin"), ("DR1752303", "Lawley")]
    assert await rows(
        db, "select drop_number, project, review_date, resubmitted from qa_photo_reviews "
        "where drop_number in ('DR1752302', 'DR1752303') order by 1"
    ) == [
        ("DR1752302", "Mohadin", date(2025, 12, 2), False), ("DR1752303", "Lawley", date(2025, 12, 1), False),
    ]  # fmt: skip
    assert (await add(db, business, number)).new == []
