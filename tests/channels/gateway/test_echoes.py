"""What leaves through a gateway and is told back by it is one bubble, in whatever order the gateway speaks."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from tallybook.channels.gateway.webhook import GatewayWebhook
from tallybook.core import channel_accounts, deliveries, people, receive
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel import OutcomeUnknown, Settlement
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limits
from tallybook.core.receive import Received
from tallybook.core.sending import Post, deliver
from tallybook.inbox.service import outcomes, sending
from tallybook.told_channels import entry_of
from tests import world
from tests.channels.gateway.test_gateway import CUSTOMER, SECRET, body, update
from tests.channels.whatsapp.test_received import SEAL
from tests.core.worked import rows

STOP = asyncio.Event()
HOOK = GatewayWebhook([SECRET])
OURS = """
select m.body, m.source, m.status, m.provider_message_id, m.message_id is not null, o.state, o.external_id
from whatsapp_message m left join outbox o on o.business_id = m.business_id and o.dedup_key = m.outgoing_key
where m.direction = 'out' order by m.seq
"""


async def come(db: Database, one: bytes) -> None:
    received = [Received("gateway", one, datetime.now(UTC))]
    await db.run("store", lambda conn: receive.store(conn, received))
    await deliveries.process(db, {"gateway": entry_of(HOOK)}, asyncio.Event())


@dataclass
class Slow:
    """A gateway that tells ``before`` it answers with ``answer``; None is no answer at all."""

    db: Database
    external: str
    answer: str | None = ""
    before: list[str] = field(default_factory=list)
    with_key: bool = True
    name: str = "gateway"
    settlement: Settlement = Settlement.BY_REPORT
    limits: Limits = field(default_factory=Limits)

    async def send(self, outgoing: Outgoing) -> str:
        for what in self.before:
            await self.tells(what, outgoing.dedup_key)
        if self.answer is None:
            raise OutcomeUnknown("no answer")
        return self.answer

    async def tells(self, what: str, key: str) -> None:
        at = int(datetime.now(UTC).timestamp())
        echo = update(9, from_me=True, text="Until six.", at=at, key=key) | {"id": self.external}
        report = {"id": self.external, "kind": "status", "status": "delivered", "at": at, "chat": CUSTOMER}
        report |= {"key": key} if self.with_key else {}
        await come(self.db, body(echo if what == "echo" else report))


@pytest.fixture
async def agent(db: Database, business: Business) -> Caller:
    new = NewAccount("gateway", "front-desk")
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, people.command_line(business.id), new))
    return (await db.run("add", lambda conn: world.ana(conn, business, role=Role.AGENT))).caller


async def sent(db: Database, business: Business, agent: Caller, gateway: Slow, key: str) -> str:
    """An answer is written and leaves; its key."""
    await db.run("answer", lambda conn: sending.send_text(conn, agent, 1, "Until six.", key))
    await deliver(db, business.id, Post({"gateway": gateway}, at_once=1, tell=outcomes.told), STOP)
    found = (await rows(db, "select outgoing_key from whatsapp_message where direction = 'out' order by seq desc"))[0][
        0
    ]
    return str(found)


@pytest.mark.parametrize(("answers", "with_key"), [("", True), ("", False), ("its id", True), (None, True)])
async def test_echo_report_and_our_own_record_are_one_bubble_in_any_order(
    db: Database, business: Business, agent: Caller, answers: str | None, with_key: bool
) -> None:
    await come(db, body(update(1)))
    orders = list(itertools.permutations(("echo", "report", "record")))
    for number, order in enumerate(orders):
        place, external = order.index("record"), f"3EB0OURS{number}"
        gateway = Slow(db, external, external if answers else answers, list(order[:place]), with_key)
        key = await sent(db, business, agent, gateway, f"k{number}")
        for what in [*order[place + 1 :], "echo", "report"]:
            await gateway.tells(what, key)
    found = await rows(db, OURS)
    assert [(*row[:5], row[6]) for row in found] == [
        ("Until six.", "human", "delivered", f"3EB0OURS{number}", True, f"3EB0OURS{number}")
        for number in range(len(orders))
    ]
    # What was told without our key before we knew the provider's id, only the thread has heard.
    assert {row[5] for row in found} <= ({"delivered"} if with_key else {"sent", "delivered"})
    assert await rows(db, "select count(*)::int from waiting_reports") == [(0,)]


async def test_an_echo_alone_says_that_it_was_sent_and_nobody_of_ours_has_spoken_anew(
    db: Database, business: Business, agent: Caller
) -> None:
    await come(db, body(update(1)))
    gateway = Slow(db, "3EB0OURS0", None)
    key = await sent(db, business, agent, gateway, "k")
    assert [row[2] for row in await rows(db, OURS)] == ["unknown"]
    await gateway.tells("echo", key)
    assert await rows(db, OURS) == [("Until six.", "human", "sent", "3EB0OURS0", True, "sent", "3EB0OURS0")]
    # A key that is none of ours is no message of ours: somebody typed it on the phone.
    await Slow(db, "3EB0TYPED").tells("echo", "of somebody else")
    assert [row[3] for row in await rows(db, OURS)] == ["3EB0OURS0", "3EB0TYPED"]
