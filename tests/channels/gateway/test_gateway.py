"""A gateway's webhooks hold the contract of every channel; one person is one, however the gateway spells them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tallybook.channels.gateway import parse, verify
from tallybook.channels.gateway.webhook import GatewayWebhook
from tallybook.core import content, signatures
from tallybook.core.messages import Incoming
from tests.channel_suite import Case, WebhookSuite

SECRET, OLDER = b"a gateway's secret of the tests", b"the one before"
HOOK = GatewayWebhook([SECRET, OLDER])
CUSTOMER, LID, GROUP = "27820000001@s.whatsapp.net", "99912345678901@lid", "120363000000000001@g.us"
NOON = 1764676800


def signed(body: bytes, at: datetime, secret: bytes = SECRET) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    return {
        verify.TIMESTAMP: stamp,
        verify.SIGNATURE: signatures.signature(secret, verify.signed_bytes(stamp, body)),
    }


def body(*updates: Any, account: str = "front-desk") -> bytes:
    return json.dumps({"account": account, "updates": updates}).encode()


def update(number: int = 1, **more: Any) -> dict[str, Any]:
    known = {"id": f"3EB0{number:04}", "kind": "message", "at": NOON + number, "chat": CUSTOMER, "from": CUSTOMER}
    return known | {"name": "Naledi", "type": "text", "text": "Is it open today?"} | more


PHOTO = update(2, type="image", text="The roof", file={
    "mime": "image/jpeg", "url": "https://gateway.example/f/2", "sha256": "ab" * 32, "size": 1024,
})  # fmt: skip
ECHO = update(3, from_me=True, text="We open at nine")
REACTION = update(4, kind="reaction", about="3EB00001", emoji="👍", text=None)
EDIT = update(5, kind="edit", about="3EB00001", text="Is it open tomorrow?")
REVOKE = update(6, kind="revoke", about="3EB00001", text=None)
READ = {"id": "3EB00099", "kind": "status", "status": "read", "at": NOON, "chat": CUSTOMER, "key": "reply:7"}
FAILED = {"id": "3EB00098", "kind": "status", "status": "failed", "at": NOON, "chat": CUSTOMER, "reason": "not on it"}
IN_GROUP = update(7, chat=GROUP, **{"from": LID, "phone": "27820000001"})
PAST = update(8, kind="history", text="Last month")
KNOWN_NOW = {"kind": "identity", "lid": LID, "phone": "27820000001", "at": NOON}
CLOSED = {"kind": "connection", "status": "logged_out", "reason": "device removed", "at": NOON}
EVERYTHING = [update(), PHOTO, ECHO, REACTION, EDIT, REVOKE, READ, FAILED, IN_GROUP, PAST, KNOWN_NOW, CLOSED]


class TestGateway(WebhookSuite):
    @pytest.fixture
    def case(self) -> Case:
        return Case(HOOK, signed, body(*EVERYTHING), body({"kind": "poll", "id": "1", "at": NOON}), verify.WINDOW)


def only(*updates: Any) -> Incoming:
    (incoming,) = parse.parse(body(*updates))
    return incoming


def told(incoming: Incoming) -> content.Content:
    found = content.read(incoming.content)
    assert found is not None
    return found


def test_while_the_secret_is_changed_both_are_taken() -> None:
    now = datetime.now(UTC)
    assert HOOK.verify(signed(b"{}", now, OLDER), b"{}", now)
    assert not HOOK.verify(signed(b"{}", now, b"another"), b"{}", now)


def test_each_kind_is_read() -> None:
    found = parse.parse(body(*EVERYTHING))
    assert [one.kind for one in found] == [
        "message", "message", "echo", "reaction", "edit", "revoke", "status:read", "status:failed", "message",
        "history", "identity", "connection",
    ]  # fmt: skip
    assert {one.account for one in found} == {"front-desk"}


def test_a_message_says_who_when_where_and_what() -> None:
    incoming = only(update())
    assert (incoming.scope, incoming.external_id, incoming.text) == ("front-desk", "3EB00001", "Is it open today?")
    assert (incoming.chat, incoming.sender.phone, incoming.said_at.timestamp()) == (
        "+27820000001", "+27820000001", NOON + 1,
    )  # fmt: skip
    assert told(incoming).person == content.Person(name="Naledi", phone="+27820000001")


def test_what_we_typed_is_ours_and_in_the_customer_s_chat() -> None:
    incoming = only(ECHO)
    assert (incoming.kind, incoming.from_us, incoming.chat) == ("echo", True, "+27820000001")


def test_a_file_is_known_by_its_hash_and_not_by_its_passing_address() -> None:
    incoming = only(PHOTO)
    assert incoming.media is not None
    assert (incoming.media.sha256, incoming.media.size) == (bytes.fromhex("ab" * 32), 1024)
    assert only(PHOTO | {"file": PHOTO["file"] | {"url": "https://gateway.example/f/3"}}).content_hash == (
        incoming.content_hash
    )


@pytest.mark.parametrize("spelled", [
    {"from": "27820000001:12@s.whatsapp.net"}, {"from": "+27 82 000 0001"}, {"from": "27820000001@c.us"},
    {"from": LID, "phone": "27820000001"}, {"from": LID, "lid": LID, "phone": "27820000001@s.whatsapp.net"},
    {"from": None}, {"from": "27820000001", "lid": LID},
])  # fmt: skip
def test_one_person_is_one_however_the_gateway_spells_them(spelled: dict[str, Any]) -> None:
    incoming = only(update(**spelled))
    assert (incoming.chat, incoming.sender.phone) == ("+27820000001", "+27820000001")


def test_a_lid_whose_phone_is_not_told_stays_a_lid() -> None:
    incoming = only(update(chat=LID, **{"from": LID}))
    assert (incoming.chat, incoming.sender.phone, incoming.sender.lid) == (LID, None, LID)


def test_that_a_lid_s_phone_is_known_now_is_news_of_a_person() -> None:
    news = told(only(KNOWN_NOW))
    assert news.person is not None
    assert news.changed_to is not None
    assert (news.person.lid, news.changed_to.phone) == (LID, "+27820000001")


def test_in_a_group_each_reader_has_a_report_of_their_own() -> None:
    both = parse.parse(body(*(READ | {"chat": GROUP, "from": f"2782000000{n}@s.whatsapp.net"} for n in (1, 2))))
    assert len({one.natural_key for one in both}) == 2
    assert {told(one).about for one in both} == {"3EB00099"}


def test_a_report_tells_our_key_and_its_reason() -> None:
    assert told(only(READ)).ours == "reply:7"
    assert told(only(FAILED)).faults == [content.Fault(title="not on it")]


@pytest.mark.parametrize("poison", [
    {}, 7, None, {"id": "1", "text": {"a": 1}}, {"kind": "status", "id": "1"}, {"kind": "message", "text": "no id"},
])  # fmt: skip
def test_an_update_that_cannot_be_read_is_kept_beside_its_neighbours(poison: Any) -> None:
    found = parse.parse(body(poison, update()))
    assert [one.kind for one in found] == ["unreadable", "message"]
    assert json.loads(bytes(told(found[0]).as_sent)) == poison


@pytest.mark.parametrize("nothing", [
    {"account": "front-desk", "updates": []}, {"account": "", "updates": [1]}, {"updates": [1]}, {"account": "a"},
])  # fmt: skip
def test_a_body_without_an_account_or_an_update_is_an_error_that_a_person_sees(nothing: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse.parse(json.dumps(nothing).encode())


def test_what_the_database_could_not_hold_is_replaced() -> None:
    assert only(update(text="\0 \ud800 😀")).text == "\ufffd \ufffd 😀"
