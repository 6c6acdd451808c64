"""Who somebody is at a click, what they are called, and a team whose clock changes."""

from __future__ import annotations

from datetime import date, time
from functools import partial

import msgspec
import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotAllowed
from tallybook.triage.service import actors, members, people, sprints
from tallybook.triage.service.doing import because, seen
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.types import Person, Team
from tests import world
from tests.triage.facts import ANA, BEN, at
from tests.triage.rota import NOW, SPRINTS, Web


async def test_somebody_of_slack_leads_by_the_role_of_their_account_and_no_longer_than_they_have_it(
    web: Web, business: Business, root: world.Someone
) -> None:
    admin = root.caller

    async def is_lead() -> bool:
        return (await web.run(lambda conn: actors.of_slack(conn, business.id, ANA))).leads

    assert not await is_lead()
    await web.run(lambda conn: actors.link(conn, admin, ANA, root.account_id))
    assert await is_lead()
    with pytest.raises(Conflict):
        await web.run(lambda conn: actors.link(conn, admin, BEN, root.account_id))
    assert (await web.run(lambda conn: actors.of_caller(conn, admin))).slack_id == ANA
    await web.rows(f"update account_roles set role = 'viewer' where account_id = {root.account_id} returning role")
    assert not await is_lead()
    await web.run(lambda conn: actors.link(conn, admin, ANA, None))
    assert (await web.run(lambda conn: actors.of_caller(conn, admin))).slack_id is None
    stranger = await web.run(lambda conn: actors.of_slack(conn, business.id, "UEVE", "Eve"))
    assert (stranger.name, stranger.leads) == ("Eve", False)


async def test_only_an_admin_links_accounts(web: Web, business: Business) -> None:
    with pytest.raises(NotAllowed):
        await web.run(lambda conn: actors.link(conn, Caller(1, "Lena", business, Role.LEAD), ANA, 1))


async def test_a_new_name_is_seen_by_who_kept_the_schedule(web: Web) -> None:
    kept = Schedules()

    async def names(conn: Conn) -> dict[str, str]:
        schedule = await kept.of(conn, web.lead.business_id, web.team)
        return {one.slack_id: one.name for one in schedule.facts.people}

    assert (await web.run(names))[ANA] == "Ana"
    assert await web.run(lambda conn: people.put_people(conn, web.lead, [Person(ANA, "Ana M.")])) == 1
    assert (await web.run(names))[ANA] == "Ana M."
    assert await web.run(lambda conn: people.put_people(conn, web.lead, [Person(ANA, "Ana M.")])) == 0


async def test_only_an_id_of_slack_is_somebody(web: Web) -> None:
    for wrong in ("by Lena", "", "<@U012>", "account 1"):
        with pytest.raises(Invalid):
            await web.run(lambda conn, wrong=wrong: people.put_people(conn, web.lead, [Person(wrong, "x")]))


async def test_a_team_that_moves_leaves_what_is_planned_and_the_next_sprint_begins_where_the_last_one_ends(
    web: Web,
) -> None:
    berlin = Team(web.team, "x", "Europe/Berlin", time(9))
    await web.run(lambda conn: people.change_team(conn, web.lead, berlin))
    facts = await web.run(lambda conn: seen(conn, web.lead, web.team))
    assert (facts.team.name, facts.team.zone, facts.sprints) == ("Web", "Europe/Berlin", SPRINTS)
    days = (SPRINTS[-1].last_day, date(2026, 4, 13))
    made = await web.run(lambda conn: sprints.plan(conn, web.lead, web.team, "Sp7", days, NOW))
    assert (made.sprint.starts_at, made.sprint.ends_at) == (SPRINTS[-1].ends_at, at("2026-04-13 07:00"))
    mars = msgspec.structs.replace(berlin, zone="Mars/Phobos")
    with pytest.raises(Invalid, match="time zone"):
        await web.run(lambda conn: people.change_team(conn, web.lead, mars))


async def test_a_team_has_a_name_of_its_own_and_only_who_leads_makes_one(web: Web) -> None:
    team = Team(0, "WEB", "UTC")
    with pytest.raises(Conflict):
        await web.run(lambda conn: people.add_team(conn, web.lead, team))
    with pytest.raises(NotAllowed):
        await web.run(lambda conn: people.add_team(conn, web.somebody(ANA), team))
    assert [one.name for one in await web.run(lambda conn: people.teams(conn, web.lead))] == ["Web"]


async def test_who_leaves_or_is_linked_stands_in_the_record_with_what_was_before(web: Web, root: world.Someone) -> None:
    mover = because(web.lead, " They move ")
    leaving = partial(members.leave, actor=mover, team_id=web.team, discipline="uiEng", slack_id=BEN, now=NOW)
    await web.run(lambda conn: leaving(conn, at=at("2026-02-01")))
    for account in (root.account_id, None):
        await web.run(partial(actors.link, caller=root.caller, slack_id=ANA, account_id=account, why="A new account"))
    (left, linked, unlinked) = await web.rows(
        "select before, after from audit_log where action in ('person.left', 'person.linked') order by id"
    )
    since = NOW.isoformat()
    assert left == (
        {"discipline": "uiEng", "since": since, "until": None},
        {"discipline": "uiEng", "until": at("2026-02-01").isoformat(), "reason": "They move"},
    )
    assert linked == ({"account_id": None}, {"account_id": root.account_id, "reason": "A new account"})
    assert unlinked[0] == {"account_id": root.account_id}
