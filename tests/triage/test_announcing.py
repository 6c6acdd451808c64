"""Each hand-over is told once, by whoever is first, however many look and however late."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from tallybook.core.db import Conn
from tallybook.triage.rules import prepare
from tallybook.triage.rules_announce import HeadsUp, boundary, heads_up, standing
from tallybook.triage.service import overrides, rosters
from tallybook.triage.service.announcing import Moved, advance, warn
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.types import Kind
from tests.triage.facts import ANA, BE, BEN, CHEN, DINA, UI, at, facts, members, roster
from tests.triage.rota import SECOND, SPRINTS, Web

SECONDS, MINUTE, HOUR = timedelta(seconds=20), timedelta(minutes=1), timedelta(hours=1)
FIRST = SPRINTS[0]


async def look(web: Web, now: datetime, schedules: Schedules | None = None) -> Moved | None:
    kept = schedules or Schedules()

    async def work(conn: Conn) -> Moved | None:
        return await advance(conn, kept, web.lead.business_id, web.team, now)

    return await web.run(work)


def test_a_hand_over_a_change_within_a_turn_and_nothing_are_told_apart() -> None:
    schedule = prepare(facts())
    now = standing(schedule, SECOND.starts_at + MINUTE)
    assert (now.on_duty, now.sprint_number, now.until) == ({"uiEng": BEN}, 1, SECOND.ends_at)
    assert boundary({"uiEng": BEN}, now) is None
    told = boundary({"uiEng": ANA}, now)
    assert told is not None
    assert (told.kind, told.at, told.late) == ("hand_over", SECOND.starts_at, False)
    covered = facts(absences=(), overrides=())
    late = boundary({"uiEng": ANA}, standing(prepare(covered), SECOND.starts_at + HOUR))
    assert late is not None
    assert late.late


def test_the_evening_before_a_hand_over_is_due_at_five_by_the_teams_clock_and_not_for_daily_turns() -> None:
    schedule = prepare(facts())
    due = at("2026-01-19 01:00")  # 17:00 in Los Angeles on the 18th
    assert heads_up(schedule, due - SECONDS) is None
    told = heads_up(schedule, due)
    assert told is not None
    assert (told.boundary, told.due_at) == (SECOND.starts_at, due)
    assert (told.ends["uiEng"].person, told.begins["uiEng"].person) == (ANA, BEN)
    assert heads_up(schedule, SECOND.starts_at) is None
    assert heads_up(prepare(facts(rosters=(roster(kind=Kind.DAILY),))), due) is None


def test_a_hand_over_in_which_another_discipline_ends_is_told_of_its_own_moment() -> None:
    ends = SPRINTS[-1].ends_at
    both = facts(
        rosters=(roster(), roster(kind=Kind.DAILY, code="beEng")),
        disciplines=(UI, BE),
        memberships=(*members(ANA, BEN, CHEN), *members(ANA, BEN, CHEN, code="beEng")),
    )
    now = standing(prepare(both), ends + HOUR)
    assert now.on_duty["uiEng"] is None
    told = boundary({"uiEng": CHEN, "beEng": None}, now)
    assert told is not None
    assert (told.kind, told.at, told.late) == ("hand_over", ends, True)


async def test_eight_workers_at_the_boundary_tell_of_it_once(web: Web) -> None:
    begun = await look(web, FIRST.starts_at + HOUR)
    assert begun is not None
    assert begun.boundary is None
    found = await asyncio.gather(*(look(web, SECOND.starts_at) for _ in range(8)))
    (moved,) = [one for one in found if one is not None]
    assert moved.boundary is not None
    assert (moved.was["uiEng"], moved.now.on_duty["uiEng"]) == (ANA, BEN)
    assert (moved.boundary.kind, moved.boundary.late) == ("hand_over", False)
    assert await look(web, SECOND.starts_at + HOUR) is None


async def test_the_sprint_of_the_state_is_the_one_that_runs_though_nobody_else_takes_over(web: Web) -> None:
    alone = rosters.Plan("uiEng", (ANA,), FIRST.starts_at)
    await web.run(lambda conn: rosters.apply(conn, web.lead, web.team, alone, FIRST.starts_at, reason="alone"))
    await look(web, FIRST.starts_at)
    found = await asyncio.gather(*(look(web, SECOND.starts_at) for _ in range(4)))
    assert [one.boundary for one in found if one is not None] == [None], "there is nothing to tell"
    assert await web.rows("select sprint_index, ui_eng_slack_id from current_state") == [(1, ANA)]
    assert await look(web, SECOND.starts_at + HOUR) is None


async def test_whoever_was_down_over_hand_overs_tells_of_the_last_one_late(web: Web) -> None:
    schedules = Schedules()
    await look(web, FIRST.starts_at, schedules)
    moved = await look(web, SPRINTS[2].starts_at + HOUR, schedules)
    assert moved is not None
    assert moved.boundary is not None
    assert (moved.boundary.at, moved.boundary.late) == (SPRINTS[2].starts_at, True)
    assert await web.rows("select kind, told_at > boundary from triage_announcements") == [("hand_over", True)]


async def test_a_change_within_a_sprint_is_told_with_the_moment_from_which_it_counts(web: Web) -> None:
    then = SECOND.starts_at + 5 * HOUR
    await look(web, SECOND.starts_at)
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    await web.run(lambda conn: overrides.approve(conn, web.lead, asked.id, then))
    moved = await look(web, then + SECONDS)
    assert moved is not None
    assert moved.boundary is not None
    assert (moved.boundary.kind, moved.boundary.at, moved.now.on_duty["uiEng"]) == ("change", then, DINA)


async def test_the_evening_before_is_told_once(web: Web) -> None:
    kept = Schedules()

    async def work(conn: Conn) -> HeadsUp | None:
        return await warn(conn, kept, web.lead.business_id, web.team, SECOND.ends_at - HOUR)

    told = [one for one in await asyncio.gather(*(web.run(work) for _ in range(4))) if one is not None]
    assert [one.begins["uiEng"].person for one in told] == [CHEN]
