"""A channel that exists nowhere else, small enough to be read whole: webhooks with a signature, and a sender."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.channel import OutcomeUnknown, Refused, Settlement, Unreachable
from tallybook.core.db import Conn
from tallybook.core.deliveries import ChannelEntry, Filing
from tallybook.core.ingest import Absorbed
from tallybook.core.messages import Identity, Incoming, Outgoing, Stored

SECRET = b"a secret of the tests"
LATE = timedelta(minutes=5)
NOON = datetime(2025, 12, 2, 12, 0, tzinfo=UTC)
ACCOUNT = "velo"
SENDER = "27820000001"


@dataclass(frozen=True)
class FakeChannel:
    """Told by webhooks: ``{"updates": [{"id", "text", …}]}``, with a signature of the moment and the bytes."""

    name: str = "fake"
    secret: bytes = SECRET

    def signed(self, body: bytes, at: datetime | None = None) -> dict[str, str]:
        """The headers that its provider would send."""
        moment = str(int((at or datetime.now(UTC)).timestamp()))
        return {"x-fake-at": moment, "x-fake-signature": self._signature(moment, body)}

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        moment = headers.get("x-fake-at", "")
        if not moment.isascii() or not moment.isdigit() or abs(now.timestamp() - int(moment)) > LATE.total_seconds():
            return False
        given = headers.get("x-fake-signature", "")
        return hmac.compare_digest(given.encode(), self._signature(moment, body).encode())

    def parse(self, body: bytes) -> list[Incoming]:
        return [self._incoming(update) for update in json.loads(body)["updates"]]

    def _signature(self, moment: str, body: bytes) -> str:
        return hmac.new(self.secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()

    def _incoming(self, update: dict[str, Any]) -> Incoming:
        kind = update.get("type", "message")
        return Incoming(
            channel=self.name,
            account=update.get("account", ACCOUNT),
            scope=update.get("account", ACCOUNT),
            external_id=update["id"],
            chat=update.get("chat", "chat"),
            sender=Identity(update.get("from", SENDER)),
            said_at=datetime.fromtimestamp(update.get("at", NOON.timestamp()), UTC),
            text=update.get("text", ""),
            content_hash=hashlib.sha256(json.dumps(update, sort_keys=True).encode()).digest(),
            kind=kind if kind == "message" else f"unknown:{kind}",
        )


def body_of(*updates: dict[str, Any]) -> bytes:
    return json.dumps({"updates": updates}).encode()


def said(external_id: str, text: str = "DR1752104", **more: Any) -> dict[str, Any]:
    return {"id": external_id, "text": text} | more


WRITE_DOWN = """
insert into audit_log (business_id, who, action, subject, subject_id)
values (%(business_id)s, 'clerk', 'message.read', 'message', %(said)s)
"""


@dataclass
class Clerk:
    """A module: writes each message into the audit log, and chokes on the texts that it is told to."""

    poison: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    topic: str = "clerk"

    def read(self, stored: Sequence[Stored]) -> list[Stored]:
        return list(stored)

    async def file(self, conn: Conn, business: Business, stored: list[Stored]) -> list[str]:
        for message in stored:
            text = message.incoming.text
            await conn.execute(WRITE_DOWN, {"business_id": business.id, "said": text})
            if text in self.poison:
                raise ValueError(f"nobody can read: {text}")
        return [message.incoming.text for message in stored]

    def hear(self, absorbed: Absorbed[str]) -> None:
        self.told += absorbed.facts

    @property
    def filing(self) -> Filing:
        return Filing(self, self.topic, self.hear)


@dataclass
class Files:
    """A module that files by a function of the test's."""

    do: Callable[[Conn, Business, list[Stored]], Awaitable[list[Any]]]

    def read(self, stored: Sequence[Stored]) -> list[Stored]:
        return list(stored)

    async def file(self, conn: Conn, business: Business, stored: list[Stored]) -> list[Any]:
        return await self.do(conn, business, stored)


async def owners(conn: Conn, accounts: Collection[str]) -> dict[str, Business]:
    """The account ``velo`` is the first business's, ``kinneret`` the second's; nobody owns another."""
    known = dict(zip((ACCOUNT, "kinneret"), await businesses.every(conn), strict=False))
    return {account: known[account] for account in accounts if account in known}


def an_entry(clerk: Clerk, channel: FakeChannel | None = None) -> ChannelEntry:
    return ChannelEntry(channel or FakeChannel(), clerk.filing, owners)


@dataclass
class FakeSender:
    """A provider that does as it is told, a send at a time, and otherwise sends."""

    name: str = "fake"
    settlement: Settlement = Settlement.BY_REPORT
    orders: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    async def send(self, outgoing: Outgoing) -> str:
        match self.orders.pop(0) if self.orders else "send":
            case "transient":
                raise Unreachable("no connection")
            case "permanent":
                raise Refused("the provider says no")
            case "unknown":
                self.sent.append(outgoing.dedup_key)
                raise OutcomeUnknown("the line broke")
            case "slow":
                await asyncio.Event().wait()
        self.sent.append(outgoing.dedup_key)
        return f"id-of-{outgoing.dedup_key}"
