"""A post whose validity cannot be told is held, and decided later: neither lost nor let through."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from tallybook.core import ingest
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Incoming
from tallybook.monitor.reply_types import Manner
from tallybook.monitor.service import held, importing, registers, validity
from tallybook.monitor.service.filing import Desk, log_lines
from tallybook.monitor.service.importing import File
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.service.validity import Entry
from tallybook.monitor.store import importing as import_store
from tests.monitor.desk import LAWLEY, MAMELODI, MARKETING, MOHADIN, again, file, open_for, said

LISTED, ALSO = replace(LAWLEY, validated=True), replace(MOHADIN, validated=True)
NADIA = Person("Nadia")
STATES = "select drop_number, state, reason from held_posts order by drop_number, message_id"
REVIEWS = "select drop_number, whatsapp_message_date from qa_photo_reviews order by drop_number"
SUBMISSIONS = "select drop_number, project, effect from qa_submissions order by drop_number, said_at"
LISTS = b"drop_number,project\nDR1752104,Lawley\nDR1752105,Lawley\n"


async def rows(where: Conn | Database, statement: str) -> list[tuple[Any, ...]]:
    if isinstance(where, Database):
        return await where.run("look", lambda conn: rows(conn, statement))
    return await (await where.execute(statement)).fetchall()


async def opened(db: Database, business: Business) -> Desk:
    """A desk whose two projects are validated and have no list."""
    return await db.run("mirror", lambda conn: open_for(conn, business, LISTED, ALSO, MARKETING))


async def post(db: Database, business: Business, desk: Desk, *messages: Incoming) -> None:
    await db.run("post", lambda conn: file(conn, business, messages, desk))


async def given(db: Database, business: Business, data: bytes, **more: Any) -> int:
    return await importing.give(db, business, File("list.csv", data, **more), NADIA, 1_000_000)


async def test_a_post_is_held_while_the_list_of_its_project_is_empty(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    await post(db, business, desk, said(LISTED, "DR1752104"), said(LISTED, "DR9999999"))
    assert await rows(db, STATES) == [("DR1752104", "held", "list_empty"), ("DR9999999", "held", "list_empty")]
    assert await rows(db, REVIEWS) == []
    assert await rows(db, "select 1 from invalid_drop_submissions") == []


async def test_another_project_s_list_does_not_answer_for_an_empty_one(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    await db.run("list", lambda conn: validity.add(conn, business, [Entry("DR1752104", "Mohadin")]))
    await post(db, business, desk, said(LISTED, "DR1752104"), said(ALSO, "DR1752104"))
    assert await rows(db, STATES) == [("DR1752104", "held", "list_empty")]
    assert await rows(db, SUBMISSIONS) == [("DR1752104", "Mohadin", "created")]


async def test_what_was_held_is_filed_or_rejected_once_a_list_is_there(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    await post(db, business, desk, said(LISTED, "DR1752104", "2025-12-02 08:00"), said(LISTED, "DR9999999"))
    assert await held.decide_all(db, business, desk) == []
    await importing.run(db, business, await given(db, business, LISTS), NADIA)
    filed = await held.decide_all(db, business, desk)
    assert [one.created for one in filed] == [[("DR1752104", "Lawley")]]
    assert await rows(db, STATES) == [("DR1752104", "filed", "list_empty"), ("DR9999999", "rejected", "list_empty")]
    ((drop, when),) = await rows(db, REVIEWS)
    assert (drop, when.astimezone(UTC).isoformat()) == ("DR1752104", "2025-12-02T06:00:00+00:00")
    assert await held.decide_all(db, business, desk) == []


async def test_posts_of_one_drop_are_decided_in_the_order_they_were_said(db: Database, business: Business) -> None:
    """Also across two projects of one space, whichever comes first by name."""
    desk = await opened(db, business)
    await post(db, business, desk, said(LISTED, "DR1752104", "2025-12-02 09:00"))
    await post(db, business, desk, said(ALSO, "DR1752104", "2025-12-02 08:00"))
    entries = [Entry("DR1752104", "Lawley"), Entry("DR1752104", "Mohadin")]
    await db.run("list", lambda conn: validity.add(conn, business, entries))
    await held.decide_all(db, business, desk)
    assert await rows(db, SUBMISSIONS) == [
        ("DR1752104", "Mohadin", "created"), ("DR1752104", "Lawley", "resubmitted"),
    ]  # fmt: skip


async def test_eight_who_decide_at_once_decide_each_post_once(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    posts = [said(LISTED, f"DR{1_700_000 + n % 150}", f"2025-12-02 08:{n % 60:02}") for n in range(300)]
    await post(db, business, desk, *posts)
    await db.run(
        "list", lambda c: validity.add(c, business, [Entry(f"DR{1_700_000 + n}", "Lawley") for n in range(100)])
    )
    done = await asyncio.gather(*(held.decide_all(db, business, desk) for _ in range(8)))
    assert sum(len(part.created) for filed in done for part in filed) == 100
    assert sum(len(part.resubmitted) for filed in done for part in filed) == 100
    assert await rows(db, "select state, count(*) from held_posts group by 1 order by 1") == [
        ("filed", 200), ("rejected", 100),
    ]  # fmt: skip
    assert await rows(db, "select count(*) from invalid_drop_submissions") == [(100,)]


async def test_while_an_import_runs_what_is_not_in_the_list_waits_for_it(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    await db.run("list", lambda conn: validity.add(conn, business, [Entry("DR1752104", "Lawley")]))
    number = await given(db, business, LISTS)
    assert await db.run("begin", lambda conn: import_store.begin(conn, business.id, number))
    await post(db, business, desk, said(LISTED, "DR1752104"), said(LISTED, "DR1752105"))
    assert await rows(db, STATES) == [("DR1752105", "held", "import_running")]
    assert await held.decide_all(db, business, desk) == [], "it runs"
    await db.run("end", lambda conn: import_store.give_up(conn, business.id, number))
    await importing.run(db, business, number, NADIA)
    await held.decide_all(db, business, desk)
    assert await rows(db, STATES) == [("DR1752105", "filed", "import_running")]
    assert await rows(db, "select 1 from monitor_replies") == []


async def test_while_an_import_withdraws_even_what_is_in_the_list_waits(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    entries = [Entry("DR1752104", "Lawley"), *(Entry(f"DR{n}", "Lawley") for n in range(1_700_000, 1_700_010))]
    await db.run("list", lambda conn: validity.add(conn, business, entries))
    lines = "".join(f"{entry.drop_number}\n" for entry in entries[1:])
    number = await given(db, business, f"drop\n{lines}".encode(), project="lawley", withdraws=True)
    await db.run("begin", lambda conn: import_store.begin(conn, business.id, number))
    await post(db, business, desk, said(LISTED, "DR1752104"))
    assert await rows(db, STATES) == [("DR1752104", "held", "import_running")]
    await db.run("end", lambda conn: import_store.give_up(conn, business.id, number))
    await importing.run(db, business, number, NADIA)
    await held.decide_all(db, business, desk)
    assert await rows(db, STATES) == [("DR1752104", "rejected", "import_running")]


async def test_a_killed_import_holds_posts_until_its_lease_ends(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    await db.run("list", lambda conn: validity.add(conn, business, [Entry("DR1752104", "Lawley")]))
    number = await given(db, business, LISTS)
    await db.run("begin", lambda conn: import_store.begin(conn, business.id, number))
    await post(db, business, desk, said(LISTED, "DR1752105"))
    await rows(db, "update valid_imports set lease_until = now() - interval '1 second' returning 1")
    await held.decide_all(db, business, desk)
    assert await rows(db, STATES) == [("DR1752105", "rejected", "import_running")], "by the list as it is"
    assert await rows(db, "select state from valid_imports") == [("ended",)]
    assert (await importing.run(db, business, number, NADIA)).added == 1, "it may be begun again"


async def test_a_held_post_follows_what_its_message_says_now(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    edited, deleted = said(LISTED, "DR1752104"), said(LISTED, "DR1752105")
    await post(db, business, desk, edited, deleted)
    await post(db, business, desk, again(edited, "DR1752106"))
    await rows(db, "update messages set deleted = true where text = 'DR1752105' returning 1")
    await db.run(
        "list",
        lambda c: validity.add(c, business, [Entry(f"DR175210{n}", "Lawley") for n in (4, 5, 6)]),
    )
    await held.decide_all(db, business, desk)
    assert [row[:2] for row in await rows(db, STATES)] == [
        ("DR1752104", "dismissed"), ("DR1752105", "dismissed"), ("DR1752106", "filed"),
    ]  # fmt: skip
    assert [row[0] for row in await rows(db, REVIEWS)] == ["DR1752106"]
    await post(db, business, desk, again(edited, "DR1752104 after all"))
    assert [row[0] for row in await rows(db, REVIEWS)] == ["DR1752104", "DR1752106"]


async def test_an_edit_of_a_filed_post_is_not_held_when_its_list_has_gone(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    message = said(LISTED, "DR1752104")
    await db.run("list", lambda conn: validity.add(conn, business, [Entry("DR1752104", "Lawley")]))
    await post(db, business, desk, message)
    await rows(db, "delete from valid_drop_numbers returning 1")
    await post(db, business, desk, again(message, "DR1752104 done"))
    assert await rows(db, STATES) == []


async def test_who_waited_long_is_not_answered_and_who_did_not_is(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    await rows(db, "update monitor_projects set watched_since = now() - interval '1 year' returning 1")
    now = datetime.now(UTC)
    old, young = (
        said(LISTED, f"DR999999{n}", said_at=now - ago)
        for n, ago in enumerate((timedelta(minutes=30), timedelta(seconds=5)))
    )
    await post(db, business, desk, old, young)
    assert await rows(db, "select 1 from monitor_replies") == []
    await importing.run(db, business, await given(db, business, LISTS), NADIA)
    await held.decide_all(db, business, dataclasses.replace(desk, manner=Manner()))
    assert await rows(db, "select drop_number from monitor_replies") == [("DR9999991",)]


async def test_the_registers_take_what_is_held_or_put_aside_for_decided(db: Database, business: Business) -> None:
    desk = await opened(db, business)
    await post(db, business, desk, said(LISTED, "DR1752104"))

    async def gaps(conn: Conn) -> list[Any]:
        return await registers.open_gaps(conn, business)

    await registers.check(db, business, "first", whole=True)
    assert await db.run("gaps", gaps) == []
    await rows(db, "update held_posts set state = 'dismissed', decided_by = 'Nadia' returning 1")
    await registers.check(db, business, "second", whole=True)
    assert await db.run("gaps", gaps) == []
    await rows(db, "update held_posts set state = 'filed' returning 1")
    await registers.check(db, business, "third", whole=True)
    assert len(await db.run("gaps", gaps)) == 1


async def test_a_batch_that_holds_is_stored_like_any_other(conn: Conn, business: Business) -> None:
    desk = await open_for(conn, business, LISTED, ALSO, MARKETING)
    messages = [said(LISTED, "DR1752104"), said(MARKETING, "DR1752104"), said(LISTED, "hello")]
    absorbed = await ingest.absorb(conn, business, messages, desk)
    assert (absorbed.new, absorbed.parked) == (3, 0)
    (filed,) = absorbed.facts
    assert filed.held == [("DR1752104", "Lawley")]
    assert filed.activated == [("DR1752104", "Marketing Activations")]
    noted = await rows(conn, "select is_valid, validation_message from marketing_activations")
    assert noted == [(None, "No list has been imported")]


async def test_the_log_says_how_each_post_was_judged(db: Database, business: Business) -> None:
    """In the words for which people grep; of a catch-up's large batches nobody is told that each was valid."""
    desk = await db.run("mirror", lambda conn: open_for(conn, business, LISTED, ALSO, MAMELODI))
    await db.run("list", lambda conn: validity.add(conn, business, [Entry("DR1752104", "Lawley")]))
    posts = [said(LISTED, "DR1752104"), said(LISTED, "DR9999999"), said(ALSO, "DR1752105"), said(MAMELODI, "DR1752106")]
    filed = await db.run("post", lambda conn: file(conn, business, posts, desk))
    assert sorted(log_lines(filed, "[DEV] ")) == sorted([
        "✅ [DEV] VALIDATED: DR1752104 is in the list of Lawley",
        "⏭️ [DEV] SKIPPED VALIDATION: DR1752106 in Mamelodi, which needs no list",
        "✅ [DEV] Created QA review for DR1752104",
        "✅ [DEV] Created QA review for DR1752106",
        "❌ [DEV] INVALID DROP: DR9999999 is not in the list of Lawley",
        "🚫 [DEV] REJECTED: DR9999999 makes no review in Lawley",
        "⏸️ [DEV] HELD: DR1752105 waits until the list of Mohadin can be read",
    ])  # fmt: skip
    many = [said(LISTED, "DR1752104") for _ in range(101)]
    assert (await db.run("post", lambda conn: file(conn, business, many, desk))).validated == []
