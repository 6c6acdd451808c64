"""Calendars by secret link: each follows the facts, whoever reads it first, and a link that ended says nothing."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tallybook.core import retention, secret_tokens
from tallybook.core.errors import Conflict, NotAllowed, NotFound
from tallybook.triage.ics import Event
from tallybook.triage.rules_overrides import Part
from tallybook.triage.service import feeds, overrides, people
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.feeds import Reading
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store.feeds import Scope
from tallybook.triage.types import Person, Team
from tests.triage.facts import ANA, BEN, DINA, ZONE, at
from tests.triage.rota import NOW, SECOND, Web

TOMORROW = NOW + timedelta(1)


async def link(web: Web, scope: Scope, actor: Actor | None = None) -> str:
    made = await web.run(lambda conn: feeds.make(conn, actor or web.lead, scope, NOW))
    assert made.token not in repr(made)
    return made.token


async def read(web: Web, token: str, *known: str, now: Any = NOW) -> Reading:
    def instead_of(_: str) -> str:
        return "Instead of {name}"

    return await web.run(
        lambda conn: feeds.read(conn, Schedules(), token, now, known=frozenset(known), instead_of=instead_of)
    )


async def cover(web: Web, person: str) -> int:
    """The whole second sprint, Ben's."""
    part = Part("uiEng", person, SECOND.starts_at, SECOND.ends_at)

    async def work(conn: Any) -> int:
        asked = await overrides.request(conn, web.lead, web.team, part, NOW, key=f"cover {person}")
        await overrides.approve(conn, web.lead, asked.id, NOW)
        return asked.id

    return await web.run(work)


def second(found: Reading) -> list[tuple[str, int, bool]]:
    events: list[Event] = found.events or []
    return [(one.summary, one.sequence, one.cancelled) for one in events if one.starts_at == SECOND.starts_at]


async def test_each_calendar_follows_a_change_and_tells_what_is_no_more(web: Web) -> None:
    team, bens, dinas = [
        await link(web, scope)
        for scope in (Scope("team", web.team), Scope("person", slack_id=BEN), Scope("person", slack_id=DINA))
    ]
    assert second(await read(web, team)) == [("uiEng: Ben", 0, False)]
    assert second(await read(web, bens)) == [("uiEng", 0, False)]
    assert (await read(web, dinas)).events == []
    number = await cover(web, DINA)
    assert second(await read(web, team)) == [("uiEng: Dina", 1, False)]
    assert second(await read(web, bens)) == [("uiEng", 1, True)]
    assert second(await read(web, dinas)) == [("uiEng", 0, False)]
    await web.run(lambda conn: overrides.withdraw(conn, web.lead, number, NOW))
    assert second(await read(web, team)) == [("uiEng: Ben", 2, False)]
    assert second(await read(web, bens)) == [("uiEng", 2, False)]
    assert second(await read(web, dinas)) == [("uiEng", 1, True)]


async def test_who_has_it_gets_nothing_until_the_facts_or_the_day_are_others(web: Web) -> None:
    token = await link(web, Scope("discipline", web.team, "uiEng"))
    first = await read(web, token)
    assert first.events
    assert await read(web, token, "another", first.etag) == Reading(first.etag, "Web · uiEng")
    tomorrow = await read(web, token, first.etag, now=TOMORROW)
    assert tomorrow.events == first.events
    await cover(web, DINA)
    after = await read(web, token, tomorrow.etag, now=TOMORROW)
    assert len({first.etag, tomorrow.etag, after.etag}) == 3


async def test_a_picture_is_another_one_each_hour_and_begins_at_the_team_s_own_midnight(web: Web) -> None:
    token = await link(web, Scope("team", web.team))
    evening = at("2026-01-06T07:59")  # a minute before midnight by the team's clocks

    async def seen(now: datetime) -> tuple[str, date]:
        view = await web.run(lambda conn: feeds.view(conn, Schedules(), token, now))
        return view.etag, view.first

    before, still = await seen(evening - timedelta(minutes=50)), await seen(evening)
    after, earlier = await seen(evening + timedelta(minutes=1)), await seen(evening - timedelta(hours=1))
    assert before == still != earlier
    assert (still[1], after[1]) == (date(2026, 1, 5), date(2026, 1, 6))
    assert after[0] != still[0]


