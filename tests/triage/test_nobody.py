"""Nobody on duty by hand: everything says so with the reason, one decides it, and it can be undone."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from tallybook.core.errors import Conflict, Invalid, NotAllowed
from tallybook.triage.ics import Wanted, events
from tallybook.triage.rules import gaps, prepare, reason_of, shifts, who
from tallybook.triage.rules_load import ledger
from tallybook.triage.rules_overrides import Asked, Part, State
from tallybook.triage.service import overrides
from tallybook.triage.service.doing import Actor
from tallybook.triage.types import Override, Why
from tests.triage.facts import BEN, CHEN, DINA, facts, sprints
from tests.triage.rooms import CHANNEL, GROUP, LEADS, Workspace, be_told, look, said, send, texts
from tests.triage.rota import NOW, SECOND, Web

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PLANNED = sprints()[1]
OPEN = Override(7, "uiEng", None, PLANNED.starts_at + DAY, PLANNED.starts_at + 3 * DAY, BEN, reason="Nothing is live")
ALL = SECOND.starts_at, SECOND.ends_at


def test_who_says_nobody_with_the_reason_and_a_calendar_has_the_turn_on_both_sides_of_it() -> None:
    schedule = prepare(facts(overrides=(OPEN,)))
    found = who(schedule, "uiEng", OPEN.starts_at)
    assert (found.person, found.why, found.shift.turn_of) == (None, Why.UNASSIGNED, BEN)
    assert (found.shift.ends_at, reason_of(schedule, found.shift)) == (OPEN.ends_at, "Nothing is live")
    assert who(schedule, "uiEng", OPEN.ends_at).person == BEN
    parts = [(one.starts_at, one.ends_at) for one in shifts(schedule, "uiEng", PLANNED.starts_at, PLANNED.ends_at)]
    assert parts == [(PLANNED.starts_at, OPEN.starts_at), (OPEN.ends_at, PLANNED.ends_at)]
    told = events(schedule, Wanted(), PLANNED.starts_at, PLANNED.ends_at - HOUR)
    assert [(one.starts_at, one.ends_at) for one in told] == parts


def test_what_was_set_so_is_no_gap_and_counts_for_nobody() -> None:
    schedule, span = prepare(facts(overrides=(OPEN,))), (PLANNED.starts_at, PLANNED.ends_at)
    assert gaps(schedule, "uiEng", *span) == []
    loads = {one.person: (one.days, one.given) for one in ledger(schedule, *span)}
    assert loads[BEN] == (12, 0)


async def unassign(
    web: Web, key: str = "k", by: Actor | None = None, span: tuple[datetime, datetime] = ALL, reason: str = "A holiday"
) -> Asked:
    part = Part("uiEng", None, *span)
    return await web.run(
        lambda conn: overrides.unassign(conn, by or web.lead, web.team, part, NOW, key=key, reason=reason)
    )


async def test_it_holds_at_once_is_one_for_its_key_and_is_undone(web: Web) -> None:
    one = await unassign(web)
    assert (one.state, one.person, one.instead_of, one.reason) == (State.APPROVED, None, BEN, "A holiday")
    assert (await unassign(web)).id == one.id
    assert await web.on_duty(SECOND.starts_at + DAY) is None
    assert [(row[0], row[1]) for row in await web.rows("select nobody, replacement_slack_id from overrides")] == [
        (True, BEN)
    ], "a release that does not know of it leaves whose turn it is on duty"
    await web.run(lambda conn: overrides.withdraw(conn, web.lead, one.id, NOW))
    assert await web.on_duty(SECOND.starts_at + DAY) == BEN
    actions = await web.rows("select action, after ->> 'person' from audit_log where subject = 'override' order by id")
    assert [row[0] for row in actions] == ["override.requested", "override.approved", "override.withdrawn"]


async def test_only_who_leads_sets_it_and_says_why(web: Web) -> None:
    with pytest.raises(NotAllowed):
        await unassign(web, by=web.somebody(BEN))
    with pytest.raises(Invalid, match="Say why"):
        await unassign(web, reason=" ")
    with pytest.raises(Invalid, match="Say who"):
        await web.run(lambda conn: overrides.request(conn, web.lead, web.team, Part("uiEng", None, *ALL), NOW, key="k"))


async def test_of_eight_at_once_who_set_or_approved_something_for_one_time_one_is_first(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "cover")
    leads = [Actor(web.lead.business_id, f"Lead {number}", leads=True) for number in range(8)]
    results = await asyncio.gather(
        *(unassign(web, f"k{place}", lead) for place, lead in enumerate(leads[1:])),
        web.run(lambda conn: overrides.approve(conn, leads[0], asked.id, NOW)),
        return_exceptions=True,
    )
    assert [type(one) for one in results if isinstance(one, Exception)] == [Conflict] * 7
    assert await web.rows("select count(*) from overrides where approved") == [(1,)]


async def test_it_is_announced_and_the_group_keeps_who_was_in_it(web: Web) -> None:
    workspace = Workspace()
    await be_told(web)
    await look(web, SECOND.starts_at + HOUR)
    await send(web, workspace)
    assert workspace.groups == {GROUP: [BEN]}
    span = SECOND.starts_at + DAY, SECOND.starts_at + 2 * DAY
    await unassign(web, span=span)
    assert (await said(web))[-1] == ("outcome", BEN)
    assert LEADS not in [who for kind, who in await said(web) if kind == "request"]
    await look(web, span[0], workers=2)
    await send(web, workspace)
    assert workspace.groups == {GROUP: [BEN]}
    assert workspace.topics[CHANNEL] == "Bugs only. Triage: nobody"
    assert "A holiday" in (await texts(web, CHANNEL))[-1]
    assert (await said(web))[-2:] == [("change", CHANNEL), ("change", BEN)]
    assert await web.rows("select state from triage_shown where kind = 'group'") == [("nobody",)]
    await look(web, span[1], workers=2)
    await send(web, workspace)
    assert workspace.topics[CHANNEL] == "Bugs only. Triage: @Ben"
    assert await web.rows("select state from triage_shown where kind = 'group'") == [("set",)]


async def test_who_asks_for_cover_in_that_time_is_told_why_not(web: Web) -> None:
    await unassign(web, span=(SECOND.starts_at + DAY, SECOND.ends_at))
    with pytest.raises(Conflict, match="It was set that nobody"):
        await web.ask(web.somebody(BEN), CHEN, "k2")
    assert (await web.ask(web.somebody(BEN), CHEN, "k3", (SECOND.starts_at, SECOND.starts_at + DAY))).person == CHEN
