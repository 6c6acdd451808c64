"""The WhatsApp Cloud API holds the contract of every channel, and the handshake before its first webhook."""

from __future__ import annotations

from datetime import datetime

import pytest

from tallybook.channels.whatsapp import verify
from tallybook.channels.whatsapp.webhook import WhatsAppWebhook
from tallybook.core import signatures
from tests.channel_suite import Case, WebhookSuite
from tests.channels.whatsapp import bodies

OLDER = b"the app secret before"
HOOK = WhatsAppWebhook([bodies.SECRET, OLDER], "a token of ours")
ASKED = {"hub.mode": "subscribe", "hub.verify_token": "a token of ours", "hub.challenge": "1158201444"}


def signed(body: bytes, _: datetime | None = None) -> dict[str, str]:
    return {verify.SIGNATURE: signatures.signature(bodies.SECRET, body)}


class TestWhatsApp(WebhookSuite):
    @pytest.fixture
    def case(self) -> Case:
        return Case(HOOK, signed, bodies.EVERYTHING, bodies.body(bodies.account_change("hologram", a=1)), late=None)


def test_while_the_secret_is_changed_both_are_taken(now: datetime) -> None:
    for secret in (bodies.SECRET, OLDER):
        assert HOOK.verify({verify.SIGNATURE: signatures.signature(secret, b"{}")}, b"{}", now)
    assert not HOOK.verify({verify.SIGNATURE: signatures.signature(b"another", b"{}")}, b"{}", now)
    assert not WhatsAppWebhook([]).verify({verify.SIGNATURE: signatures.signature(b"", b"{}")}, b"{}", now)


def test_several_secrets_stand_between_commas() -> None:
    assert signatures.split_secrets(" new , old,") == [b"new", b"old"]


def test_the_handshake_gives_the_challenge_back_to_who_knows_the_token() -> None:
    assert HOOK.greet(ASKED) == "1158201444"


@pytest.mark.parametrize("wrong", [
    {"hub.verify_token": "another"}, {"hub.verify_token": ""}, {"hub.verify_token": "é"}, {"hub.mode": "unsubscribe"},
    {"hub.mode": ""},
])  # fmt: skip
def test_nobody_else_is_greeted(wrong: dict[str, str]) -> None:
    assert HOOK.greet(ASKED | wrong) is None


def test_without_a_token_of_ours_there_is_no_handshake() -> None:
    assert WhatsAppWebhook([bodies.SECRET]).greet(ASKED | {"hub.verify_token": ""}) is None


def test_a_repr_shows_no_secret() -> None:
    assert "secret" not in repr(HOOK).replace("secrets", "")
    assert "token of ours" not in repr(HOOK)


@pytest.fixture
def now() -> datetime:
    return datetime.now().astimezone()
