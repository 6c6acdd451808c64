"""Whoever is concerned is told of duty once: at the hand-over, on the evening before, when something ahead changes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from functools import partial

import psycopg
import pytest
import stamina
from psycopg import errors

from tallybook.core.db import Conn
from tallybook.triage.jobs import Announcer
from tallybook.triage.rules import Schedule
from tallybook.triage.service import absences, members, overrides, rosters, sprints
from tallybook.triage.service.looking import look as look_once
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import looks
from tallybook.triage.types import Absence, Person
from tests.conftest import Broom
from tests.triage.facts import ANA, BEN, CHEN, DINA
from tests.triage.rooms import CHANNEL, GROUP, LEADS, Workspace, be_told, look, said, second_team, send, shown, texts
from tests.triage.rota import NOW, SECOND, SPRINTS, Web

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIRST, THIRD = SPRINTS[0], SPRINTS[2]
ANNOUNCED = "select kind, told_at > boundary from triage_announcements order by boundary"


async def begun(web: Web) -> None:
    """The first sprint runs, which nobody is told of: nobody knew of another."""
    await be_told(web)
    await look(web, FIRST.starts_at + HOUR)
    assert await said(web) == []


async def test_eight_workers_at_the_boundary_make_one_advance_and_tell_each_once(web: Web) -> None:
    await begun(web)
    await look(web, SECOND.starts_at, workers=8)
    assert await said(web) == [("hand_over", CHANNEL), ("hand_over", ANA), ("hand_over", BEN)]
    assert await web.rows("select version from triage_states") == [(2,)]
    assert await web.rows(ANNOUNCED) == [("hand_over", False)]
    changed = [(kind, target) for kind, target, _ in await shown(web)]
    assert changed == [("group", GROUP), ("topic", CHANNEL)] * 2
    assert (await shown(web))[2][2] == {"members": [BEN]}
    assert (await shown(web))[3][2]["topic"]["text"] == "Bugs only. Triage: @Ben"


async def test_who_dies_between_the_advance_and_its_end_has_told_nothing_and_the_next_tells_once(
    web: Web, broom: Broom
) -> None:
    await begun(web)
    with suppress(psycopg.Error):
        async with web.db.transaction() as conn:
            await look_once(conn, Schedules(), web.lead.business_id, web.team, SECOND.starts_at)
            broom.run(f"select pg_terminate_backend({conn.info.backend_pid})")
    assert await said(web) == []
    await look(web, SECOND.starts_at + MINUTE, workers=3)
    assert await said(web) == [("hand_over", CHANNEL), ("hand_over", ANA), ("hand_over", BEN)]


async def test_who_was_down_over_hand_overs_tells_of_the_last_one_once_and_that_it_is_late(web: Web) -> None:
    await begun(web)
    await look(web, THIRD.starts_at + HOUR, workers=2)
    assert await said(web) == [("hand_over", CHANNEL), ("hand_over", ANA), ("hand_over", CHEN)]
    assert await web.rows(ANNOUNCED) == [("hand_over", True)]
    assert "told late" in (await texts(web, CHANNEL))[-1]


async def test_a_worker_whose_clock_is_behind_takes_nothing_back(web: Web) -> None:
    await begun(web)
    await look(web, SECOND.starts_at)
    await web.run(lambda conn: rosters.apply(
        conn, web.lead, web.team, rosters.Plan("uiEng", (ANA, BEN, CHEN), SECOND.ends_at), NOW, reason="no change"
    ))  # fmt: skip
    await look(web, SECOND.starts_at - MINUTE)
    assert len(await said(web)) == 3


async def test_on_the_evening_before_those_are_told_who_go_and_who_come(web: Web) -> None:
    await begun(web)
    evening = SECOND.starts_at - 15 * HOUR  # 17:00 by the team's clock
    await look(web, evening - MINUTE)
    assert await said(web) == []
    await look(web, evening, workers=4)
    await look(web, evening + HOUR)
    assert await said(web) == [("heads_up", ANA), ("heads_up", BEN)]


async def test_a_change_within_a_sprint_is_told_at_once_and_what_it_changes_ahead_after_a_minute(web: Web) -> None:
    await begun(web)
    now = FIRST.starts_at + DAY
    plan = rosters.Plan("uiEng", (CHEN, BEN, DINA), FIRST.starts_at + 2 * HOUR, in_order=True)
    await web.run(
        lambda conn: rosters.apply(conn, web.lead, web.team, plan, FIRST.starts_at + 2 * HOUR, reason="Ana leaves")
    )
    await look(web, now, workers=2)
    assert await said(web) == []
    await look(web, now + MINUTE, workers=4)
    await look(web, now + 2 * MINUTE)
    moved = await said(web)
    assert {kind for kind, _ in moved} == {"moves"}
    assert sorted(who for _, who in moved) == [ANA, BEN, CHEN, DINA]


async def test_an_approved_override_that_runs_is_told_to_the_channel_and_those_two(web: Web) -> None:
    await begun(web)
    await look(web, SECOND.starts_at)
    before = len(await said(web))
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    then = SECOND.starts_at + DAY
    await web.run(lambda conn: overrides.approve(conn, web.lead, asked.id, then))
    await look(web, then, workers=4)
    await look(web, then + 2 * MINUTE)
    assert (await said(web))[before:] == [
        ("request", LEADS), ("decided", LEADS), ("outcome", BEN), ("outcome", DINA),
        ("change", CHANNEL), ("change", BEN), ("change", DINA),
    ]  # fmt: skip
    assert (await shown(web))[-2][2] == {"members": [DINA]}


async def test_two_changes_within_one_second_are_both_told(web: Web) -> None:
    await begun(web)
    now = FIRST.starts_at + DAY
    first, second = now + timedelta(seconds=0.2), now + timedelta(seconds=0.4)
    for key, person, since, until in (("k1", DINA, first, second), ("k2", BEN, second, FIRST.ends_at)):
        asked = await web.ask(web.lead, person, key, (since, until))
        await web.run(partial(overrides.approve, actor=web.lead, number=asked.id, now=NOW))
    for then in (first, second):
        await look(web, then, workers=2)
    told = [who for kind, who in await said(web) if kind == "change"]
    assert told == [CHANNEL, ANA, DINA, CHANNEL, BEN, DINA]


async def test_what_will_go_wrong_is_told_once_to_whom_it_concerns_and_to_who_leads(web: Web) -> None:
    """Six sprints of two weeks are planned: the last ones end beyond what is looked at."""
    await begun(web)
    for person in (ANA, BEN, CHEN):
        away = Absence(0, person, SECOND.starts_at, SECOND.ends_at)
        await web.run(partial(absences.record, actor=web.lead, absence=away, now=NOW, key=person))
    for minute in (1, 3, 5):
        await look(web, FIRST.starts_at + DAY + minute * MINUTE, workers=2)
    assert await said(web) == [("clash", LEADS), ("clash", BEN)]
    await look(web, SPRINTS[3].starts_at + DAY)
    assert [one for one in await said(web) if one[0] == "gap"] == [("gap", LEADS)]
    await look(web, SPRINTS[3].starts_at + 3 * DAY)
    assert [one for one in await said(web) if one[0] == "gap"] == [("gap", LEADS)]


async def test_a_request_asks_who_leads_and_its_message_becomes_what_was_decided(web: Web) -> None:
    await be_told(web)
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    await web.ask(web.somebody(BEN), DINA, "k1")
    await web.run(lambda conn: overrides.decline(conn, web.lead, asked.id, NOW))
    assert await said(web) == [("request", LEADS), ("decided", LEADS), ("outcome", BEN)]
    ((replaces, put),) = await web.rows(
        "select (select body ->> 'changes_sent' from outbox where dedup_key ~ 'decided'),"
        " (select dedup_key from outbox where dedup_key ~ ':request:')"
    )
    assert replaces == put


async def test_a_request_that_nobody_decided_expires_once(web: Web) -> None:
    await be_told(web)
    asked = await web.ask(web.somebody(BEN), DINA, "k1")

    async def expire(conn: Conn) -> object:
        return await overrides.expire(conn, web.lead.business_id, asked.ends_at)

    await asyncio.gather(*(web.run(expire) for _ in range(4)))
    assert (await said(web))[1:] == [("decided", LEADS), ("outcome", BEN)]
    assert await web.rows("select count(*) from audit_log where action = 'override.expired'") == [(1,)]


async def test_who_leads_is_told_of_somebody_who_cannot_be_written_to(web: Web) -> None:
    await begun(web)
    await look(web, SECOND.starts_at)
    workspace = Workspace(refuses=frozenset({BEN}))
    await send(web, workspace)
    await send(web, workspace)
    assert [where for where, _ in workspace.posts] == [CHANNEL, ANA, LEADS]


class Broken(Schedules):
    """Those of one team cannot be read."""

    def __init__(self, team: int, error: Exception) -> None:
        super().__init__()
        self.broken, self.error = team, error

    async def of(self, conn: Conn, business_id: int, team_id: int) -> Schedule:
        if team_id == self.broken:
            raise self.error
        return await super().of(conn, business_id, team_id)


@pytest.mark.parametrize("error", [errors.LockNotAvailable(), ValueError()])
async def test_a_team_at_which_we_fail_holds_up_no_other(web: Web, error: Exception) -> None:
    await begun(web)
    other = await second_team(web)
    await look(web, FIRST.starts_at + HOUR)
    announcer = Announcer(web.db, Broken(web.team, error))
    with stamina.set_testing(True):  # what is tried again is tried at once
        assert await announcer.look(SECOND.starts_at) == 1
    still = await web.run(partial(looks.due, now=SECOND.starts_at))
    assert still == [(web.lead.business_id, web.team)]
    # It is overdue, and not what the next look is timed by.
    (next_at,) = await web.rows(f"select next_at from triage_looks where team_id = {other}")
    assert await web.run(partial(looks.first, after=SECOND.starts_at)) == next_at[0]


async def test_where_the_database_is_away_no_team_is_tried(web: Web) -> None:
    await begun(web)
    with stamina.set_testing(True), pytest.raises(errors.AdminShutdown):
        await Announcer(web.db, Broken(web.team, errors.AdminShutdown())).look(SECOND.starts_at)


async def has_cover(web: Web) -> None:
    """Dina stands in for Ben in the second sprint, of which all were told."""
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    await web.run(lambda conn: overrides.approve(conn, web.lead, asked.id, NOW))
    await look(web, FIRST.starts_at + 2 * HOUR)
    await look(web, FIRST.starts_at + 2 * HOUR + 2 * MINUTE)


async def test_when_the_substitute_leaves_who_has_the_turn_again_is_told_once(web: Web) -> None:
    await begun(web)
    await has_cover(web)
    before, now = len(await said(web)), FIRST.starts_at + 3 * HOUR
    await web.run(lambda conn: members.leave(conn, web.lead, web.team, None, DINA, now, now=now))
    for passed in (MINUTE, 3 * MINUTE, 5 * MINUTE, 2 * DAY):
        await look(web, now + passed, workers=2)
    assert (await said(web))[before:] == [("moves", BEN), ("moves", DINA)]
    assert "you are on duty" in (await texts(web, BEN))[-1]


async def test_when_a_sprint_is_lengthened_with_its_override_who_has_more_or_less_is_told_once(web: Web) -> None:
    await begun(web)
    await has_cover(web)
    now = FIRST.starts_at + 3 * HOUR
    await web.run(lambda conn: sprints.remove(conn, web.lead, web.team, THIRD.id, now, reason="one for both"))
    for passed in (MINUTE, 3 * MINUTE):
        await look(web, now + passed)
    before, days = len(await said(web)), (SECOND.first_day, THIRD.last_day)
    longer = partial(sprints.change, reason="one for both")
    await web.run(lambda conn: longer(conn, web.lead, web.team, SECOND.id, "Sp2", days, now + 4 * MINUTE))
    for passed in (5 * MINUTE, 7 * MINUTE, 9 * MINUTE, 2 * DAY):
        await look(web, now + passed, workers=2)
    assert await web.on_duty(THIRD.ends_at - DAY) == DINA
    assert (await said(web))[before:] == [("moves", DINA)]


async def test_what_was_told_with_a_decision_is_not_told_again(web: Web) -> None:
    await begun(web)
    await has_cover(web)
    assert [kind for kind, _ in await said(web) if kind == "moves"] == []
    (number,) = (await web.rows("select id from overrides"))[0]
    await web.run(lambda conn: overrides.withdraw(conn, web.lead, number, FIRST.starts_at + 3 * HOUR, note="Back"))
    for passed in (MINUTE, 3 * MINUTE, 2 * DAY):
        await look(web, FIRST.starts_at + 3 * HOUR + passed)
    assert [kind for kind, _ in await said(web) if kind == "moves"] == []


async def test_somebody_on_duty_twice_at_once_within_a_team_is_told_once_with_who_leads(web: Web) -> None:
    await begun(web)
    begins = FIRST.starts_at + 2 * HOUR
    await web.run(lambda conn: members.join(conn, web.lead, web.team, "beEng", Person(BEN, "Ben"), begins))
    plan = rosters.Plan("beEng", (BEN,), begins, in_order=True)
    await web.run(lambda conn: rosters.apply(conn, web.lead, web.team, plan, begins, reason="the first one"))
    for passed in (MINUTE, 3 * MINUTE, 2 * DAY, 3 * DAY):
        await look(web, begins + passed, workers=2)
    assert sorted(one for one in await said(web) if one[0] == "double") == [("double", LEADS), ("double", BEN)]
    assert "You are on duty for beEng and for uiEng at once" in (await texts(web, BEN))[-1]
