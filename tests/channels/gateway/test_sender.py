"""What leaves through a gateway: signed, once for its key, slowly, and settled by what the gateway tells of it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tallybook.channels.gateway import outgoing as wire
from tallybook.channels.gateway.outgoing import OfGateway
from tallybook.channels.gateway.sender import LIMITS, GatewaySender
from tallybook.channels.gateway.webhook import GatewayWebhook
from tallybook.core import channel_accounts, deliveries, people, receive
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Settlement, Unreachable
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.errors import Conflict
from tallybook.core.messages import Outgoing
from tallybook.core.receive import Received
from tallybook.core.sending import Post, deliver
from tallybook.inbox.service import outcomes, reacting, sending
from tallybook.told_channels import entry_of
from tests import world
from tests.channels.gateway.fake_gateway import FakeGateway
from tests.channels.gateway.test_gateway import CUSTOMER, GROUP, LID, SECRET, body, update
from tests.channels.whatsapp.test_received import SEAL
from tests.core.worked import rows

STOP = asyncio.Event()
HOOK = GatewayWebhook([SECRET])
OURS = (
    "select body, status, provider_message_id, failed_reason from whatsapp_message where direction = 'out' order by seq"
)


def an_answer(to: str = "+27820000001", **body: Any) -> Outgoing:
    return Outgoing("gateway", "front-desk", to, "inbox:1:k", body or {"text": "Until six."})


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with FakeGateway(SECRET) as gateway:
        yield gateway


@pytest.fixture
async def sender(gateway: FakeGateway) -> AsyncIterator[GatewaySender]:
    sender = GatewaySender(gateway.address, [SECRET], answer_timeout=1.0)
    yield sender
    await sender.aclose()


async def test_an_answer_is_signed_and_sent_once_for_its_key(gateway: FakeGateway, sender: GatewaySender) -> None:
    first = await sender.send(an_answer(text="Until six.", quote="3EB00001"))
    assert await sender.send(an_answer(text="Until six.", quote="3EB00001")) == first
    assert gateway.sent == [{
        "account": "front-desk", "key": "inbox:1:k", "to": CUSTOMER, "type": "text", "text": "Until six.",
        "about": "3EB00001",
    }]  # fmt: skip


def test_each_kind_of_message_has_its_words() -> None:
    def said(**body: Any) -> dict[str, Any]:
        told = json.loads(wire.body_of(an_answer(**body)))
        return {name: told[name] for name in told if name not in {"account", "key", "to"}}

    assert said(reaction={"about": "3EB00001", "emoji": "👍"}) == {
        "type": "reaction", "about": "3EB00001", "emoji": "👍",
    }  # fmt: skip
    assert said(interactive={"type": "button"}, text="Come?\n▫ Yes") == {"type": "text", "text": "Come?\n▫ Yes"}
    assert said(media={"kind": "image", "link": "https://example.org/a.jpg", "caption": "The roof"}) == {
        "type": "image", "text": "The roof", "file": {"url": "https://example.org/a.jpg"},
    }  # fmt: skip
    named = {"id": "f-1", "mime": "application/pdf", "filename": "a.pdf"}
    assert said(media={"kind": "document", "sha256": "ab"} | named) == {"type": "document", "text": "", "file": named}
    assert json.loads(wire.body_of(an_answer(to=LID)))["to"] == LID


@pytest.mark.parametrize(
    "outgoing",
    [
        an_answer(text=" "), an_answer(text="a" * 4097), an_answer(to=""), an_answer(to=GROUP),
        an_answer(media={"kind": "image", "sha256": "ab"}), an_answer(media={"kind": "x", "link": "https://e.org"}),
    ],
)  # fmt: skip
def test_what_no_gateway_could_take_is_refused_before_it_leaves(outgoing: Outgoing) -> None:
    with pytest.raises(Refused):
        wire.body_of(outgoing)


@pytest.mark.parametrize(
    ("order", "error", "of_line"),
    [
        (400, Refused, False), (404, Refused, False), (401, OfGateway, True), (403, OfGateway, True),
        (429, RateLimited, True), (503, Unreachable, True), (500, OutcomeUnknown, None), ("drop", OutcomeUnknown, None),
        ("after", OutcomeUnknown, None),
    ],
)  # fmt: skip
async def test_what_a_gateway_says_means_one_thing(
    gateway: FakeGateway, sender: GatewaySender, order: Any, error: type[Exception], of_line: bool | None
) -> None:
    gateway.orders.append(order)
    with pytest.raises(error) as told:
        await sender.send(an_answer())
    assert "27820000001" not in str(told.value)
    assert isinstance(told.value, OutcomeUnknown) or (
        isinstance(told.value, SendError) and told.value.of_line == of_line
    )


async def test_a_gateway_that_is_not_there_or_not_set_has_sent_nothing() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for sender, error in (
        (GatewaySender(f"http://127.0.0.1:{port}", [SECRET]), Unreachable),
        (GatewaySender(None, [SECRET]), OfGateway),
        (GatewaySender(f"http://127.0.0.1:{port}"), OfGateway),
    ):
        with pytest.raises(error):
            await sender.send(an_answer())
        await sender.aclose()


async def test_another_secret_is_the_numbers_fault(gateway: FakeGateway) -> None:
    sender = GatewaySender(gateway.address, [b"another"])
    with pytest.raises(OfGateway, match="TALLYBOOK_GATEWAY_SECRET"):
        await sender.send(an_answer())
    await sender.aclose()
    assert gateway.sent == []


def test_it_is_slow_and_settled_by_reports() -> None:
    assert GatewaySender.settlement is Settlement.BY_REPORT
    assert all(limit.count / limit.seconds <= 0.5 for limit in LIMITS.windows)
    assert repr(GatewaySender("http://x", [SECRET])).count("secret") == 0


async def come(db: Database, *some: bytes) -> None:
    for one in some:
        received = [Received("gateway", one, datetime.now(UTC))]
        await db.run("store", lambda conn, received=received: receive.store(conn, received))
    await deliveries.process(db, {"gateway": entry_of(HOOK)}, asyncio.Event())


@pytest.fixture
async def agent(db: Database, business: Business) -> Caller:
    new = NewAccount("gateway", "front-desk")
    caller = people.command_line(business.id)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))
    return (await db.run("add", lambda conn: world.ana(conn, business, role=Role.AGENT))).caller


async def test_a_customer_of_an_unofficial_number_is_answered_at_any_time_and_what_came_of_it_is_told(
    db: Database, business: Business, agent: Caller, gateway: FakeGateway, sender: GatewaySender
) -> None:
    await come(db, body(update(1)))  # long ago: there is no window
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    post = Post({"gateway": sender}, tell=outcomes.told)
    gateway.orders.append("after")

    async def answer(words: str, key: str) -> int:
        return await db.run("answer", lambda conn: sending.send_text(conn, agent, thread, words, key))

    assert await answer("Until six.", "k") == await answer("Until six.", "k")
    await deliver(db, business.id, post, STOP)
    assert [row[:2] for row in await rows(db, OURS)] == [("Until six.", "unknown")]
    key = gateway.sent[0]["key"]
    told = {"id": "3EB0OURS0000", "kind": "status", "status": "delivered", "at": 1764676900, "chat": CUSTOMER}
    echo = update(9, from_me=True, text="Until six.") | {"id": "3EB0OURS0000"}
    await come(db, body(echo), body(told | {"key": key}))
    assert await rows(db, OURS) == [("Until six.", "delivered", "3EB0OURS0000", None)]
    await come(db, body(update(3, at=int(datetime.now(UTC).timestamp()))))
    ((message,),) = await rows(db, "select id from whatsapp_message where provider_message_id = '3EB00003'")
    await db.run("react", lambda conn: reacting.react(conn, agent, thread, message, "👍", "r"))
    async with db.transaction() as conn:
        await conn.execute("delete from sending_moments")
        await conn.execute("update sending_lines set open_at = now()")
    await deliver(db, business.id, post, STOP)
    assert [one["type"] for one in gateway.sent] == ["text", "reaction"]


async def test_who_is_known_by_a_lid_alone_is_reached_by_it_and_a_group_by_nothing(
    db: Database, business: Business, agent: Caller
) -> None:
    lid = update(1) | {"chat": LID, "from": LID}
    await come(db, body(lid), body(update(2, chat=GROUP, **{"from": LID})))
    group, one = [row[0] for row in await rows(db, "select id from whatsapp_conversation order by canonical_key")]
    await db.run("answer", lambda conn: sending.send_text(conn, agent, one, "Hi", "k"))
    assert await rows(db, "select recipient from outbox") == [(LID,)]
    with pytest.raises(Conflict, match="Nothing is known"):
        await db.run("answer", lambda conn: sending.send_text(conn, agent, group, "Hi", "k"))
