"""Several teams in one workspace: by whose rota somebody is answered."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tallybook.channels.slack.requests import Kind, Request
from tallybook.core.receive import Receiver
from tallybook.slack_desk.clicks import click_of, seen_by
from tallybook.slack_link.door import SlackDoor
from tallybook.triage import types
from tallybook.triage.service import members, people
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.schedules import Schedules
from tests.core.worked import rows, until
from tests.slack_desk.office import Office, knocking


async def more_teams(office: Office, joins: str, *names: str) -> None:
    """Teams of other names, to the first of which Lena belongs too, if that is asked for."""
    lead, now = Actor(office.business.id, "Lena", leads=True), datetime.now(UTC)
    async with office.db.transaction() as conn:
        for name in names:
            team = await people.add_team(conn, lead, types.Team(0, name, "UTC"))
            await people.put_discipline(conn, lead, team, types.Discipline("uiEng", "UI", 0))
            if name == joins:
                await members.join(conn, lead, team, "uiEng", types.Person(office.lena.id, "Lena"), now)


async def test_who_belongs_to_the_last_of_many_teams_is_answered_by_it_and_no_other_is_prepared(office: Office) -> None:
    await more_teams(office, "", "Alpha", "Beta", "Zeta")
    request = Request(
        kind=Kind.COMMAND, name="/triage-schedule", identity="t", user=office.maria.id, payload=msgspec.Raw(b"{}")
    )
    schedules = Schedules()
    async with office.db.transaction() as conn:
        seen = await seen_by(conn, schedules, await click_of(conn, office.business, request))
        assert seen is not None
        assert (seen.team.id, len(schedules._kept)) == (office.team, 1)
        stranger = msgspec.structs.replace(request, user=office.sam.id)
        seen = await seen_by(conn, schedules, await click_of(conn, office.business, stranger))
        assert seen is not None
        assert seen.team.name == "Alpha"


async def test_what_was_decided_late_is_told_to_the_team_that_it_was_about(office: Office, receiver: Receiver) -> None:
    await more_teams(office, "Alpha", "Alpha")
    await office.ask_for_cover(office.maria, office.ben)
    await office.process()
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    office.slack.teller.door = knocking(SlackDoor(office.db, office.sender, receiver, within=0.0))
    await office.slack.acts.press(office.lena, request, "triage_approve")

    async def is_back() -> bool:
        return await rows(office.db, "select count(*) from deliveries where state = 'waiting'") == [(1,)]

    await until(is_back)
    await office.process()
    assert await rows(office.db, "select team_id, because from triage_kept_orders") == [(office.team, "")]
