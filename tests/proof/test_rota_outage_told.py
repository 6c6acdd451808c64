"""PostgreSQL stopped: who leads is told in Slack once that it is away and once that it is back, by any worker."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tallybook import rota_snapshot
from tallybook.alerting import Alerting
from tallybook.app import App, open_app
from tallybook.core.db import open_database
from tallybook.core.sealing import Seal
from tallybook.demo.slack.server import FakeSlack
from tallybook.demo.slack.workspace import Channel
from tallybook.settings import Settings
from tallybook.triage.service import manners
from tallybook.triage.service.doing import Actor
from tallybook.triage.types import Manner
from tests import world
from tests.core.worked import until
from tests.postgres import APP, Server
from tests.slack_desk.office import open_office

LOOK_SECONDS = 0.1
LOOKS_AFTER = 3
ALERTS = """
[alerts]
patience_seconds = 0
quiet_seconds = 0
"""


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    (tmp_path / "tallybook.toml").write_text(ALERTS)
    given = {"DATABASE_URL": server.url(APP), "DATA_DIR": str(tmp_path), "CONFIG": str(tmp_path / "tallybook.toml")}
    return Settings.load({f"TALLYBOOK_{name}": value for name, value in given.items()}, tmp_path)


async def furnish(settings: Settings, slack: FakeSlack) -> Channel:
    """The office, whose workspace has a token of its own, and who leads it in a channel."""
    leads = slack.workspace.channel("leads")
    async with open_database(settings.database_url or "", "prod") as db:
        business = await db.run("add business", world.velo_fibre)
        office = await open_office(db, business, slack, Seal(settings.secret_keys()))
        lead, manner = Actor(business.id, "Lena", leads=True), Manner(admin_channel=leads.id)
        await db.run("manner", partial(manners.change, actor=lead, team_id=office.team, manner=manner))
        await office.sender.aclose()
    return leads


class Watch(Alerting):
    """A worker's own, which counts its looks."""

    looks = 0

    async def look(self) -> None:
        await super().look()
        self.looks += 1


@asynccontextmanager
async def watched(app: App) -> AsyncIterator[Watch]:
    """A worker's own watch, and the copy of the rota that it keeps, while the block lasts."""
    stop, alerting = asyncio.Event(), Watch(app, LOOK_SECONDS)
    async with rota_snapshot.keeping(app.db, app.settings, app.remember), asyncio.TaskGroup() as tasks:
        tasks.create_task(alerting.run(stop))
        yield alerting
        stop.set()


async def test_of_three_workers_one_tells_of_a_stopped_database_and_of_its_return(
    server: Server, settings: Settings
) -> None:
    async with FakeSlack() as slack, AsyncExitStack() as stack:
        leads = await furnish(settings, slack)
        settings = dataclasses.replace(settings, slack_api_url=slack.api)
        apps = [await stack.enter_async_context(open_app(settings)) for _ in range(3)]
        watches = [await stack.enter_async_context(watched(app)) for app in apps]

        async def are_ready() -> bool:
            shelf = rota_snapshot.shelf(rota_snapshot.path_of(settings))
            await shelf.refresh()
            return shelf.current() is not None and all(one.business is not None for one in watches)

        async def looked_again() -> None:
            """Each has looked so often more that a word which is said twice would be there."""
            enough = [one.looks + LOOKS_AFTER for one in watches]

            async def have_looked() -> bool:
                return all(one.looks >= looks for one, looks in zip(watches, enough, strict=True))

            await until(have_looked)

        await until(are_ready)
        await asyncio.to_thread(server.stop)
        await until(lambda: has(leads, 1))
        await looked_again()
        assert ["the database is away" in one["text"] for one in leads.messages] == [True]
        await asyncio.to_thread(server.start)
        await until(lambda: has(leads, 2))
        await looked_again()
        assert ["the database is back" in one["text"] for one in leads.messages] == [False, True]


async def has(channel: Channel, count: int) -> bool:
    return len(channel.messages) >= count