async def test_of_eight_who_read_a_change_at_once_each_is_told_it_as_one(web: Web) -> None:
    token = await link(web, Scope("team", web.team))
    await read(web, token)
    await cover(web, DINA)
    found = await asyncio.gather(*(read(web, token) for _ in range(8)))
    assert {tuple(second(one)) for one in found} == {(("uiEng: Dina", 1, False),)}
    assert len({one.etag for one in found}) == 1


async def test_a_person_s_calendar_has_all_their_teams(web: Web) -> None:
    async def another(conn: Any) -> None:
        number = await people.add_team(conn, web.lead, Team(0, "Mobile", ZONE))
        assert number != web.team

    await web.run(another)
    token = await link(web, Scope("person", slack_id=ANA))
    found = await read(web, token)
    assert found.name == "Ana"
    assert len(found.events or []) == 2


async def test_a_link_is_one_s_own_or_of_who_leads_and_ends_at_once(web: Web) -> None:
    ana, ben = web.somebody(ANA), web.somebody(BEN)
    token = await link(web, Scope("person", slack_id=ANA), ana)
    with pytest.raises(NotAllowed):
        await link(web, Scope("person", slack_id=ANA), ben)
    with pytest.raises(NotFound):
        await link(web, Scope("person", slack_id="U0NOBODY"))
    with pytest.raises(NotFound):
        await link(web, Scope("discipline", web.team, "none"))
    (listed,) = await web.run(lambda conn: feeds.listed(conn, ana))
    assert (listed.name, listed.read_at) == ("Ana", None)
    assert await web.run(lambda conn: feeds.listed(conn, ben)) == []
    with pytest.raises(NotAllowed):
        await web.run(lambda conn: feeds.revoke(conn, ben, listed.id, NOW))
    await read(web, token)
    assert (await web.run(lambda conn: feeds.listed(conn, ana)))[0].read_at == NOW
    await web.run(lambda conn: feeds.revoke(conn, ana, listed.id, NOW))
    with pytest.raises(NotFound):
        await read(web, token)
    with pytest.raises(NotFound):
        await web.run(lambda conn: feeds.revoke(conn, ana, listed.id, NOW))
    assert await web.rows("select count(*) from triage_feed_events") == [(0,)]


async def test_the_same_asked_for_again_is_the_same_link_also_at_once_and_never_after_it_ended(web: Web) -> None:
    team, ana = Scope("team", web.team), web.somebody(ANA)

    async def asked(actor: Actor, scope: Scope = team, given: str = "form 1") -> str:
        secret = feeds.secret_by(b"k" * 32, actor, scope, given, NOW)
        return (await web.run(lambda conn: feeds.make(conn, actor, scope, NOW, secret=secret))).token

    (token,) = set(await asyncio.gather(*(asked(ana) for _ in range(4))))
    assert (await read(web, token)).events
    others = {await asked(ana, given="form 2"), await asked(ana, Scope("discipline", web.team, "uiEng"))}
    assert len(others | {token, await asked(web.somebody(BEN))}) == 4
    assert await web.rows("select count(*) from audit_log where action = 'calendar.shared'") == [(4,)]
    number = min(one.id for one in await web.run(lambda conn: feeds.listed(conn, web.lead)))
    await web.run(lambda conn: feeds.revoke(conn, web.lead, number, NOW))
    with pytest.raises(Conflict):
        await asked(ana)
    days = {feeds.secret_by(b"k" * 32, ana, team, "form 1", now) for now in (NOW, TOMORROW)}
    assert len(days) == 2


