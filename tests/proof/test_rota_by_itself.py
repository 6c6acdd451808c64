"""Workers meet a change of who is on duty by the clock alone: nobody asks for it, and no cron outside does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tallybook.core.db import open_database
from tallybook.core.sealing import Seal
from tallybook.demo.slack.server import FakeSlack
from tallybook.demo.slack.workspace import Group
from tallybook.settings import Settings
from tallybook.triage.rules_overrides import Part
from tallybook.triage.service import manners, overrides
from tallybook.triage.service.doing import Actor
from tallybook.triage.types import Manner
from tests.postgres import APP, Server
from tests.proof.product import Product
from tests.proof.test_rota_outage import furnish, until
from tests.slack_desk.office import SECRET, Office

LEAD = timedelta(seconds=2)  # the workers stand by then, and what they meet is ahead of them


@pytest.fixture
def installation(open_product: Callable[..., Product], server: Server) -> Product:
    return open_product(database_url=server.url(APP))


async def stands_in(office: Office, lead: Actor, since: datetime) -> None:
    """Ben stands in for Maria from a second on."""
    part = Part("uiEng", office.ben.id, since, since + timedelta(hours=2))
    ask = partial(overrides.request, actor=lead, team_id=office.team, part=part, now=datetime.now(UTC), key="by itself")
    asked = await office.db.run("ask", ask)
    approve = partial(overrides.approve, actor=lead, number=asked.id, now=datetime.now(UTC))
    await office.db.run("approve", approve)


async def has(group: Group, person: str) -> bool:
    return group.people == [person]


async def test_two_workers_meet_a_change_by_the_clock_and_tell_it_once(installation: Product, server: Server) -> None:
    url = server.url(APP)
    settings = Settings.load(
        {"TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATA_DIR": str(installation.data_dir)}, installation.folder
    )
    async with FakeSlack(app=f"{installation.address}/webhooks/slack") as slack, open_database(url, "prod") as db:
        installation.settings |= {"slack_api_url": slack.api, "slack_signing_secret": SECRET.decode()}
        office, _ = await furnish(db, slack, Seal(settings.secret_keys()))
        lead = Actor(office.business.id, "Lena", leads=True)
        group, leads = slack.workspace.group("triage", office.sam.id), slack.workspace.channel("leads")
        manner = Manner(office.channel.id, leads.id, group.id, "Triage: {people}")
        await db.run("manner", partial(manners.change, actor=lead, team_id=office.team, manner=manner))
        workers = [installation.start_warm("work") for _ in range(2)]
        await until(lambda: has(group, office.maria.id), "that the group is who is on duty")
        told = len(office.channel.messages)
        since = datetime.now(UTC) + LEAD
        await stands_in(office, lead, since)
        await until(lambda: has(group, office.ben.id), "that the group is who stands in")
        assert datetime.now(UTC) >= since
        await until(lambda: is_said(office, told), "that the channel is told")
        assert [await asyncio.to_thread(one.stop) for one in workers] == [0, 0]
    assert office.channel.topic == "Triage: @Ben"
    assert [office.ben.id in one["text"] for one in office.channel.messages[told:]] == [True]


async def is_said(office: Office, told: int) -> bool:
    return len(office.channel.messages) > told
