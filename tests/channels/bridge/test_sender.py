"""What leaves through a bridge's API, and what each of its answers is taken to mean."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tallybook.channels.bridge import wire
from tallybook.channels.bridge.sender import LIMITS, Addresses, BridgeSender
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tests.channels.bridge.bridge_file import LAWLEY, MOHADIN
from tests.channels.bridge.fake_bridge import FakeBridge

ANA = "27820000001@s.whatsapp.net"


def a_reply(to: str = LAWLEY, mention: str | None = ANA, text: str = "Invalid Drop Number") -> Outgoing:
    return Outgoing("bridge", "primary", to, "k", {"text": text, "mention": mention})


@pytest.fixture
def fake() -> Iterator[FakeBridge]:
    with FakeBridge(groups=[LAWLEY]) as fake:
        yield fake


@pytest.fixture
async def sender(fake: FakeBridge) -> AsyncIterator[BridgeSender]:
    sender = BridgeSender(Addresses(fake.api, fake.address), answer_timeout=2.0)
    yield sender
    await sender.aclose()


async def test_a_reply_mentions_once_and_the_text_itself_holds_no_mention(
    fake: FakeBridge, sender: BridgeSender
) -> None:
    """The sender puts the mention before the text; a text that had one would show it twice."""
    assert await sender.send(a_reply()) == fake.shown[0].id
    assert fake.texts == ["@27820000001 Invalid Drop Number"]
    assert fake.shown[0].mentions == ANA


@pytest.mark.parametrize("mention", [None, "98765432109876@lid", "not a jid"])
async def test_who_has_no_phone_is_not_mentioned_and_the_bridge_itself_sends(
    fake: FakeBridge, sender: BridgeSender, mention: str | None
) -> None:
    assert await sender.send(a_reply(mention=mention)) == ""
    assert fake.texts == ["Invalid Drop Number"]


async def test_without_a_sender_the_bridge_sends_the_bare_text(fake: FakeBridge) -> None:
    sender = BridgeSender(Addresses(fake.api))
    assert await sender.send(a_reply()) == ""
    assert fake.texts == ["Invalid Drop Number"]
    await sender.aclose()


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ("disconnected", Unreachable),
        ("fails", SendError),
        ("refuses", Refused),
        ("lost", OutcomeUnknown),
        ("slow", OutcomeUnknown),
        ("drops", OutcomeUnknown),
        ("timeout", OutcomeUnknown),
    ],
)
async def test_each_fault_is_what_it_is(
    fake: FakeBridge, sender: BridgeSender, order: str, error: type[Exception]
) -> None:
    fake.orders = [order]
    with pytest.raises(error) as raised:
        await sender.send(a_reply())
    assert getattr(raised.value, "permanent", False) == (error is Refused)
    assert len(fake.shown) == (error is OutcomeUnknown), "what may have been sent is never called a failure"


async def test_a_bridge_that_is_not_there_has_sent_nothing() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sender = BridgeSender(Addresses(f"http://127.0.0.1:{port}/api"))
    with pytest.raises(Unreachable):
        await sender.send(a_reply())
    await sender.aclose()


async def test_a_sender_outside_the_group_says_yes_and_nothing_is_there(fake: FakeBridge, sender: BridgeSender) -> None:
    """Why a yes counts as sent, and only our own message coming back as delivered."""
    assert await sender.send(a_reply(to=MOHADIN))
    assert fake.shown == []


async def test_a_token_is_shown_to_the_bridge_and_to_nobody_else(fake: FakeBridge) -> None:
    fake.token = "of the tests"
    with_it = BridgeSender(Addresses(fake.api, token=fake.token))
    await with_it.send(a_reply())
    assert "of the tests" not in repr(with_it)
    await with_it.aclose()
    without = BridgeSender(Addresses(fake.api))
    with pytest.raises(Refused, match="TALLYBOOK_BRIDGE_TOKEN"):
        await without.send(a_reply())
    await without.aclose()


async def test_the_fake_is_as_strict_as_the_real_ones(fake: FakeBridge) -> None:
    async with httpx.AsyncClient(base_url=fake.address) as client:
        camel: dict[str, Any] = {"groupJid": LAWLEY, "recipientJid": ANA, "message": "x"}
        assert (await client.post("/send-message", json=camel)).status_code == 400
        wrong = {"group_jid": "Lawley", "recipient_jid": ANA, "message": "x"}
        assert (await client.post("/send-message", json=wrong)).status_code == 400
        assert (await client.get("/send-message")).status_code == 405
        assert (await client.post("/api/send", json={"recipient": LAWLEY})).status_code == 400
        assert (await client.post("/api/sendd", json={})).status_code == 404
    assert fake.shown == []


def test_the_bodies_have_the_keys_that_the_bridges_read() -> None:
    assert wire.request_of(a_reply(), mentioning=True).body == {
        "group_jid": LAWLEY, "recipient_jid": ANA, "message": "Invalid Drop Number",
    }  # fmt: skip
    assert wire.request_of(a_reply(), mentioning=False).body == {"recipient": LAWLEY, "message": "Invalid Drop Number"}


@pytest.mark.parametrize("outgoing", [a_reply(to="27820000001@s.whatsapp.net"), a_reply(text="  ")])
def test_what_no_group_could_take_is_refused_before_it_leaves(outgoing: Outgoing) -> None:
    with pytest.raises(Refused):
        wire.request_of(outgoing, mentioning=True)


NO = json.dumps({"success": False, "message": "27820000001 is not on WhatsApp"}).encode()


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (200, b"<html>", OutcomeUnknown),
        (200, b"{}", OutcomeUnknown),
        (200, b'{"success": "yes"}', OutcomeUnknown),
        (200, NO, SendError),
        (302, b"", Refused),
        (400, NO, Refused),
        (404, b"404 page not found", Refused),
        (429, b"", RateLimited),
        (500, NO, SendError),
        (502, b"", OutcomeUnknown),
        (503, b"", Unreachable),
        (504, b"", OutcomeUnknown),
    ],
)
def test_an_answer_means_one_thing_and_is_told_in_our_own_words(
    status: int, content: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        wire.outcome_of(status, {"retry-after": "7"}, content)
    assert "27820000001" not in str(raised.value), "a bridge's words may name people"


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ("websocket disconnected before message send returned response", OutcomeUnknown),
        ("timed out waiting for message send response", OutcomeUnknown),
        ("context canceled", OutcomeUnknown),
        ("request was cancelled", OutcomeUnknown),
        ("failed to get device list: websocket disconnected before info query returned response", Unreachable),
        ("not connected", Unreachable),
        ("the store doesn't contain a device JID: not logged in", Unreachable),
        ("server returned error 403", Refused),
        ("server returned error 479", Refused),
        ("server returned error 429", RateLimited),
        ("server returned error 500", SendError),
        ("failed to send message node: websocket: close sent", SendError),
    ],
)
def test_what_the_bridge_says_of_a_failure_means_one_thing(says: str, error: type[Exception]) -> None:
    content = json.dumps({"success": False, "message": f"Error sending message: {says}"}).encode()
    with pytest.raises(Exception) as raised:  # noqa: PT011 - its very type is asked for
        wire.outcome_of(500, {}, content)
    assert type(raised.value) is error


def test_a_bridge_that_asks_for_time_gets_it() -> None:
    with pytest.raises(RateLimited) as raised:
        wire.outcome_of(429, {"retry-after": "90"}, b"")
    assert raised.value.retry_after == 90


def test_the_sender_says_how_it_is_settled_and_how_fast_it_may_go() -> None:
    sender = BridgeSender(Addresses("http://127.0.0.1:9/api"))
    assert sender.settlement is Settlement.BY_ECHO
    assert [(one.count, one.seconds) for one in LIMITS.windows] == [(2, 60), (20, 3600), (100, 86_400)]
    assert (LIMITS.cooldown, LIMITS.grace) == (3600, 300)
