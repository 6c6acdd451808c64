"""A team that is on Slack: its workspace, its rota, and the product's door, as its people use them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tallybook.app import slack_sender, slack_tokens
from tallybook.channels.slack.sender import SlackSender
from tallybook.core import channel_accounts, deliveries
from tallybook.core import people as accounts
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Unavailable
from tallybook.core.sealing import Seal
from tallybook.core.sending import Post, deliver
from tallybook.demo.slack.server import BOT_TOKEN, FakeSlack
from tallybook.demo.slack.workspace import Channel, Person
from tallybook.settings import Settings
from tallybook.slack_link.door import SlackDoor
from tallybook.told_channels import slack_entry
from tallybook.triage import types
from tallybook.triage.service import actors, members, people, rosters, sprints
from tallybook.triage.service.doing import Actor
from tests import world
from tests.channels.whatsapp.test_received import SEAL
from tests.core.worked import rows

FORTNIGHT = timedelta(days=14)
SECRET = b"a-signing-secret-of-nobody"


@dataclass
class Office:
    """Maria, Ben and Chen take turns, Maria now; Lena leads, and Sam is a stranger."""

    db: Database
    business: Business
    slack: FakeSlack
    sender: SlackSender
    channel: Channel
    maria: Person
    ben: Person
    chen: Person
    lena: Person
    sam: Person
    team: int = 0

    async def process(self) -> None:
        """As a worker: files what was kept, and sends what is to be said."""
        entry = {"slack": slack_entry([SECRET])}
        await deliveries.process(self.db, entry, asyncio.Event())
        post = Post({"slack": self.sender}, listening_since=float("-inf"))
        while await self._waits():
            async with self.db.transaction() as conn:
                await conn.execute("delete from sending_moments")
                await conn.execute("update sending_lines set open_at = now()")
            await deliver(self.db, self.business.id, post, asyncio.Event())

    async def _waits(self) -> bool:
        waiting = await rows(self.db, "select state, reason from outbox where state = 'waiting'")
        assert not [reason for _, reason in waiting if reason], waiting
        return bool(waiting)

    async def overrides(self) -> list[tuple[Any, ...]]:
        return await rows(self.db, "select state, replacement_slack_id, requested_by from overrides order by id")

    def told(self, person: Person) -> list[str]:
        """What the product wrote to somebody."""
        return [one["text"] for one in self.slack.workspace.conversation(person.id).messages if one["user"] == "U0BOT"]

    async def ask_for_cover(self, person: Person, instead: Person, **more: Any) -> None:
        """From the command to the request, as somebody does it."""
        await self.slack.acts.command(person, "/triage-override")
        await self.slack.acts.submit(person)
        await self.slack.acts.submit(person, {"substitute": instead.id, "reason": "At the dentist's"} | more)


def knocking(door: SlackDoor) -> Any:
    """The door as Slack finds it, without a wire between them."""

    async def post(body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        try:
            found = await door.answer(body)
        except Unavailable:
            return 503, {}, b""
        return found.status, {"content-type": found.content_type}, found.body

    return post


async def open_office(db: Database, business: Business, slack: FakeSlack, seal: Seal = SEAL) -> Office:
    """The team as it is committed: the first sprint runs since a week, and is Maria's."""
    settings = Settings.load({"TALLYBOOK_SLACK_API_URL": slack.api})
    sender = slack_sender(settings, db, slack_tokens(settings, db, seal))
    ours = slack.workspace
    somebody = {name: ours.person(name.capitalize()) for name in ("maria", "ben", "chen", "lena", "sam")}
    office = Office(db, business, slack, sender, ours.channel("triage"), **somebody)
    office.team = await db.run("make", lambda conn: _made(conn, office, seal))
    return office


async def _made(conn: Conn, office: Office, seal: Seal) -> int:
    business = office.business
    began = (datetime.now(UTC) - timedelta(days=8)).replace(hour=0, minute=0)
    caller = accounts.command_line(business.id)
    await channel_accounts.add(conn, seal, caller, NewAccount("slack", office.slack.workspace.team, token=BOT_TOKEN))
    lead = Actor(business.id, "Lena", leads=True)
    team = await people.add_team(conn, lead, types.Team(0, "Web", "UTC"))
    await people.put_discipline(conn, lead, team, types.Discipline("uiEng", "UI", 0))
    for one in (office.maria, office.ben, office.chen, office.lena):
        await members.join(conn, lead, team, "uiEng", types.Person(one.id, one.name), began)
    for number in range(5):
        first = began.date() + FORTNIGHT * number
        await sprints.plan(conn, lead, team, f"Sp{number + 1}", (first, first + FORTNIGHT), began)
    turns = (office.maria.id, office.ben.id, office.chen.id)
    plan = rosters.Plan("uiEng", turns, began, in_order=True)
    await rosters.apply(conn, lead, team, plan, began, reason="the first one")
    account = await world.someone(conn, business, login="lena", name="Lena", role=Role.LEAD)
    await actors.link(conn, caller, office.lena.id, account.account_id)
    return team
