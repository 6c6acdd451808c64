"""Statistics say what the list says, whatever was posted, judged, late, by hand or in another project's group."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor import statistics_jobs
from tallybook.monitor.service import reviews, statistics
from tallybook.monitor.service.statistics import OfProject, Statistics
from tallybook.monitor.store import review_list, statistics_count, statistics_marks
from tallybook.monitor.store.statistics import Period
from tallybook.monitor.types import STEP_COLUMNS, Changes, Filters, Kind, Shown
from tests import world
from tests.monitor.desk import LAWLEY, MAMELODI, MARKETING, MOHADIN, PROJECTS, file, open_for, said

WHOLE = "update statistics_turns set whole_at = now()"
FIRST, LAST = date(2025, 12, 1), date(2025, 12, 31)
ALL_RIGHT = dict.fromkeys(STEP_COLUMNS, True)
BY_HAND = """
insert into qa_photo_reviews (business_id, drop_number, review_date, user_name, project, whatsapp_message_date,
    completed)
values (%(business)s, %(drop)s, %(at)s::date, 'By hand', %(project)s, %(at)s::timestamptz, %(completed)s)
"""


async def ready(conn: Conn, business: Business) -> None:
    """A business whose days were all counted once."""
    await open_for(conn, business)
    await statistics_marks.take_turn(conn, business.id)
    await conn.execute(WHOLE)


async def seen(conn: Conn, business: Business, first: date = FIRST, last: date = LAST, **more: Any) -> Statistics:
    while await statistics.fold(conn, business):
        pass
    return await statistics.of_period(conn, business, Period("chosen", first, last), **more)


def of(found: Statistics, project: str, register: Kind = Kind.QA) -> OfProject:
    return next(one for one in found.projects if (one.register, one.project) == (register, project))


async def judge(conn: Conn, business: Business, drop: str, who: world.Someone, **changes: Any) -> None:
    row = await (await conn.execute("select id from qa_photo_reviews where drop_number = %s", [drop])).fetchone()
    assert row
    await reviews.save(conn, business, row[0], reviews.Reviewer(who.account_id, who.name), Changes(**changes))


async def test_a_drop_counts_once_in_a_period_however_often_it_was_posted(conn: Conn, business: Business) -> None:
    await ready(conn, business)
    await file(conn, business, [said(LAWLEY, f"DR175210{n}", "2025-12-02 08:00") for n in range(4)])
    again = [said(LAWLEY, "DR1752101", f"2025-12-0{day} 09:00") for day in (2, 3, 5)]
    await file(conn, business, again)
    found = await seen(conn, business)
    assert msgspec.structs.astuple(of(found, "Lawley").chosen) == (4, 0, 1, 0)
    assert of(found, "Lawley").all_time.drops == 4
    assert [(one.first.day, one.drops, one.repeated) for one in found.points if one.drops] == [
        (2, 4, 1), (3, 1, 1), (5, 1, 1),
    ]  # fmt: skip
    later = await seen(conn, business, date(2025, 12, 3), date(2025, 12, 5))
    assert of(later, "Lawley").chosen.drops == 1


async def test_first_time_is_complete_without_being_posted_again_even_after_somebody_looked(
    conn: Conn, business: Business
) -> None:
    """The column “resubmitted” is cleared by a look; the posts are not."""
    await ready(conn, business)
    ana = await world.ana(conn, business)
    await file(conn, business, [said(LAWLEY, drop) for drop in ("DR1752101", "DR1752102", "DR1752103")])
    await file(conn, business, [said(LAWLEY, "DR1752102", "2025-12-03 08:00")])
    for drop, posts in (("DR1752101", 1), ("DR1752102", 2)):
        await judge(conn, business, drop, ana, ticks=ALL_RIGHT, posts=posts)
    figures = of(await seen(conn, business), "Lawley").chosen
    assert (figures.drops, figures.complete, figures.passed, figures.again) == (3, 2, 1, 1)
    assert statistics.share(figures.passed, figures.complete) == 50.0


async def test_the_day_is_that_of_the_message_on_the_business_s_wall(conn: Conn, business: Business) -> None:
    await ready(conn, business)
    await file(
        conn, business, [said(LAWLEY, "DR1752101", "2025-12-02 23:59"), said(LAWLEY, "DR1752102", "2025-12-03 00:01")]
    )
    found = await seen(conn, business)
    assert [one.first.day for one in found.points if one.drops] == [2, 3]
    assert found.total.today.drops == 0, "they were created today, which is no matter"


async def test_a_row_without_a_project_and_one_written_by_hand_are_counted(conn: Conn, business: Business) -> None:
    await ready(conn, business)
    for drop, project in (("DR1752101", None), ("DR1752102", "Lawley")):
        values = {
            "business": business.id,
            "drop": drop,
            "project": project,
            "at": "2025-12-02 08:00+02",
            "completed": True,
        }
        await conn.execute(BY_HAND, values)
    await statistics_marks.mark_days(conn, business.id, [date(2025, 12, 2)])
    found = await seen(conn, business)
    assert of(found, "").chosen.drops == 1
    assert of(found, "Lawley").chosen.passed == 1
    assert found.total.chosen.drops == 2


async def test_marketing_stands_beside_qa_and_not_in_it(conn: Conn, business: Business) -> None:
    await ready(conn, business)
    await file(conn, business, [said(MARKETING, "DR1752101"), said(MARKETING, "DR1752101", "2025-12-04 08:00")])
    await file(conn, business, [said(LAWLEY, "DR1752101")])
    found = await seen(conn, business)
    assert found.total.chosen.drops == 1
    marketing = of(found, MARKETING.name, Kind.MARKETING)
    assert (marketing.chosen.drops, marketing.chosen.again, marketing.waiting) == (1, 1, 0)


async def test_what_fails_most_is_counted_of_what_somebody_has_judged(conn: Conn, business: Business) -> None:
    await ready(conn, business)
    ana = await world.ana(conn, business)
    await file(conn, business, [said(LAWLEY, f"DR175210{n}") for n in range(3)])
    most = {column: column != "step_08_ont_barcode" for column in STEP_COLUMNS}
    await judge(conn, business, "DR1752101", ana, ticks=most)
    await judge(conn, business, "DR1752102", ana, ticks=most, reasons={"step_08_ont_barcode": "Blurry"})
    found = await seen(conn, business)
    assert found.judged == 2
    assert [(one.column, one.missing, one.wrong) for one in found.failures] == [("step_08_ont_barcode", 1, 1)]


async def test_people_are_who_posts_and_who_reviews(conn: Conn, business: Business) -> None:
    await ready(conn, business)
    ana = await world.ana(conn, business)
    await file(conn, business, [said(LAWLEY, "DR1752101"), said(LAWLEY, "DR1752102"), said(MOHADIN, "DR1752103")])
    await judge(conn, business, "DR1752101", ana, ticks=ALL_RIGHT)
    today = datetime.now(UTC).astimezone(business.zone).date()
    found = await seen(conn, business, FIRST, today)
    assert [(one.who[-2:], one.drops) for one in found.senders] == [("01", 3)]
    assert [msgspec.structs.astuple(one) for one in found.reviewers] == [("Ana Mokoena", 1, 1)]
    assert (await seen(conn, business, FIRST, today, project="Mohadin")).senders[0].drops == 1


async def test_what_waits_is_open_and_was_first_posted_over_seven_days_ago(conn: Conn, business: Business) -> None:
    await ready(conn, business)
    today = datetime.now(UTC).astimezone(business.zone)
    for number, days in enumerate((3, 7, 8, 20)):
        at = f"{today - timedelta(days=days):%Y-%m-%d} 12:00"
        await file(conn, business, [said(LAWLEY, f"DR175210{number}", at)])
    assert of(await seen(conn, business), "Lawley").waiting == 2


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_each_figure_is_the_length_of_the_list_that_it_leads_to(
    conn: Conn, business: Business, seed: int
) -> None:
    """Posts in any order, in three groups of one drop space, looks and judgements between them."""
    await ready(conn, business)
    ana = await world.ana(conn, business)
    chance = random.Random(seed)
    drops = [f"DR17521{n:02}" for n in range(12)]
    for _ in range(12):
        batch = [
            said(chance.choice((LAWLEY, MOHADIN, MAMELODI)), chance.choice(drops),
                 f"2025-12-{chance.randint(1, 20):02} {chance.randint(0, 23):02}:{chance.randint(0, 59):02}")
            for _ in range(chance.randint(1, 6))
        ]  # fmt: skip
        await file(conn, business, batch)
        drop = (
            await (
                await conn.execute("select drop_number from qa_photo_reviews order by md5(id::text) limit 1")
            ).fetchone()
        )[0]
        some = {column: chance.random() < 0.9 for column in STEP_COLUMNS} if chance.random() < 0.5 else ALL_RIGHT
        await judge(conn, business, drop, ana, ticks=some, posts=chance.randint(1, 4))
        if chance.random() < 0.5:
            await statistics.fold(conn, business)
    first = date(2025, 12, chance.randint(1, 10))
    last = first + timedelta(days=chance.randint(0, 10))
    found = await seen(conn, business, first, last)
    for project in (LAWLEY, MOHADIN, MAMELODI):
        filters = Filters(project=project.name, first_day=first, last_day=last)
        figures = of(found, project.name).chosen
        assert figures.drops == await review_list.count(conn, business, filters)
        still_open = msgspec.structs.replace(filters, shown=Shown.OPEN)
        assert figures.drops - figures.complete == await review_list.count(conn, business, still_open)
        ever = Filters(project=project.name, last_day=date.max - timedelta(days=2))
        assert of(found, project.name).all_time.drops == await review_list.count(conn, business, ever)
    days = [FIRST + timedelta(days=n) for n in range(31)]
    assert await statistics_count.wrong_days(conn, business, days) == [], "the same as if all were counted anew"


async def test_a_page_counts_what_is_little_itself_and_says_when_it_is_behind(conn: Conn, business: Business) -> None:
    await ready(conn, business)
    await file(conn, business, [said(LAWLEY, "DR1752101")])
    assert not (await statistics.freshen(conn, business)).behind
    await file(conn, business, [said(LAWLEY, f"DR175220{n}", f"2025-12-0{n} 08:00") for n in range(1, 9)])
    assert (await statistics.freshen(conn, business)).behind
    assert of(await seen(conn, business), "Lawley").chosen.drops == 9


async def test_what_somebody_changed_by_hand_is_found_and_mended_at_night(db: Database, business: Business) -> None:
    async with db.transaction() as conn:
        await open_for(conn, business)
        await file(conn, business, [said(LAWLEY, "DR1752101"), said(MOHADIN, "DR1752102", "2025-10-02 08:00")])
    assert await statistics_jobs.whole(db, business) == 0, "what is marked is counted, and not wrong"
    async with db.transaction() as conn:
        await conn.execute("update qa_photo_reviews set completed = true where drop_number = 'DR1752102'")
    assert await statistics_jobs.whole(db, business) == 1
    async with db.transaction() as conn:
        found = await seen(conn, business, date(2025, 10, 1), date(2025, 12, 31))
        assert of(found, "Mohadin").chosen.complete == 1
        assert found.freshness.mended == 1


async def test_posts_that_come_while_it_is_counted_are_neither_lost_nor_doubled(
    db: Database, business: Business
) -> None:
    async with db.transaction() as conn:
        await open_for(conn, business)
    await statistics_jobs.whole(db, business)

    async def post(number: int) -> None:
        async with db.transaction() as conn:
            await file(conn, business, [said(LAWLEY, f"DR17521{number:02}", f"2025-12-{1 + number % 3:02} 08:00")])

    async def count() -> None:
        await db.run("count", lambda conn: statistics.fold(conn, business))

    await asyncio.gather(*(work for n in range(24) for work in (post(n), count())))
    async with db.transaction() as conn:
        assert of(await seen(conn, business), "Lawley").chosen.drops == 24
        assert await statistics_count.wrong_days(conn, business, [date(2025, 12, n) for n in (1, 2, 3)]) == []


async def test_another_business_has_its_own(conn: Conn, business: Business) -> None:
    await ready(conn, business)
    other = await world.kinneret_tours(conn)
    await ready(conn, other)
    await file(conn, business, [said(LAWLEY, "DR1752101")])
    assert (await seen(conn, other)).total.chosen.drops == 0
    assert (await seen(conn, business)).total.chosen.drops == 1
    assert {one.project for one in (await seen(conn, other)).projects} == {project.name for project in PROJECTS}


async def test_the_dashboard_s_usual_days_are_the_same_kept_and_counted(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    now = datetime.now(UTC)
    for ago in (0, 1, 1, 3, 14, 15):
        at = f"{now.astimezone(business.zone) - timedelta(days=ago):%Y-%m-%d} 00:30"
        await file(conn, business, [said(LAWLEY, f"DR17{n:05}", at) for n in range(ago + 1)])
        await file(conn, business, [said(MARKETING, "DR1752109", at)])
    counted = await reviews.day(conn, business, now)
    await ready(conn, business)
    while await statistics.fold(conn, business):
        pass
    assert not (await statistics.freshen(conn, business)).behind
    assert await reviews.day(conn, business, now) == counted
    assert counted[0].usual[-1] == 2


AGED = "update statistics_marks set at = at - interval '11 seconds'"


async def test_the_dashboard_counts_itself_where_nobody_else_does(conn: Conn, business: Business) -> None:
    """The worker may be gone: then what is kept grows old, and a page does not rely on it."""
    await ready(conn, business)
    yesterday = f"{datetime.now(UTC).astimezone(business.zone) - timedelta(days=1):%Y-%m-%d} 08:00"
    await file(conn, business, [said(LAWLEY, "DR1752101", yesterday)])
    assert await statistics.keeps_up(conn, business), "a moment ago is no delay"
    await conn.execute(AGED)
    assert not await statistics.keeps_up(conn, business)
    assert (await reviews.day(conn, business, datetime.now(UTC)))[0].usual[-1] == 1
