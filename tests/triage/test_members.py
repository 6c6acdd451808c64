"""Who belongs to a discipline: a leave that is planned is taken back or put off, and who joins is looked at first."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallybook.core.errors import Conflict, Invalid, NotAllowed
from tallybook.triage.blocks import previews
from tallybook.triage.rules import FOR_EVER
from tallybook.triage.rules_members import with_joined, with_left
from tallybook.triage.service import members, rosters
from tallybook.triage.service.doing import seen
from tallybook.triage.service.rosters import Plan
from tallybook.triage.types import Facts, Membership, Person
from tests.triage.facts import ANA, BEN, CHEN, DINA, facts
from tests.triage.rota import NOW, SPRINTS, Web

WHO = Person(CHEN, "Chen")
DAY = timedelta(days=1)
THIRD, LAST = SPRINTS[2], SPRINTS[5]  # both are Chen's


async def turns(web: Web) -> list[str | None]:
    return [await web.on_duty(one.starts_at) for one in SPRINTS]


async def joins(web: Web, now: datetime, **values: object) -> bool:
    return await web.run(lambda conn: members.join(conn, web.lead, web.team, "uiEng", WHO, now, **values))


async def leaves(web: Web, until: datetime, now: datetime = NOW, code: str | None = "uiEng") -> list[str]:
    return await web.run(lambda conn: members.leave(conn, web.lead, web.team, code, CHEN, until, now=now))


async def test_a_leave_that_is_planned_for_a_later_day_is_taken_back(web: Web) -> None:
    before = await turns(web)
    await leaves(web, LAST.starts_at, code=None)
    assert await turns(web) == [*before[:5], ANA]
    assert await joins(web, THIRD.starts_at, at=THIRD.starts_at + DAY)
    assert await turns(web) == before
    assert await web.rows(f"select count(*) from triage_memberships where slack_id = '{CHEN}'") == [(1,)]
    told = await web.rows("select before, after from audit_log where action = 'person.joined' order by id desc limit 1")
    until, since = LAST.starts_at.isoformat(), NOW.isoformat()
    assert told == [
        (
            {"discipline": "uiEng", "since": since, "until": until},
            {"discipline": "uiEng", "since": since, "until": None},
        )
    ]
    assert not await joins(web, NOW), "and is in force for good"


async def test_a_leave_that_is_planned_is_put_off_or_brought_forward_but_by_no_leaving_of_all(web: Web) -> None:
    before = await turns(web)
    assert await leaves(web, THIRD.starts_at) == ["uiEng"]
    assert (await turns(web))[2] == ANA
    assert await leaves(web, LAST.starts_at, code=None) == []
    assert await leaves(web, LAST.starts_at) == ["uiEng"]
    assert await turns(web) == [*before[:5], ANA]
    assert await leaves(web, LAST.starts_at) == [], "a repeat changes nothing"
    assert await leaves(web, SPRINTS[1].starts_at) == ["uiEng"]
    assert CHEN not in await turns(web)


async def test_what_is_over_is_neither_put_off_nor_taken_back(web: Web) -> None:
    await leaves(web, THIRD.starts_at)
    after = THIRD.starts_at + DAY
    assert await leaves(web, LAST.ends_at, now=after) == []
    assert await joins(web, after)
    kept = await web.rows(f"select since, until from triage_memberships where slack_id = '{CHEN}' order by since")
    assert kept == [(NOW, THIRD.starts_at), (after, None)]
    for wrong in (members.join(None, web.lead, 1, "uiEng", WHO, NOW, at=NOW - DAY),):
        with pytest.raises(Invalid, match="in the past"):
            await wrong
    with pytest.raises(NotAllowed):
        await web.run(lambda conn: members.join(conn, web.somebody(ANA), web.team, "uiEng", WHO, NOW))


async def test_who_joins_again_is_on_duty_from_the_next_sprint_on_as_was_seen_before(web: Web) -> None:
    await leaves(web, NOW + DAY)
    middle = SPRINTS[2].starts_at + 3 * DAY
    found = await web.run(lambda conn: seen(conn, web.lead, web.team))
    at_once = previews.joined_at(found, CHEN, ["uiEng"], middle, middle)
    assert [(one.was.person, one.becomes.person) for one in at_once.changes] == [(ANA, CHEN)] * 2
    looked = previews.joined_at(found, CHEN, ["uiEng"], SPRINTS[3].starts_at, middle)
    assert [one.starts_at for one in looked.changes] == [LAST.starts_at]
    joining = partial(joins, web, middle, at=SPRINTS[3].starts_at)
    with pytest.raises(Conflict, match="Look at what this would change now"):
        await joining(version=looked.version - 1)
    assert await joining(version=looked.version)
    assert await turns(web) == [ANA, BEN, ANA, ANA, BEN, CHEN]
    assert not await joining(version=looked.version), "the same again finds it done"


async def test_a_new_name_is_no_other_rota_for_who_joins_by_a_look(web: Web) -> None:
    found = await web.run(lambda conn: seen(conn, web.lead, web.team))
    await leaves(web, THIRD.starts_at)
    wanted = partial(members.join_all, actor=web.lead, team_id=web.team, disciplines=["uiEng", "beEng"], now=NOW)
    named = Person(CHEN, "Chen the Second")
    assert await web.run(lambda conn: wanted(conn, person=named, version=found.version + 1)) == ["uiEng", "beEng"]
    assert await web.run(lambda conn: wanted(conn, person=named, version=1)) == []


async def test_of_eight_who_leave_and_stay_at_once_each_is_done_whole(web: Web) -> None:
    ends = [SPRINTS[place].starts_at for place in (2, 3, 4, 5)]
    done = await asyncio.gather(*(leaves(web, end) for end in ends), *(joins(web, NOW) for _ in range(4)))
    rows = await web.rows(f"select until from triage_memberships where slack_id = '{CHEN}'")
    assert len(rows) == 1
    assert rows[0][0] in {None, *ends}
    told = await web.rows("select count(*) from audit_log where action in ('person.left', 'person.joined')")
    assert told == [(4 + sum(bool(one) for one in done),)], "the four who were there from the start have one each"


SPAN = st.integers(0, 12)


@settings(deadline=None)
@given(st.lists(SPAN, max_size=6, unique=True), SPAN, SPAN, st.booleans())
def test_from_a_moment_on_nothing_but_what_was_wanted_holds_and_before_it_nothing_is_otherwise(
    ends: list[int], now: int, ahead: int, joins_it: bool
) -> None:
    moments = [NOW + DAY * one for one in sorted(ends)]
    spans = [moments[place : place + 2] for place in range(0, len(moments), 2)]
    theirs = [Membership("uiEng", CHEN, span[0], span[1] if len(span) == 2 else None) for span in spans]
    at, today = NOW + DAY * (now + ahead), NOW + DAY * now
    before = facts(memberships=tuple(theirs))
    after = with_joined(before, "uiEng", CHEN, at) if joins_it else with_left(before, "uiEng", CHEN, at, today)
    for place in range(-1, 30):
        moment = NOW + DAY * place + DAY / 2
        if moment < today:
            assert is_in(after, moment) == is_in(before, moment)
        elif moment >= at:
            assert is_in(after, moment) == joins_it
    listed = sorted(after.memberships, key=lambda one: one.since)
    assert all(one.since < (one.until or FOR_EVER) for one in listed)
    assert all((one.until or FOR_EVER) <= two.since for one, two in pairwise(listed))


def is_in(found: Facts, moment: datetime) -> bool:
    return any(one.since <= moment < (one.until or FOR_EVER) for one in found.memberships)


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_looked_at_is_what_is_kept(web: Web, seed: int) -> None:
    steps = [
        (DAY * 60, False),
        (DAY * 90, True),
        (DAY * 120, False),
        (DAY * 30, True),
        (DAY * 70, False),
        (DAY * 99, False),
    ]
    for ahead, joining in steps[seed:] + steps[:seed]:
        found, at = await web.run(lambda conn: seen(conn, web.lead, web.team)), NOW + ahead
        looked = with_joined(found, "uiEng", CHEN, at) if joining else with_left(found, "uiEng", CHEN, at, NOW)
        await (joins(web, NOW, at=at) if joining else leaves(web, at))
        kept = await web.run(lambda conn: seen(conn, web.lead, web.team))
        assert set(kept.memberships) == set(looked.memberships)


async def test_who_is_put_on_the_roster_from_the_day_on_which_they_join_takes_the_turn(web: Web) -> None:
    eva = Person("UEVA", "Eva")
    at = THIRD.starts_at
    await web.run(lambda conn: members.join(conn, web.lead, web.team, "uiEng", eva, NOW, at=at))
    plan = Plan("uiEng", (DINA, "UEVA"), at, in_order=True)
    await web.run(lambda conn: rosters.apply(conn, web.lead, web.team, plan, NOW, reason="Two are new"))
    assert (await turns(web))[2:4] == [DINA, "UEVA"]
