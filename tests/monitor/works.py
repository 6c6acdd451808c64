"""The product's parts that answer in groups, on a bridge's file and against a bridge's API."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from tallybook.app import App, Watching
from tallybook.channels.bridge.sender import Addresses, BridgeSender
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.login_limits import Limits as LoginLimits
from tallybook.core.rates import Limit, Limits
from tallybook.core.sending import Post, deliver
from tallybook.monitor import jobs
from tallybook.settings import Settings
from tests.channels.bridge.bridge_file import BridgeFile
from tests.channels.bridge.fake_bridge import FakeBridge

LAWLEY, MOHADIN, VELO = (f"12036300000000000{number}@g.us" for number in (1, 2, 3))
HEAD = '[bridge]\nmessages = "store/messages.db"\nwhatsapp = "store/whatsapp.db"\n'
PROJECT = '[[monitor.projects]]\nname = "{}"\ngroup = "{}"\nkind = "qa"\n'
FILE = (
    HEAD
    + PROJECT.format("Lawley", LAWLEY)
    + 'drop_space = "fibre"\nvalidated = true\n'
    + PROJECT.format("Mohadin", MOHADIN)
    + 'drop_space = "fibre"\nvalidated = true\n'
    + PROJECT.format("Velo Test", VELO)
    + 'validated = true\nown_posts_count = true\nenvironments = ["prod", "dev"]\n'
)
VALID = """
insert into valid_drop_numbers (drop_number, project)
values ('DR1000001', 'Lawley'), ('DR2000001', 'Mohadin'), ('DR3000001', 'Velo Test')
"""
FAST = Limits((Limit(1000, 60),))
STOP = asyncio.Event()


@dataclasses.dataclass
class Works:
    """The product's parts that answer, on a bridge's file and against a bridge's API."""

    db: Database
    business: Business
    watching: Watching
    file: BridgeFile
    fake: FakeBridge
    sender: BridgeSender

    async def read(self, *, full: bool = False) -> int:
        """What the worker does at a poll."""
        watch = await self.watching.current()
        assert watch is not None
        return await jobs.scan(self.db, watch, full=full)

    async def send(self, **terms: Any) -> int:
        """What the worker does at a wake-up."""
        return await deliver(self.db, self.business.id, Post({"bridge": self.sender}, **terms), STOP)

    async def rows(self, statement: str) -> list[tuple]:
        async with self.db.transaction() as conn:
            cursor = await conn.execute(statement.encode())
            return await cursor.fetchall() if cursor.description else []

    async def states(self) -> list[str]:
        return [row[0] for row in await self.rows("select state from outbox order by id")]

    def post(self, text: str, group: str = LAWLEY, ago: timedelta = timedelta(0), **more: Any) -> str:
        return self.file.post(group, text, at=(datetime.now(UTC) - ago).replace(microsecond=0), **more)


async def opened(db: Database, business: Business, file: BridgeFile, fake: FakeBridge) -> Works:
    """Watching for long, with the lists of the projects."""
    folder = file.messages_path.parent.parent
    sender = BridgeSender(Addresses(fake.api, fake.address), FAST, answer_timeout=2.0)
    settings = dataclasses.replace(Settings.load({}, folder), config=folder / "tallybook.toml", env=db.environment)
    works = Works(db, business, Watching(App(settings, db, [b"k" * 32], LoginLimits(b"k" * 32))), file, fake, sender)
    await works.rows(VALID)
    await works.read()
    await works.rows("update monitor_projects set watched_since = now() - interval '1 year'")
    return works
