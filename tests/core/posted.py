"""A provider to send by, and what the tests of the outbox put into it and look at."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any

from tallybook.core import outbox
from tallybook.core.businesses import Business
from tallybook.core.channel import Settlement
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing, Status
from tallybook.core.outbox import Report
from tallybook.core.sending import Post

ASKED = "27820000001@s.whatsapp.net"
STOP = asyncio.Event()


class Provider:
    """A provider that remembers what it sent, and answers as it is told: an id, or an error for each send in turn."""

    def __init__(
        self, settlement: Settlement = Settlement.BY_REPORT, *answers: Exception, name: str = "pigeon"
    ) -> None:
        self.name, self.settlement, self.answers = name, settlement, list(answers)
        self.sent: list[str] = []

    async def send(self, outgoing: Outgoing) -> str:
        if self.answers:
            raise self.answers.pop(0)
        self.sent.append(outgoing.dedup_key)
        return f"id-of-{outgoing.dedup_key}"


class LookedUp(Provider):
    """A provider that can be asked what it has sent."""

    @cached_property
    def asked(self) -> list[str]:
        return []

    async def look_up(self, outgoing: Outgoing) -> str | None:
        self.asked.append(outgoing.dedup_key)
        return f"id-of-{outgoing.dedup_key}" if outgoing.dedup_key in self.sent else None


def a_message(key: str = "a", to: str = ASKED, channel: str = "pigeon") -> Outgoing:
    return Outgoing(channel, "velo", to, key, {"text": "Please take photo 4 again"})


def post(provider: Provider, **terms: Any) -> Post:
    """Who has been listening for ever, unless ``terms`` say otherwise."""
    return Post({provider.name: provider}, **{"listening_since": float("-inf")} | terms)


async def put(db: Database, business: Business, *keys: str, to: str = ASKED) -> None:
    for key in keys:
        await db.run("put", lambda conn, key=key: outbox.put(conn, business.id, a_message(key, to)))


async def look(db: Database, columns: str = "state") -> list[tuple]:
    async with db.transaction() as conn:
        return await (await conn.execute(f"select {columns} from outbox order by id".encode())).fetchall()


async def change(db: Database, assignment: str) -> None:
    async with db.transaction() as conn:
        await conn.execute(f"update outbox set {assignment}".encode())


async def make_due(db: Database) -> None:
    """Their time has come, and no outage that this process saw on a busy machine stands in the way."""
    db.outage.ended = float("-inf")
    await change(db, "not_before = now() - interval '1 second'")


def told(status: Status, **by: str) -> Report:
    return Report(channel="pigeon", status=status, **(by or {"dedup_key": "a"}))