async def test_nobody_fills_the_business_s_room_with_links_of_their_own(web: Web) -> None:
    ana = web.somebody(ANA)
    for _ in range(feeds.MOST_OF_ONE):
        await link(web, Scope("team", web.team), ana)
    with pytest.raises(Conflict, match="You have 20 calendars already"):
        await link(web, Scope("team", web.team), ana)
    await link(web, Scope("team", web.team), web.somebody(BEN))
    await link(web, Scope("team", web.team))


async def test_of_eight_who_take_the_last_place_at_once_one_gets_it_and_a_repeat_of_it_is_the_same(web: Web) -> None:
    ana, team = web.somebody(ANA), Scope("team", web.team)
    for _ in range(feeds.MOST_OF_ONE - 1):
        await link(web, team, ana)

    async def asked(given: str) -> str:
        secret = feeds.secret_by(b"k" * 32, ana, team, given, NOW)
        return (await web.run(lambda conn: feeds.make(conn, ana, team, NOW, secret=secret))).token

    ends = await asyncio.gather(*(asked(f"key {number // 2}") for number in range(8)), return_exceptions=True)
    made = [one for one in ends if isinstance(one, str)]
    assert (len(made), len(set(made))) == (2, 1)
    assert {type(one) for one in ends} == {str, Conflict}
    assert await web.rows("select count(*)::int from triage_feeds") == [(feeds.MOST_OF_ONE,)]


@pytest.mark.parametrize("token", ["", "1", "0.x", "1." + "x" * 43, "99999999999." + "x" * 43, "1." + "'" * 43])
async def test_every_wrong_secret_is_answered_alike(web: Web, token: str) -> None:
    with pytest.raises(NotFound, match="This calendar is not there, or no longer"):
        await read(web, token)


async def test_the_secret_is_kept_nowhere(web: Web) -> None:
    token = await link(web, Scope("team", web.team))
    ((hashed,),) = await web.rows("select token_hash from triage_feeds")
    assert bytes(hashed) == secret_tokens.digest(token)
    rows = await web.rows("select f::text from triage_feeds f union all select l::text from audit_log l")
    assert token.partition(".")[2] not in str(rows)


async def test_the_product_s_own_link_is_the_same_each_time_until_it_is_taken_back(web: Web) -> None:
    async def own(key: bytes = b"k" * 32) -> str:
        return await web.run(lambda conn: feeds.own_link(conn, web.lead.business_id, web.team, key, NOW))

    token = await own()
    assert [await own(), await own()] == [token, token]
    assert second(await read(web, token)) == [("uiEng: Ben", 0, False)]
    ((number,),) = await web.rows("select id from triage_feeds")
    await web.run(lambda conn: feeds.revoke(conn, web.lead, number, NOW))
    another = await own()
    assert another not in {token, await own(b"l" * 32)}
    with pytest.raises(NotFound):
        await read(web, token)
    assert (await read(web, another)).events


async def test_what_the_product_took_back_of_its_own_is_never_valid_again_however_late(web: Web) -> None:
    async def own() -> str:
        return await web.run(lambda conn: feeds.own_link(conn, web.lead.business_id, web.team, b"k" * 32, NOW))

    ended = []
    for _ in range(2):
        await link(web, Scope("team", web.team))
        ended.append(await own())
        for one in await web.run(lambda conn: feeds.listed(conn, web.lead)):
            await web.run(lambda conn, number=one.id: feeds.revoke(conn, web.lead, number, NOW))
    ours = [rule for rule in retention.RULES if rule.table == "triage_feeds"]
    removed = await retention.sweep(web.db, NOW + timedelta(days=1000), asyncio.Event(), ours)
    assert removed == {"triage_feeds": 2}  # those that people made
    assert await own() not in ended
    for token in ended:
        with pytest.raises(NotFound):
            await read(web, token)


async def test_a_name_that_changes_is_told(web: Web) -> None:
    token = await link(web, Scope("team", web.team))
    await read(web, token)
    await web.run(lambda conn: people.put_people(conn, web.lead, [Person(BEN, "Benjamin")]))
    assert second(await read(web, token)) == [("uiEng: Benjamin", 1, False)]
