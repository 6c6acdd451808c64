"""Slack's requests hold the contract of every channel; whatever was done is known again when it is told again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from tallybook.channels.slack import requests, verify
from tallybook.channels.slack.requests import Kind
from tallybook.channels.slack.webhook import SlackWebhook
from tallybook.core import content
from tests.channel_suite import Case, WebhookSuite

SECRET, OLDER = b"a signing secret of the tests", b"the one before"
HOOK = SlackWebhook([SECRET, OLDER])
NOON = 1764676800


def signed(body: bytes, at: datetime, secret: bytes = SECRET) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    return {verify.TIMESTAMP: stamp, verify.SIGNATURE: verify.signature(secret, stamp, body)}


def event(**more: Any) -> dict[str, Any]:
    told = {"type": "app_mention", "user": "U00001", "text": "who is on?", "channel": "C00001", "ts": f"{NOON}.000100"}
    return {
        "token": "old", "team_id": "T00001", "type": "event_callback", "event_id": "Ev00001", "event_time": NOON,
        "event": told | more,
    }  # fmt: skip


COMMAND = {
    "token": "old", "team_id": "T00001", "user_id": "U00001", "command": "/triage-override", "text": "",
    "channel_id": "C00001", "trigger_id": "1.2.abc", "response_url": "http://127.0.0.1/replies/secret",
}  # fmt: skip
WHO = {"user": {"id": "U00001", "team_id": "T00001"}, "team": {"id": "T00001"}, "trigger_id": "1.2.def"}
CLICK = WHO | {
    "type": "block_actions", "channel": {"id": "C00001"}, "response_url": "http://127.0.0.1/replies/secret",
    "container": {"type": "message", "message_ts": f"{NOON}.000200", "channel_id": "C00001"},
    "actions": [{"type": "button", "action_id": "approve", "value": "7", "action_ts": f"{NOON + 5}.000300"}],
}  # fmt: skip
SUBMISSION = WHO | {"type": "view_submission", "view": {"id": "V00001", "callback_id": "override", "hash": "1.a"}}
SHORTCUT = WHO | {"type": "shortcut", "callback_id": "request_coverage_shortcut", "action_ts": f"{NOON}.000400"}


def as_json(told: dict[str, Any]) -> bytes:
    return json.dumps(told).encode()


def as_form(told: dict[str, Any]) -> bytes:
    return urlencode({"payload": json.dumps(told)}).encode()


class TestSlack(WebhookSuite):
    @pytest.fixture
    def case(self) -> Case:
        return Case(HOOK, signed, as_json(event()), as_json(event(type="team_join", user={"id": "U1"})), verify.WINDOW)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "unsigned"),
        ({verify.TIMESTAMP: "yesterday"}, "timestamp"),
        ({verify.TIMESTAMP: "1e9"}, "timestamp"),
        ({verify.TIMESTAMP: str(NOON - 301)}, "late"),
        ({verify.TIMESTAMP: str(NOON + 301)}, "late"),
        ({verify.TIMESTAMP: str(NOON)}, "signature"),
        ({verify.TIMESTAMP: str(NOON), verify.SIGNATURE: "v0="}, "signature"),
    ],
)
def test_why_somebody_is_not_let_in_is_told_in_a_word(headers: dict[str, str], reason: str) -> None:
    assert verify.refusal(headers, b"{}", datetime.fromtimestamp(NOON, UTC), [SECRET]) == reason


def test_five_minutes_old_is_let_in_and_while_the_secret_is_changed_both_are() -> None:
    now = datetime.fromtimestamp(NOON, UTC)
    old = datetime.fromtimestamp(NOON - 300, UTC)
    for secret in (SECRET, OLDER):
        assert HOOK.verify(signed(b"{}", old, secret), b"{}", now)


@pytest.mark.parametrize(
    ("body", "kind", "name", "identity", "channel"),
    [
        (as_json(event()), Kind.EVENT, "app_mention", "Ev00001", "C00001"),
        (urlencode(COMMAND).encode(), Kind.COMMAND, "/triage-override", "1.2.abc", "C00001"),
        (as_form(CLICK), Kind.ACTION, "approve", f"{NOON}.000200:{NOON + 5}.000300:approve:U00001", "C00001"),
        (as_form(SUBMISSION), Kind.SUBMISSION, "override", "1.2.def", ""),
        (as_form(SHORTCUT), Kind.SHORTCUT, "request_coverage_shortcut", "1.2.def", ""),
    ],
)
def test_each_kind_says_who_did_what_and_how_a_repeat_is_known(
    body: bytes, kind: Kind, name: str, identity: str, channel: str
) -> None:
    found = requests.read(body)
    assert (found.kind, found.name, found.identity, found.channel) == (kind, name, identity, channel)
    assert (found.team, found.user) == ("T00001", "U00001")
    (incoming,) = HOOK.parse(body)
    assert incoming.natural_key == ("slack", "T00001", identity, f"{kind}:{name}")


def test_over_a_socket_and_over_http_the_same_is_the_same() -> None:
    for http, socket in ((urlencode(COMMAND).encode(), COMMAND), (as_form(CLICK), CLICK)):
        one, other = HOOK.parse(http)[0], HOOK.parse(as_json(socket))[0]
        assert (one.natural_key, one.content_hash) == (other.natural_key, other.content_hash)


def test_a_repeat_is_never_an_edit_whatever_else_slack_tells_with_it() -> None:
    again = CLICK | {"trigger_id": "9.9.later", "response_url": "http://127.0.0.1/replies/other"}
    one, other = HOOK.parse(as_form(CLICK))[0], HOOK.parse(as_form(again))[0]
    assert (one.natural_key, one.content_hash) == (other.natural_key, other.content_hash)
    two = CLICK | {"actions": [{"action_id": "approve", "action_ts": f"{NOON + 6}.000300"}]}
    assert HOOK.parse(as_form(two))[0].external_id != one.external_id, "a second click is another one"


def test_what_an_app_says_is_ours_and_is_no_order() -> None:
    assert HOOK.parse(as_json(event(bot_id="B00001")))[0].from_us
    assert not HOOK.parse(as_json(event()))[0].from_us


def test_what_lets_others_answer_in_our_name_is_not_kept() -> None:
    for body in (as_json(event()), urlencode(COMMAND).encode(), as_form(CLICK)):
        found = content.read(HOOK.parse(body)[0].content)
        assert found is not None
        assert not {"token", "response_url"} & msgspec.json.decode(found.as_sent).keys()


def test_a_greeting_changes_nothing() -> None:
    for body in (as_json({"type": "url_verification", "challenge": "abc"}), b"ssl_check=1&token=old"):
        assert requests.read(body).changes_nothing
    assert requests.read(as_form(WHO | {"type": "block_suggestion", "action_id": "who", "value": "a"})).changes_nothing


@pytest.mark.parametrize(
    "body",
    [
        as_json(event() | {"event_id": ""}),
        as_json(event() | {"team_id": ""}),
        as_form(CLICK | {"actions": [{"action_id": "approve"}]}),
        urlencode(COMMAND | {"trigger_id": ""}).encode(),
        b"payload=%7B",
        b"a=1&" * 200,
    ],
)
def test_what_could_not_be_known_again_is_put_aside_and_not_done(body: bytes) -> None:
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        HOOK.parse(body)
