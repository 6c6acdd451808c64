"""Rosters, sprints, people, absences: changed by many at once, looked at before, and never in the past."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from functools import partial

import pytest

from tallybook.core import key_check, keys, triage_keys
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotAllowed
from tallybook.triage.rules import shifts, timeline
from tallybook.triage.service import absences, members, rosters, sprints
from tallybook.triage.service.doing import Actor, seen
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import states
from tallybook.triage.store.states import State
from tallybook.triage.types import Absence, Holiday, Kind, Person, Rotation, Team, Why
from tests.triage.facts import ANA, BEN, CHEN, DINA, ZONE
from tests.triage.rota import NOW, SECOND, SPRINTS, Web

DAY = timedelta(days=1)
SINCE = SECOND.starts_at + DAY  # Ben's sprint runs
TURNS = [ANA, BEN, CHEN, ANA, BEN, CHEN]


async def turns(web: Web) -> list[str | None]:
    return [one.person for one in shifts(await web.schedule(), "uiEng", NOW, SPRINTS[-1].ends_at)]


async def plan(web: Web, number: int, first: str, last: str) -> sprints.Outcome:
    days = (date.fromisoformat(first), date.fromisoformat(last))
    return await web.run(lambda conn: sprints.plan(conn, web.lead, web.team, f"New {number}", days, NOW))


# ── What is read is what was written ────────────────────────────────────────────────────────────────────────────────


async def test_all_facts_of_a_team_come_back_as_they_are(web: Web) -> None:
    facts = await web.run(lambda conn: seen(conn, web.lead, web.team))
    assert facts.sprints == SPRINTS
    assert {one.person for one in facts.memberships} == {ANA, BEN, CHEN, DINA}
    assert facts.rosters[0].rotation == Rotation(Kind.SPRINT, ZONE)
    assert facts.team == Team(web.team, "Web", ZONE)
    assert await turns(web) == TURNS


async def test_a_schedule_is_kept_until_a_fact_changes_and_then_read_anew(web: Web) -> None:
    kept = Schedules()

    async def read(conn: Conn) -> object:
        return await kept.of(conn, web.lead.business_id, web.team)

    first = await web.run(read)
    assert await web.run(read) is first
    gone = Absence(0, BEN, SINCE, SINCE + DAY)
    await web.run(lambda conn: absences.record(conn, web.lead, gone, NOW, key="a"))
    assert await web.run(read) is not first


async def test_another_business_sees_nothing_of_it(web: Web) -> None:
    stranger = Actor(web.lead.business_id + 1, "Eve", leads=True)
    with pytest.raises(Exception, match="no such team"):
        await web.run(lambda conn: seen(conn, stranger, web.team))


async def test_what_must_be_apart_is_held_apart_within_its_business(web: Web) -> None:
    found = await web.rows("select conname, pg_get_constraintdef(oid) from pg_constraint where contype = 'x'")
    held = {name: rule for name, rule in found if not name.startswith("dev.")}
    assert held.keys() == {one.constraint for one in keys.PERIODS_APART}
    assert all(rule.startswith("EXCLUDE USING gist (business_id WITH =, team_id WITH =") for rule in held.values())
    assert key_check.loose(held) == []


@pytest.mark.parametrize(
    ("live", "word"),
    [({}, "missing"), ({"sprints_apart": "EXCLUDE USING gist (tstzrange(starts_at, ends_at) WITH &&)"}, "another one")],
)
def test_a_rule_that_keeps_periods_apart_no_longer_is_named_with_what_mends_it(live: dict[str, str], word: str) -> None:
    (sentence,) = key_check.loose(live, (triage_keys.SPRINTS_APART,))
    assert word in sentence
    assert "add constraint sprints_apart exclude using gist (business_id with =, team_id with =" in sentence


# ── Sprints ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_of_eight_who_plan_the_same_sprint_at_once_one_does(web: Web) -> None:
    results = await asyncio.gather(
        *(plan(web, number, "2026-03-30", "2026-04-13") for number in range(8)), return_exceptions=True
    )
    made = [one for one in results if isinstance(one, sprints.Outcome)]
    assert len(made) == 1
    assert all(isinstance(one, Conflict) for one in results if isinstance(one, BaseException))
    assert made[0].sprint.number == 6
    assert {(one.was.why, one.becomes.person) for one in made[0].changes} == {(Why.NO_SPRINT, ANA)}


async def test_eight_who_plan_sprints_that_follow_each_other_get_a_number_each(web: Web) -> None:
    first = date(2026, 3, 30)
    await asyncio.gather(
        *(
            plan(web, number, str(first + number * 7 * DAY), str(first + (number + 1) * 7 * DAY))
            for number in range(8)
        )
    )  # fmt: skip
    numbers = [row[0] for row in await web.rows("select sprint_index from sprints order by 1")]
    assert numbers == list(range(14))


async def test_the_database_itself_refuses_sprints_over_each_other_and_takes_those_that_share_a_day(web: Web) -> None:
    insert = """insert into sprints (team_id, sprint_name, start_date, end_date, sprint_index, starts_at, ends_at)
        values ({}, 'x', '2026-03-30', '2026-04-13', {}, '{}', '2026-04-13 15:00+00') returning id"""
    with pytest.raises(Conflict):
        await web.rows(insert.format(web.team, 70, "2026-03-30 14:59+00"))
    assert await web.rows(insert.format(web.team, 71, "2026-03-30 15:00+00"))


async def test_the_past_of_sprints_stays(web: Web) -> None:
    first, then = SPRINTS[0], SECOND.starts_at + DAY
    for_second = (SECOND.first_day, SECOND.last_day - DAY)
    with pytest.raises(Conflict, match="begun"):
        await web.run(lambda conn: sprints.remove(conn, web.lead, web.team, SECOND.id, then, reason="r"))
    shorter = (first.first_day, first.last_day - DAY)
    with pytest.raises(Conflict, match="over"):
        await web.run(lambda conn: sprints.change(conn, web.lead, web.team, first.id, "x", shorter, then, reason="r"))
    with pytest.raises(Invalid, match="why"):
        await web.run(
            lambda conn: sprints.change(conn, web.lead, web.team, SECOND.id, "x", for_second, then, reason=" ")
        )
    done = await web.run(
        lambda conn: sprints.change(conn, web.lead, web.team, SECOND.id, "Short", for_second, then, reason="r")
    )
    assert [(one.was.person, one.becomes.why) for one in done.changes] == [(BEN, Why.NO_SPRINT)]
    days = (date(2025, 12, 1), date(2025, 12, 15))
    with pytest.raises(Invalid, match="past"):
        await web.run(lambda conn: sprints.change(conn, web.lead, web.team, SPRINTS[3].id, "x", days, NOW, reason="r"))


# ── Rosters ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_change_is_looked_at_before_it_is_made_and_concerns_only_what_lies_ahead(web: Web) -> None:
    before = await web.schedule()
    wanted = rosters.Plan("uiEng", (ANA, BEN, CHEN, DINA), SINCE)
    looked = await web.run(lambda conn: rosters.preview(conn, web.lead, web.team, wanted, NOW))
    assert await turns(web) == TURNS
    assert looked.roster.people == (CHEN, DINA, ANA, BEN)
    assert [(one.was.person, one.becomes.person) for one in looked.changes] == [(ANA, DINA), (BEN, ANA), (CHEN, BEN)]
    made = await web.run(
        lambda conn: rosters.apply(conn, web.lead, web.team, wanted, NOW, reason="Dina joins", version=looked.version)
    )
    assert made.changes == looked.changes
    after = await web.schedule()
    assert list(timeline(before, "uiEng", NOW, SINCE)) == list(timeline(after, "uiEng", NOW, SINCE))
    assert await turns(web) == [ANA, BEN, CHEN, DINA, ANA, BEN]


async def test_of_eight_who_decided_by_one_preview_one_makes_the_change(web: Web) -> None:
    wanted = rosters.Plan("uiEng", (ANA, BEN), SINCE)
    looked = await web.run(lambda conn: rosters.preview(conn, web.lead, web.team, wanted, NOW))
    results = await asyncio.gather(
        *(
            web.run(
                lambda conn: rosters.apply(conn, web.lead, web.team, wanted, NOW, reason="r", version=looked.version)
            )
            for _ in range(8)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, rosters.Preview) for one in results) == 1
    assert sum(isinstance(one, Conflict) for one in results) == 7
    assert [one.number for one in await web.run(lambda conn: rosters.history(conn, web.lead, web.team, "uiEng"))] == [
        2,
        1,
    ]


async def test_a_former_version_is_brought_back_as_one_more(web: Web) -> None:
    wanted = rosters.Plan("uiEng", (DINA,), NOW)
    await web.run(lambda conn: rosters.apply(conn, web.lead, web.team, wanted, NOW, reason="a try"))
    assert await turns(web) == [DINA] * 6
    await web.run(lambda conn: rosters.restore(conn, web.lead, web.team, "uiEng", 1, NOW, reason="back"))
    assert await turns(web) == TURNS
    told = await web.run(lambda conn: rosters.history(conn, web.lead, web.team, "uiEng"))
    assert [(one.number, one.made.restores) for one in told] == [(3, 1), (2, None), (1, None)]


async def test_a_roster_of_the_past_of_strangers_or_by_somebody_without_the_right_is_refused(web: Web) -> None:
    def asked(people: tuple[str, ...], since: object = NOW) -> rosters.Plan:
        return rosters.Plan("uiEng", people, since)

    for wanted, by, error in (
        (asked((ANA,), NOW - DAY), web.lead, Invalid),
        (asked(("UNOBODY",)), web.lead, Invalid),
        (asked((ANA, ANA)), web.lead, Invalid),
        (asked((ANA,)), web.somebody(ANA), NotAllowed),
    ):
        with pytest.raises(error):
            await web.run(lambda conn, wanted=wanted, by=by: rosters.apply(conn, by, web.team, wanted, NOW, reason="r"))


async def test_who_leaves_is_never_on_duty_again_and_who_comes_back_gets_a_new_time(web: Web) -> None:
    left = await web.run(lambda conn: members.leave(conn, web.lead, web.team, None, CHEN, SINCE, now=NOW))
    assert left == ["uiEng"]
    assert await turns(web) == [ANA, BEN, ANA, ANA, BEN, ANA]
    back = SPRINTS[4].starts_at
    joined = await asyncio.gather(
        *(
            web.run(lambda conn: members.join(conn, web.lead, web.team, "uiEng", Person(CHEN, "Chen"), back))
            for _ in range(4)
        )
    )
    assert sorted(joined) == [False, False, False, True]
    assert await turns(web) == [ANA, BEN, ANA, ANA, BEN, CHEN]


async def test_somebody_belongs_to_several_disciplines_and_is_seen_in_each_by_those_who_query(web: Web) -> None:
    await web.run(lambda conn: members.join(conn, web.lead, web.team, "beEng", Person(ANA, "Ana"), NOW))
    found = await web.rows("select slack_id, name, discipline, active from users where slack_id = 'UANA' order by 3")
    assert [(row[0], row[1], row[2]) for row in found] == [(ANA, "Ana", "beEng"), (ANA, "Ana", "uiEng")]


# ── Absences ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_absence_counts_from_now_on_and_once(web: Web) -> None:
    gone = Absence(0, BEN, NOW - 9 * DAY, SECOND.starts_at + DAY)
    ben = web.somebody(BEN)
    told = await asyncio.gather(
        *(web.run(lambda conn: absences.record(conn, ben, gone, NOW, key="slack 1")) for _ in range(4))
    )
    assert {(one.id, one.starts_at) for one in told} == {(told[0].id, NOW)}
    assert await web.on_duty(SECOND.starts_at) == CHEN
    with pytest.raises(NotAllowed):
        await web.run(lambda conn: absences.end(conn, web.somebody(ANA), told[0].id, NOW))
    with pytest.raises(NotAllowed):
        await web.run(lambda conn: absences.record(conn, web.somebody(ANA), gone, NOW, key="b"))
    await web.run(lambda conn: absences.end(conn, ben, told[0].id, SECOND.starts_at + DAY / 2))
    assert await web.on_duty(SECOND.starts_at) == CHEN
    assert await web.on_duty(SECOND.starts_at + DAY / 2) == BEN


async def test_holidays_are_planned_ahead(web: Web) -> None:
    days = [Holiday(date(2026, 1, 19), "King Day"), *absences.public("US", [2027])]
    assert await web.run(lambda conn: absences.put_holidays(conn, web.lead, web.team, days, NOW.date())) > 10
    assert await web.run(lambda conn: absences.put_holidays(conn, web.lead, web.team, days, NOW.date())) == 0
    with pytest.raises(Invalid):
        await web.run(lambda conn: absences.put_holidays(conn, web.lead, web.team, days, date(2026, 1, 19)))
    gone = [days[0].day, date(2026, 1, 20)]
    assert await web.run(lambda conn: absences.drop_holidays(conn, web.lead, web.team, gone, NOW.date())) == 1
    kept = await web.rows("select before from audit_log where action = 'holidays.changed' order by id desc limit 1")
    assert kept == [({"2026-01-19": "King Day"},)]


# ── What was announced ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_eight_workers_at_a_boundary_move_the_state_once_and_announce_once(web: Web) -> None:
    business = web.lead.business_id

    async def cross(conn: Conn) -> bool:
        before = await states.read(conn, business, web.team)
        after = State(0, {"uiEng": BEN}, 1, SECOND.starts_at)
        moved = await states.advance(conn, business, web.team, before, after)
        told = await states.announce(
            conn, business, web.team, "hand_over", SECOND.starts_at, SECOND.starts_at + DAY, says={"late": True}
        )
        return moved and told

    assert sorted(await asyncio.gather(*(web.run(cross) for _ in range(8)))) == [False] * 7 + [True]
    assert await web.rows("select count(*) from triage_announcements") == [(1,)]
    assert await web.rows("select sprint_index, ui_eng_slack_id, be_eng_slack_id from current_state") == [
        (1, BEN, None)
    ]


async def test_a_state_that_another_moved_on_is_not_written_over(web: Web) -> None:
    business, first = web.lead.business_id, State(0, {"uiEng": ANA}, 0, NOW)
    assert await web.run(lambda conn: states.advance(conn, business, web.team, states.NONE, first))
    assert not await web.run(lambda conn: states.advance(conn, business, web.team, states.NONE, first))
    stood = await web.run(lambda conn: states.read(conn, business, web.team))
    assert (stood.version, stood.on_duty) == (1, {"uiEng": ANA})
    moved = await asyncio.gather(
        *(web.run(lambda conn: states.advance(conn, business, web.team, stood, first)) for _ in range(8))
    )
    assert sorted(moved) == [False] * 7 + [True]


async def test_a_sprint_that_is_changed_into_what_it_is_changes_nothing(web: Web) -> None:
    (before,) = await web.rows("select version, (select count(*) from audit_log) from triage_teams")
    days = SPRINTS[2].first_day, SPRINTS[2].last_day
    change = partial(sprints.change, actor=web.lead, team_id=web.team, number=3, days=days, now=NOW, reason="Again")
    same = await web.run(lambda conn: change(conn, name="Sp3"))
    assert (same.sprint.name, same.changes) == ("Sp3", [])
    assert await web.rows("select version, (select count(*) from audit_log) from triage_teams") == [before]
    await web.run(lambda conn: change(conn, name="Third"))
    assert await web.rows(f"select version - {before[0]} from triage_teams") == [(1,)]
