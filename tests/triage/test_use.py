"""A discipline taken out of use and brought back: everything that shows duty agrees from that moment on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from unittest.mock import ANY

import msgspec
import psycopg
import pytest

from tallybook.core import migrate
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.triage import ics
from tallybook.triage.rules import gaps, prepare, timeline, who
from tallybook.triage.rules_announce import look_again, standing
from tallybook.triage.rules_cover import doubles, proposals
from tallybook.triage.rules_load import ledger
from tallybook.triage.rules_use import Use, used
from tallybook.triage.service import disciplines, members, overrides, people
from tallybook.triage.types import Discipline, Person, Unused, Why
from tests.triage.facts import ANA, BE, BEN, CHEN, DINA, UI, at, facts, roster, sprints
from tests.triage.facts import members as belong
from tests.triage.rooms import CHANNEL, LEADS, Workspace, be_told, look, said, send, shown, texts
from tests.triage.rota import NOW, SECOND, SPRINTS, Web

HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
MIDDLE = SECOND.starts_at + 3 * DAY


def out(at: datetime = MIDDLE, code: str = "uiEng") -> Use:
    return Use(code, in_use=False, at=at)


def back(at: datetime, code: str = "uiEng") -> Use:
    return Use(code, in_use=True, at=at)


async def decide(web: Web, use: Use, now: datetime = NOW, version: int | None = None) -> bool:
    return await web.run(
        lambda conn: disciplines.change(conn, web.lead, web.team, use, now, reason="It is done", version=version)
    )


def test_from_the_moment_on_nobody_is_on_duty_and_what_was_before_stays() -> None:
    rested = prepare(facts(disciplines=(msgspec.structs.replace(UI, unused=(Unused(MIDDLE, MIDDLE + 20 * DAY),)),)))
    usual = prepare(facts())
    assert who(rested, "uiEng", MIDDLE - MINUTE).person == who(usual, "uiEng", MIDDLE - MINUTE).person == BEN
    assert (who(rested, "uiEng", MIDDLE).person, who(rested, "uiEng", MIDDLE).why) == (None, Why.OUT_OF_USE)
    assert who(rested, "uiEng", MIDDLE + 20 * DAY).person == CHEN == who(usual, "uiEng", MIDDLE + 20 * DAY).person
    span = SPRINTS[0].starts_at, SPRINTS[3].ends_at
    told = [(one.person, one.starts_at, one.ends_at) for one in timeline(rested, "uiEng", *span)]
    assert told[1:4] == [
        (BEN, SECOND.starts_at, MIDDLE),
        (None, MIDDLE, MIDDLE + 20 * DAY),
        (CHEN, MIDDLE + 20 * DAY, SPRINTS[2].ends_at),
    ]
    ends = who(rested, "uiEng", MIDDLE - HOUR).shift.slot
    assert ends is not None
    assert ends.ends_at == MIDDLE, "its last turn ends with it"
    assert gaps(rested, "uiEng", *span) == [], "nobody is missed"
    assert look_again(rested, MIDDLE - HOUR) == MIDDLE
    assert standing(rested, MIDDLE).on_duty == {}


def test_feeds_proposals_loads_and_double_bookings_know_it() -> None:
    two = {
        "memberships": (*belong(ANA, BEN, CHEN, DINA), *belong(DINA, BEN, code="beEng")),
        "rosters": (roster(), roster((DINA, BEN), code="beEng")),
    }
    usual, planned = prepare(facts(disciplines=(UI, BE), **two)), sprints()
    off = prepare(facts(disciplines=(UI, msgspec.structs.replace(BE, unused=(Unused(planned[1].starts_at),))), **two))
    span, ahead = (planned[0].starts_at, planned[3].ends_at), (planned[1].starts_at, planned[1].ends_at)
    assert [one.person for one in doubles(usual, *span)] == [BEN]
    assert doubles(off, *span) == []
    assert len(ics.events(usual, ics.Wanted(discipline="beEng"), *span)) > 1
    (event,) = ics.events(off, ics.Wanted(discipline="beEng"), *span)
    assert event.ends_at == planned[1].starts_at, "what was before stays in the calendar"
    assert [one.person for one in proposals(usual, "uiEng", planned[2].starts_at, planned[2].ends_at)[0]] == [ANA, BEN]
    fit = {one.person for one in proposals(off, "uiEng", planned[2].starts_at, planned[2].ends_at)[0]}
    assert fit == {ANA, BEN, DINA}, "nobody is elsewhere by a duty that is no more"
    days = {one.person: one.days for one in ledger(off, *span)}
    assert days[DINA] == 14, "of one turn, that before it"
    assert {one.person: one.days for one in ledger(off, *ahead, ["beEng"])}[BEN] == 0


def test_a_later_decision_stands_in_place_of_what_was_planned() -> None:
    ended = used(UI, out())
    assert ended.unused == (Unused(MIDDLE),)
    assert used(ended, out(MIDDLE + DAY)) == ended, "it is out of use by then"
    assert used(ended, out(NOW)).unused == (Unused(NOW),)
    assert used(ended, back(NOW)) == UI, "what was planned is taken back"
    again = used(ended, back(MIDDLE + DAY))
    assert again.unused == (Unused(MIDDLE, MIDDLE + DAY),)
    assert used(again, out(MIDDLE + DAY)) == ended
    assert used(again, out(MIDDLE + 2 * DAY)).unused == (Unused(MIDDLE, MIDDLE + DAY), Unused(MIDDLE + 2 * DAY))


async def test_it_is_looked_at_first_and_done_by_that_look_alone(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1")

    await web.run(lambda conn: overrides.approve(conn, web.lead, asked.id, NOW))
    found = await web.run(lambda conn: disciplines.preview(conn, web.lead, web.team, out(SECOND.starts_at), NOW))
    assert [(one.was.person, one.becomes.person) for one in found.changes][:2] == [(DINA, None), (CHEN, None)]
    assert [one.id for one in found.idle] == [asked.id]
    assert await web.on_duty(SECOND.starts_at) == DINA, "nothing is kept of a look"
    other = Discipline("beEng", "Services", 1)
    await web.run(lambda conn: people.put_discipline(conn, web.lead, web.team, other))
    with pytest.raises(Conflict):
        await decide(web, out(SECOND.starts_at), version=found.version)
    with pytest.raises(Invalid):
        await decide(web, out(NOW - DAY))
    with pytest.raises(NotFound):
        await decide(web, out(code="none"))
    with pytest.raises(NotAllowed):
        await web.run(lambda conn: disciplines.preview(conn, web.somebody(ANA), web.team, out(), NOW))
    with pytest.raises(NotAllowed):
        await web.run(lambda c: disciplines.change(c, web.somebody(ANA), web.team, out(), NOW, reason="x"))


async def test_of_eight_who_take_it_out_of_use_one_does_and_it_stands_in_the_record_once(web: Web) -> None:
    assert sorted(await asyncio.gather(*(decide(web, out()) for _ in range(8)))) == [False] * 7 + [True]
    assert await web.on_duty(MIDDLE - MINUTE) == BEN
    assert await web.on_duty(MIDDLE) is None
    rows = await web.rows("select before, after from audit_log where action = 'discipline.changed' order by id desc")
    assert (rows[0][0]["unused"], rows[0][1]["unused"][0]["until"], rows[0][1]["reason"]) == ([], None, "It is done")
    assert len(rows) == 3, "two were made"
    assert await decide(web, back(MIDDLE + DAY), MIDDLE + HOUR)
    facts_now = (await web.schedule()).facts
    (one,) = [one for one in facts_now.disciplines if one.code == "uiEng"]
    assert one.unused == (Unused(MIDDLE, MIDDLE + DAY),)


async def test_nobody_joins_what_is_out_of_use(web: Web) -> None:
    await decide(web, out(NOW))
    with pytest.raises(Invalid, match="not used any more"):
        await web.run(lambda conn: members.join(conn, web.lead, web.team, "uiEng", Person("UNEW", "New"), NOW))


async def test_a_name_that_is_changed_leaves_the_use_as_it_is(web: Web) -> None:

    await decide(web, out())
    await web.run(lambda c: people.put_discipline(c, web.lead, web.team, Discipline("uiEng", "Front end", 0)))
    assert await web.on_duty(MIDDLE) is None


async def test_those_on_duty_later_are_told_at_once_and_the_channel_when_it_ends(web: Web) -> None:
    await be_told(web)
    begun = SPRINTS[0].starts_at + HOUR
    await look(web, begun)
    before = len(await said(web))
    await decide(web, out(SECOND.starts_at + DAY), begun)
    await look(web, begun + MINUTE)
    await look(web, begun + 3 * MINUTE)
    assert (await said(web))[before:] == [("moves", one) for one in (ANA, BEN, CHEN)]
    assert "nobody now" in (await texts(web, BEN))[-1]
    await look(web, SECOND.starts_at)
    before, ends = len(await said(web)), SECOND.starts_at + DAY
    assert await look(web, ends, workers=8) == 1
    assert sorted((await said(web))[before:]) == [("change", CHANNEL), ("change", BEN)]
    assert "nobody is on duty now (it is out of use)" in (await texts(web, CHANNEL))[-1]
    assert await web.rows("select on_duty -> 'uiEng' from triage_states") == [(None,)]
    before = len(await said(web))
    await look(web, ends + 20 * DAY)
    assert (await said(web))[before:] == [], "nobody misses it"
    await decide(web, back(ends + 21 * DAY), ends + 20 * DAY)
    await look(web, ends + 20 * DAY + MINUTE)
    await look(web, ends + 20 * DAY + 3 * MINUTE)
    assert {one for kind, one in (await said(web))[before:] if kind == "moves"} >= {CHEN}
    before = len(await said(web))
    await look(web, ends + 21 * DAY)
    assert ("change", CHANNEL) in (await said(web))[before:]
    assert await web.rows("select on_duty ->> 'uiEng' from triage_states") == [(CHEN,)]


async def test_one_that_is_taken_out_of_use_at_once_is_told_at_once_and_leaves_the_topic(web: Web) -> None:
    await be_told(web)
    begun = SPRINTS[0].starts_at + HOUR
    await look(web, begun)
    before = len(await said(web))
    await decide(web, out(begun + MINUTE), begun + MINUTE)
    await look(web, begun + MINUTE)
    await look(web, begun + 3 * MINUTE)
    kinds = (await said(web))[before:]
    assert kinds[:2] == [("change", CHANNEL), ("change", ANA)]
    assert {one for kind, one in kinds if kind == "moves"} == {ANA, BEN, CHEN}
    workspace = Workspace()
    await send(web, workspace)
    assert workspace.topics[CHANNEL].endswith("nobody")
    assert not [one for one in await said(web) if one[1] == LEADS]
    assert (await shown(web))[-1][0] == "topic"


# As a release that knew no moment took both out of use, of one of which nothing was written down.
OLDER = """
update triage_disciplines set active = false, unused = '{}';
insert into audit_log (business_id, who, action, subject, subject_id, before, after, at)
select business_id, 'Lena', 'discipline.changed', 'discipline', 'uiEng', '{"active": true}', '{"active": false}',
    '2026-01-09T10:00:00Z' from triage_disciplines where code = 'uiEng'
"""


async def test_what_was_out_of_use_before_its_moments_were_known_is_so_since_it_was_written_down(
    web: Web, superuser_url: str
) -> None:
    text = (migrate.FOLDER / "0039_pre_triage_unused.sql").read_text()
    taken_over = text[text.index("update triage_disciplines") : text.index("create or replace")]
    async with await psycopg.AsyncConnection.connect(superuser_url) as owner:
        await owner.execute(OLDER)
        await owner.execute(taken_over.encode())
        statement = (
            "select code, lower(unused), upper_inf(unused), lower(unused) = now() from triage_disciplines order by 1"
        )
        became = await (await owner.execute(statement.encode())).fetchall()
        listed = await (await owner.execute("select distinct active from users")).fetchall()
        await owner.rollback()
    assert became == [("beEng", ANY, True, True), ("uiEng", at("2026-01-09T10:00"), True, False)]
    assert listed == [(False,)]


async def test_who_queries_the_old_view_sees_nobody_active_from_that_moment_on(web: Web) -> None:
    since = datetime.now(UTC)
    await decide(web, out(since + DAY), since)
    assert set(await web.rows("select active from users")) == {(True,)}
    await decide(web, out(since), since)
    assert set(await web.rows("select active from users")) == {(False,)}
