"""An exchange is one: each of the two gives the other their own turn, or nothing is asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest

from tallybook.core.errors import Conflict
from tallybook.triage.rules import shifts
from tallybook.triage.rules_overrides import Part
from tallybook.triage.service import overrides, rosters, sprints
from tallybook.triage.types import EVERY_DAY, Kind, Rotation
from tests.triage.facts import ANA, BEN, CHEN, DINA, ZONE
from tests.triage.rota import NOW, SECOND, SPRINTS, Web

THIRD, HOUR = SPRINTS[2], timedelta(hours=1)


def parts(taker: str, giver: str) -> tuple[Part, Part]:
    """That one takes the second sprint, and the other the third one for it."""
    return (
        Part("uiEng", taker, SECOND.starts_at, SECOND.ends_at), Part("uiEng", giver, THIRD.starts_at, THIRD.ends_at),
    )  # fmt: skip


@pytest.mark.parametrize(("taker", "giver"), [(DINA, BEN), (CHEN, ANA), (DINA, ANA)])
async def test_nobody_gives_a_turn_that_is_not_theirs(web: Web, taker: str, giver: str) -> None:
    """Ben has the second sprint, and Chen the third one."""
    with pytest.raises(Conflict, match="somebody else's now"):
        await web.run(lambda conn: overrides.request_swap(conn, web.lead, web.team, parts(taker, giver), NOW, key="s1"))
    assert await web.rows("select count(*) from overrides") == [(0,)]


async def test_an_exchange_that_was_chosen_by_an_older_rota_is_not_asked_for(web: Web) -> None:
    plan = rosters.Plan("uiEng", (CHEN, BEN, ANA), NOW, in_order=True)
    await web.run(lambda conn: rosters.apply(conn, web.lead, web.team, plan, NOW, reason="Another order"))
    with pytest.raises(Conflict, match="somebody else's now"):
        await web.run(
            lambda conn: overrides.request_swap(conn, web.somebody(BEN), web.team, parts(CHEN, BEN), NOW, key="s1")
        )


async def exchanged(web: Web) -> None:
    """Chen has Ben's sprint, the second one, and Ben the third one for it."""
    asked = await web.run(
        lambda conn: overrides.request_swap(conn, web.somebody(BEN), web.team, parts(CHEN, BEN), NOW, key="s1")
    )
    await web.run(lambda conn: overrides.approve(conn, web.lead, asked[0].id, NOW))


async def halves(web: Web) -> list[tuple[str | None, datetime, datetime]]:
    found = (await web.schedule()).facts.overrides
    return sorted((one.person, one.starts_at, one.ends_at) for one in found)


async def test_an_exchange_follows_both_turns_where_the_boundary_between_them_moves(web: Web) -> None:
    await exchanged(web)
    earlier = THIRD.first_day - timedelta(days=4)
    for one, days in ((SECOND, (SECOND.first_day, earlier)), (THIRD, (earlier, THIRD.last_day))):
        change = partial(sprints.change, number=one.id, name=one.name, days=days, now=NOW, reason="A holiday")
        assert (await web.run(lambda conn: change(conn, web.lead, web.team))).moved == 1  # noqa: B023 - awaited at once
    boundary = THIRD.starts_at - timedelta(days=4)
    assert await halves(web) == [(BEN, boundary, THIRD.ends_at), (CHEN, SECOND.starts_at, boundary)]
    assert [await web.on_duty(boundary - HOUR), await web.on_duty(boundary)] == [CHEN, BEN]
    rows = await web.rows("select count(*), count(distinct swap_id) from overrides where state = 'approved'")
    assert rows == [(2, 1)], "they are one exchange still"


async def test_one_that_waits_follows_too_and_is_approved_for_the_turn_as_it_is_then(web: Web) -> None:
    asked = await web.run(
        lambda conn: overrides.request_swap(conn, web.somebody(BEN), web.team, parts(CHEN, BEN), NOW, key="s1")
    )
    days = (THIRD.first_day, THIRD.last_day - timedelta(days=2))
    change = partial(sprints.change, number=THIRD.id, name="Sp3", days=days, now=NOW, reason="Shorter")
    await web.run(lambda conn: change(conn, web.lead, web.team))
    await web.run(lambda conn: overrides.approve(conn, web.lead, asked[0].id, NOW))
    ends = THIRD.ends_at - timedelta(days=2)
    assert await halves(web) == [(BEN, THIRD.starts_at, ends), (CHEN, SECOND.starts_at, SECOND.ends_at)]


async def test_a_part_of_a_turn_stays_at_its_own_time_and_the_look_says_if_it_stands_in_for_nobody_then(
    web: Web,
) -> None:
    """Ben could not on just these days, whichever sprint they are in."""
    span = (SECOND.ends_at - timedelta(days=3), SECOND.ends_at - timedelta(days=1))
    asked = await web.ask(web.somebody(BEN), DINA, "k1", span)
    await web.run(lambda conn: overrides.approve(conn, web.lead, asked.id, NOW))
    days = (SECOND.first_day, SECOND.last_day - timedelta(days=5))
    look = partial(sprints.preview, number=SECOND.id, name="Sp2", days=days, now=NOW)
    seen = await web.run(lambda conn: look(conn, web.lead, web.team))
    assert ([one.id for one in seen.idle], seen.moved) == ([asked.id], 0)
    change = partial(sprints.change, number=SECOND.id, name="Sp2", days=days, now=NOW, reason="Shorter")
    assert (await web.run(lambda conn: change(conn, web.lead, web.team))).idle == seen.idle
    assert await halves(web) == [(DINA, *span)]


@pytest.mark.parametrize("kind", [Kind.DAILY, Kind.WEEKLY])
async def test_an_exchange_of_days_or_weeks_stays_at_its_times_and_the_look_at_a_new_roster_names_it(
    web: Web, kind: Kind
) -> None:
    """Such turns have no names: they are times. What was agreed holds for these, whoever would have them by then."""
    begins = SPRINTS[0].starts_at
    rule = Rotation(kind, ZONE, days=EVERY_DAY if kind is Kind.DAILY else frozenset({0}))
    order = partial(rosters.Plan, "uiEng", rotation=rule, in_order=True)
    first = order((ANA, BEN, CHEN), begins)
    await web.run(lambda conn: rosters.apply(conn, web.lead, web.team, first, NOW, reason="By the calendar"))
    turns = shifts(await web.schedule(), "uiEng", begins, begins + timedelta(weeks=4))[1:3]
    one, other = turns
    assert (one.person, other.person) == (BEN, CHEN)
    wanted = (
        Part("uiEng", CHEN, one.starts_at, one.ends_at), Part("uiEng", BEN, other.starts_at, other.ends_at),
    )  # fmt: skip
    asked = await web.run(lambda conn: overrides.request_swap(conn, web.somebody(BEN), web.team, wanted, NOW, key="s1"))
    await web.run(lambda conn: overrides.approve(conn, web.lead, asked[0].id, NOW))
    agreed = [await web.on_duty(each.starts_at) for each in turns]
    assert agreed == [CHEN, BEN]
    after = order((CHEN, DINA, ANA), begins)
    seen = await web.run(lambda conn: rosters.preview(conn, web.lead, web.team, after, NOW))
    assert {each.id for each in seen.idle} == {each.id for each in asked}
    await web.run(lambda conn: rosters.apply(conn, web.lead, web.team, after, NOW, reason="Others"))
    assert [await web.on_duty(each.starts_at) for each in turns] == agreed
