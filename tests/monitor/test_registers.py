"""Every post stands in every register where it belongs; what was taken out is found, named and put back."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest

from tallybook.core import jobs
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.messages import Incoming
from tallybook.monitor import register_jobs
from tallybook.monitor.service import refiling, registers
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.service.registers import judge
from tallybook.monitor.store import registers as store
from tallybook.monitor.store.registers import Run
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, PROJECTS, VELO_TEST, again, file, open_for, project, said

ANA = Person("Ana Mokoena")
REVIEWS = "select drop_number, project, resubmitted from qa_photo_reviews order by drop_number"


@pytest.fixture
async def posted(db: Database, business: Business) -> list[Incoming]:
    """One drop in both registers and posted again, one in each register alone, one of two in one message."""
    messages = [
        said(MARKETING, "DR1752104", "2025-12-02 08:00"),
        said(LAWLEY, "DR1752104 done", "2025-12-02 09:00"),
        said(MOHADIN, "dr 1752104 again", "2025-12-02 10:00"),
        said(MARKETING, "DR1000001", "2025-12-02 08:00"),
        said(LAWLEY, "DR1000002 and DR1000003", "2025-12-02 08:00"),
        said(LAWLEY, "good morning", "2025-12-02 07:00"),
    ]

    async def work(conn: Conn) -> None:
        await open_for(conn, business)
        await file(conn, business, messages)

    await db.run("file", work)
    return messages


async def check(db: Database, business: Business, run: str = "a run") -> Run:
    return await registers.check(db, business, run, whole=True)


async def gaps(db: Database, business: Business) -> list[tuple[str, str]]:
    found = await db.run("gaps", lambda conn: store.open_gaps(conn, business.id))
    return sorted({(gap.register, gap.drop_number) for gap, _ in found})


async def by_hand(db: Database, statement: str) -> None:
    async def work(conn: Conn) -> None:
        await conn.execute(statement.encode())

    await db.run("by hand", work)


async def rows(db: Database, statement: str) -> list[tuple[object, ...]]:
    async def work(conn: Conn) -> list[tuple[object, ...]]:
        return await (await conn.execute(statement.encode())).fetchall()

    return await db.run("look", work)


async def test_a_drop_of_one_group_alone_is_no_finding_and_one_of_both_stands_in_both(
    db: Database, business: Business, posted: list[Incoming]
) -> None:
    """The old query named every marketing drop that nobody had posted for review."""
    run = await check(db, business)
    assert (run.messages, run.posts, run.both_registers, run.missing) == (6, 6, 1, 0)
    assert await gaps(db, business) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("delete from qa_photo_reviews where drop_number = 'DR1752104'", ("qa_photo_reviews", "DR1752104")),
        ("delete from qa_submissions where drop_number = 'DR1000002'", ("qa_submissions", "DR1000002")),
        ("delete from marketing_activations where drop_number = 'DR1752104'", ("marketing_activations", "DR1752104")),
        ("delete from marketing_posts where drop_number = 'DR1000001'", ("marketing_posts", "DR1000001")),
    ],
)
async def test_what_is_deleted_by_hand_is_found_named_and_put_back_once(
    db: Database, business: Business, posted: list[Incoming], statement: str, found: tuple[str, str]
) -> None:
    """With the review, all its posts come back: the first makes it, the second is posted again, and nothing doubles."""
    before = [await rows(db, f"select count(*) from {table}") for table in ("qa_submissions", "marketing_posts")]
    whole = await rows(db, REVIEWS)
    await by_hand(db, statement)
    run = await check(db, business)
    assert (run.missing, await gaps(db, business)) == (1, [found])
    again = await db.run("again", lambda conn: refiling.file_again(conn, business, found[1], ANA))
    assert again.missing == [found[0]]
    repeated = await db.run("again", lambda conn: refiling.file_again(conn, business, found[1], ANA))
    assert repeated.missing == []
    assert await gaps(db, business) == []
    assert await rows(db, REVIEWS) == whole
    assert [await rows(db, f"select count(*) from {t}") for t in ("qa_submissions", "marketing_posts")] == before
    assert await rows(db, "select who, action, subject_id from audit_log where subject = 'drop'") == [
        (ANA.name, "drop.filed_again", found[1])
    ]


async def test_of_two_who_file_a_drop_again_at_once_one_does(
    db: Database, business: Business, posted: list[Incoming]
) -> None:
    await by_hand(db, "delete from qa_photo_reviews where drop_number = 'DR1752104'")
    done = await asyncio.gather(
        *(db.run("again", lambda conn: refiling.file_again(conn, business, "DR1752104", ANA)) for _ in range(4))
    )
    assert sorted(len(one.missing) for one in done) == [0, 0, 0, 1]
    assert await rows(db, "select count(*) from qa_photo_reviews where drop_number = 'DR1752104'") == [(1,)]


async def test_a_later_run_ends_what_was_mended_by_other_means(
    db: Database, business: Business, posted: list[Incoming]
) -> None:
    await by_hand(db, "delete from marketing_activations where drop_number = 'DR1000001'")
    assert (await check(db, business, "one")).missing == 1
    await by_hand(
        db,
        "insert into marketing_activations (drop_number, whatsapp_message_date) "
        "values ('DR1000001', '2025-12-02 08:00+02')",
    )
    assert (await check(db, business, "two")).missing == 0


async def test_what_was_taken_out_on_purpose_may_stay_out_with_a_reason(
    db: Database, business: Business, posted: list[Incoming]
) -> None:
    await by_hand(db, "delete from qa_photo_reviews where drop_number = 'DR1000002'")
    await check(db, business, "one")
    with pytest.raises(Invalid, match="why"):
        await db.run("leave", lambda conn: refiling.leave(conn, business, "DR1000002", ANA, "  "))
    await db.run("leave", lambda conn: refiling.leave(conn, business, "DR1000002", ANA, "a test post"))
    assert (await check(db, business, "two")).missing == 0
    with pytest.raises(NotFound):
        await db.run("leave", lambda conn: refiling.leave(conn, business, "DR1000002", ANA, "again"))


async def test_refused_deleted_and_our_own_messages_are_no_findings(db: Database, business: Business) -> None:
    validated = project("Etwatwa", validated=True)

    async def work(conn: Conn) -> None:
        desk = await open_for(conn, business, *PROJECTS, validated)
        await conn.execute("insert into valid_drop_numbers (drop_number, project) values ('DR2000009', 'Etwatwa')")
        messages = [
            said(validated, "DR2000001"),
            said(LAWLEY, "DR2000002", from_us=True),
            said(LAWLEY, "DR2000003", deleted=True),
        ]
        await file(conn, business, messages, desk)

    await db.run("file", work)
    run = await check(db, business)
    assert (run.posts, run.missing) == (1, 0)


async def test_a_project_that_moved_to_another_space_leaves_no_finding_behind(
    db: Database, business: Business, posted: list[Incoming]
) -> None:
    await by_hand(db, "update monitor_projects set drop_space = 'elsewhere' where name = 'Lawley'")
    assert (await check(db, business)).missing == 0


async def test_a_nightly_run_looks_at_a_month_and_once_a_week_at_everything(
    db: Database, business: Business, posted: list[Incoming]
) -> None:
    first = await registers.check(db, business, "one")
    second = await registers.check(db, business, "two")
    assert (first.whole, first.messages, second.whole, second.messages) == (True, 6, False, 0)


async def test_a_run_that_is_repeated_after_a_crash_is_kept_once(
    db: Database, business: Business, posted: list[Incoming]
) -> None:
    await check(db, business)
    await check(db, business)
    assert await rows(db, "select count(*) from register_checks") == [(1,)]


async def test_another_business_sees_nothing_of_it(db: Database, business: Business, posted: list[Incoming]) -> None:
    await by_hand(db, "delete from qa_photo_reviews")
    await check(db, business)
    other = Business(business.id + 1, "Other", "UTC", "en")
    assert await gaps(db, other) == []


NOW = datetime(2025, 12, 3, 6, tzinfo=UTC)


def run_of(hours: int, *, whole: bool = False) -> Run:
    ended = NOW - timedelta(hours=hours)
    return Run("x", whole, None, ended, ended, 10, 9, 2, 0)


def test_the_health_page_says_whether_every_post_is_where_it_belongs() -> None:
    assert judge(None, 0, None, None, NOW).state == "ok"
    assert judge(run_of(4), 0, None, None, NOW).state == "ok"
    assert judge(run_of(60), 0, None, None, NOW).state == "late"
    wrong = judge(run_of(4), 2, NOW, "DR1752104", NOW)
    assert (wrong.state, wrong.says) == ("wrong", "2 drops are missing from a register.")
    assert wrong.facts["such_as"] == "DR1752104"


async def test_the_night_s_job_checks_and_counts_every_business(
    db: Database, business: Business, posted: list[Incoming]
) -> None:
    """Due once a night by the wall clock of the business; the job is done once, however often its worker dies."""
    (schedule,) = register_jobs.schedules(business.time_zone)
    assert (schedule.kind, schedule.time_zone, schedule.daily_at) == (
        register_jobs.CHECK, business.time_zone, register_jobs.NIGHT,
    )  # fmt: skip
    for _ in range(2):
        await db.run("ask", lambda conn: jobs.enqueue(conn, [jobs.NewJob(register_jobs.CHECK, "tonight")]))
    stop, wake = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(jobs.run_jobs(db, {register_jobs.CHECK: register_jobs.check}, stop, wake))
    async with asyncio.timeout(20):
        while await rows(db, "select state from jobs") != [("done",)]:
            await asyncio.sleep(0.05)  # what becomes of a row is told to nobody
    stop.set()
    await working
    assert await rows(db, "select run, posts, missing from register_checks") == [("tonight", 6, 0)]
    assert await rows(db, "select count(*) from jobs where kind = 'monitor.registers'") == [(1,)]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_said_nothing_is_missing_and_whatever_is_taken_out_is_found_and_put_back(
    db: Database, business: Business, seed: int
) -> None:
    """Posts in all groups in any order, repeated, edited and deleted; then rows vanish from any register."""
    dice = random.Random(seed)
    groups = [LAWLEY, MOHADIN, MARKETING, VELO_TEST]
    messages = [
        said(
            dice.choice(groups), " ".join(f"DR100000{dice.randrange(10)}" for _ in range(dice.randrange(3))) or "hi",
            f"2025-12-02 {dice.randrange(24):02}:{dice.randrange(60):02}", deleted=dice.random() < 0.1,
            from_us=dice.random() < 0.1,
        )
        for _ in range(40)
    ]  # fmt: skip
    messages += [again(message, f"DR200000{dice.randrange(10)}") for message in dice.sample(messages, 5)]

    async def post(conn: Conn) -> None:
        await open_for(conn, business)
        for at in range(0, len(messages), 7):
            await file(conn, business, messages[at : at + 7])

    await db.run("post", post)
    assert (await check(db, business, "before")).missing == 0
    counts = [await rows(db, f"select count(*) from {table}") for table in REGISTERS]
    for table in REGISTERS:
        await by_hand(db, f"delete from {table} where hashtext(drop_number || '{seed}') % 3 = 0")
    for _, drop in await _found(db, business):
        await db.run("again", lambda conn, drop=drop: refiling.file_again(conn, business, drop, ANA))
    assert (await check(db, business, "after")).missing == 0
    after = [await rows(db, f"select count(*) from {table}") for table in REGISTERS]
    # What a message no longer says is not filed again, so an edited message's old rows may stay away.
    assert all(now <= before for now, before in zip(after, counts, strict=True))


REGISTERS = ("qa_photo_reviews", "qa_submissions", "marketing_activations", "marketing_posts")


async def _found(db: Database, business: Business) -> list[tuple[str, str]]:
    """What the check names; a drop that still has a message is named if any of its rows is gone."""
    run = await check(db, business, "between")
    found = await gaps(db, business)
    assert run.missing == len(found) > 0
    return found
