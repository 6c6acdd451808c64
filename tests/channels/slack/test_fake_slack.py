"""The fake Slack keeps Slack's rules, so that what passes here passes there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from tallybook.demo.slack.elements import NotFilled, NotThere
from tallybook.demo.slack.limits import NotTaken, check_blocks, check_view
from tallybook.demo.slack.server import APP_TOKEN, BOT_TOKEN, OPEN, FakeSlack
from tallybook.demo.slack.telling import Untold


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as slack:
        slack.teller.pauses = (0.0, 0.0, 0.0)
        slack.teller.patience = 0.2
        yield slack


async def call(slack: FakeSlack, method: str, token: str = BOT_TOKEN, **told: Any) -> dict[str, Any]:
    form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in told.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{slack.api}/{method}", data=form, headers={"authorization": f"Bearer {token}"}) as answer,
    ):
        found: dict[str, Any] = await answer.json()
        return found | ({"after": answer.headers["retry-after"]} if answer.status == 429 else {})


def words(text: str, kind: str = "plain_text") -> dict[str, str]:
    return {"type": kind, "text": text}


def section(text: str = "On duty") -> dict[str, Any]:
    return {"type": "section", "text": words(text, "mrkdwn")}


def button(action: str = "approve", value: str = "7") -> dict[str, Any]:
    return {"type": "button", "action_id": action, "text": words("Approve"), "value": value}


def asking(**more: Any) -> dict[str, Any]:
    element = {"type": "plain_text_input", "action_id": "why", "max_length": 20}
    return {
        "type": "modal", "title": words("Override"), "submit": words("Ask"), "callback_id": "override",
        "blocks": [{"type": "input", "block_id": "reason", "label": words("Why?"), "element": element}], **more,
    }  # fmt: skip


class App:
    """What the product is to Slack: answers each request as it is told to, and keeps them."""

    def __init__(self, *answers: tuple[int, Any] | None) -> None:
        self.answers = list(answers)
        self.heard: list[tuple[Mapping[str, str], bytes]] = []

    async def __call__(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        self.heard.append((headers, body))
        answer = self.answers.pop(0) if self.answers else (200, None)
        if answer is None:
            await asyncio.Event().wait()
        status, said = answer or (200, None)
        content = json.dumps(said).encode() if isinstance(said, dict) else (said or "").encode()
        return status, {"content-type": "application/json" if isinstance(said, dict) else "text/plain"}, content


@pytest.mark.parametrize(
    "blocks",
    [
        [section()] * 51, [section("a" * 3001)], [section("")], [{"type": "header", "text": words("a" * 151)}],
        [{"type": "header", "text": words("a", "mrkdwn")}], [{"type": "carousel"}], [{"type": "section"}],
        [{"type": "section", "fields": [words("a")] * 11}], [{"type": "section", "fields": [words("a" * 2001)]}],
        [{"type": "context", "elements": [words("a")] * 11}],
        [{"type": "actions", "elements": [button(f"b{number}") for number in range(26)]}],
        [{"type": "actions", "elements": [button(), button()]}],
        [{"type": "actions", "elements": [button() | {"text": words("a" * 76)}]}],
        [{"type": "actions", "elements": [button(value="a" * 2001)]}], [{"type": "actions", "elements": []}],
        [section() | {"block_id": "a" * 256}], [section() | {"block_id": "a"}] * 2,
        [section() | {"accessory": {"type": "static_select", "action_id": "a", "options": []}}],
        [section() | {"accessory": {"type": "static_select", "action_id": "a", "options": [
            {"text": words("a"), "value": "a"}] * 101}}],
        [section() | {"accessory": {"type": "static_select", "action_id": "a", "options": [
            {"text": words("a" * 76), "value": "a"}]}}],
        [section() | {"accessory": {"type": "overflow", "action_id": "a", "options": [
            {"text": words("a"), "value": "a"}] * 6}}],
        [section() | {"accessory": button() | {"confirm": {"title": words("a" * 101)}}}],
        [{"type": "markdown", "text": "a" * 12_001}],
    ],
)  # fmt: skip
def test_what_is_over_a_limit_of_blocks_is_refused(blocks: list[dict[str, Any]]) -> None:
    with pytest.raises(NotTaken, match="invalid_blocks"):
        check_blocks(blocks)


def test_what_is_just_within_the_limits_is_taken() -> None:
    check_blocks([section("a" * 3000)] * 50)
    check_view(asking(title=words("a" * 24), private_metadata="a" * 3000), "modal")


@pytest.mark.parametrize(
    "view",
    [
        asking(title=words("a" * 25)), asking(submit=None), asking(submit=words("a" * 25)),
        asking(private_metadata="a" * 3001), asking(blocks=[section()] * 101), asking(type="home"),
        asking(callback_id="a" * 256), {"type": "modal", "blocks": [section()]},
    ],
)  # fmt: skip
def test_what_is_over_a_limit_of_views_is_refused(view: dict[str, Any]) -> None:
    with pytest.raises(NotTaken, match="invalid_arguments"):
        check_view(view, "modal")


async def test_a_method_called_too_often_says_how_long_to_wait_and_the_others_go_on(slack: FakeSlack) -> None:
    channel = slack.workspace.channel("triage")
    for _ in range(20):
        assert (await call(slack, "conversations.setTopic", channel=channel.id, topic="a"))["ok"]
    late = await call(slack, "conversations.setTopic", channel=channel.id, topic="a")
    assert (late["error"], late["after"]) == ("ratelimited", "3")
    assert (await call(slack, "conversations.info", channel=channel.id))["ok"]
    slack.workspace.shift = 4
    assert (await call(slack, "conversations.setTopic", channel=channel.id, topic="a"))["ok"]


async def test_a_channel_takes_a_message_a_second_after_a_short_burst(slack: FakeSlack) -> None:
    one, other = slack.workspace.channel("triage"), slack.workspace.channel("news")
    said = [(await call(slack, "chat.postMessage", channel=one.id, text="a"))["ok"] for _ in range(4)]
    assert said == [True, True, True, False]
    assert (await call(slack, "chat.postMessage", channel=other.id, text="a"))["ok"]


async def test_a_token_opens_only_what_is_its_own(slack: FakeSlack) -> None:
    assert (await call(slack, "auth.test", token=""))["error"] == "not_authed"
    assert (await call(slack, "auth.test", token=APP_TOKEN))["error"] == "invalid_auth"
    assert (await call(slack, OPEN))["error"] == "invalid_auth"
    assert (await call(slack, OPEN, token=APP_TOKEN))["url"].startswith("ws://127.0.0.1:")


async def test_no_user_group_is_ever_empty_or_holds_strangers(slack: FakeSlack) -> None:
    maria = slack.workspace.person("Maria")
    group = slack.workspace.group("triage", maria.id)
    for people, error in (("", "no_users_provided"), (f"{maria.id},U99999", "invalid_users")):
        assert (await call(slack, "usergroups.users.update", usergroup=group.id, users=people))["error"] == error
    assert group.people == [maria.id]
    slack.workspace.has_groups = False
    assert (await call(slack, "usergroups.users.list", usergroup=group.id))["error"] == "paid_teams_only"


async def test_topics_and_metadata_are_as_slack_has_them(slack: FakeSlack) -> None:
    channel = slack.workspace.channel("triage")
    assert (await call(slack, "conversations.setTopic", channel=channel.id, topic="a" * 251))["error"] == "too_long"
    mark = {"event_type": "sent", "event_payload": {"key": "k"}}
    await call(slack, "chat.postMessage", channel=channel.id, text="a", metadata=mark)
    plain = await call(slack, "conversations.history", channel=channel.id)
    marked = await call(slack, "conversations.history", channel=channel.id, include_all_metadata="true")
    assert ("metadata" in plain["messages"][0], marked["messages"][0]["metadata"]) == (False, mark)


async def test_a_trigger_opens_one_view_within_three_seconds(slack: FakeSlack) -> None:
    maria = slack.workspace.person("Maria")
    trigger = slack.workspace.trigger(maria.id)
    assert (await call(slack, "views.open", trigger_id=trigger, view=asking()))["ok"]
    assert (await call(slack, "views.open", trigger_id=trigger, view=asking()))["error"] == "exchanged_trigger_id"
    late = slack.workspace.trigger(maria.id)
    slack.workspace.shift = 3.5
    assert (await call(slack, "views.open", trigger_id=late, view=asking()))["error"] == "expired_trigger_id"


async def test_a_view_changed_meanwhile_is_not_overwritten_and_three_lie_on_each_other(slack: FakeSlack) -> None:
    maria = slack.workspace.person("Maria")
    opened = await call(slack, "views.open", trigger_id=slack.workspace.trigger(maria.id), view=asking())
    named = {"view_id": opened["view"]["id"], "hash": opened["view"]["hash"]}
    assert (await call(slack, "views.update", view=asking(), **named))["ok"]
    assert (await call(slack, "views.update", view=asking(), **named))["error"] == "hash_conflict"
    pushed = [
        await call(slack, "views.push", trigger_id=slack.workspace.trigger(maria.id), view=asking()) for _ in range(3)
    ]
    assert [one["ok"] for one in pushed] == [True, True, False]
    assert pushed[2]["error"] == "push_limit_reached"


async def test_an_event_is_told_four_times_at_most_with_what_went_wrong_before(slack: FakeSlack) -> None:
    slack.teller.door = app = App((500, None), None, (404, None), (503, None))
    maria, channel = slack.workspace.person("Maria"), slack.workspace.channel("triage")
    assert not await slack.acts.mention(maria, channel, "who is on?")
    heads = [(one.get("x-slack-retry-num"), one.get("x-slack-retry-reason")) for one, _ in app.heard]
    assert heads == [(None, None), ("1", "http_error"), ("2", "http_timeout"), ("3", "http_error")]
    assert len({body for _, body in app.heard}) == 1
    assert len({one["x-slack-signature"] for one, _ in app.heard}) >= 1


async def test_who_typed_a_command_that_nobody_took_is_told(slack: FakeSlack) -> None:
    slack.teller.door = App((500, None))
    maria = slack.workspace.person("Maria")
    await slack.acts.command(maria, "/triage-schedule")
    assert len(slack.teller.tries) == 1
    assert maria.faults == ["/triage-schedule failed: http_error"]


async def test_a_submitted_view_becomes_what_the_app_says(slack: FakeSlack) -> None:
    maria = slack.workspace.person("Maria")
    errors = {"response_action": "errors", "errors": {"reason": "Say more."}}
    slack.teller.door = app = App((200, errors), (200, None))
    await call(slack, "views.open", trigger_id=slack.workspace.trigger(maria.id), view=asking())
    with pytest.raises(NotFilled):
        await slack.acts.submit(maria)
    with pytest.raises(NotThere):
        await slack.acts.submit(maria, {"why": "Ill", "who": "U1"})
    await slack.acts.submit(maria, {"why": "Ill"})
    assert maria.view["errors"] == {"reason": "Say more."}
    await slack.acts.submit(maria, {"why": "Ill since Monday"})
    assert maria.views == []
    assert len(app.heard) == 2


async def test_an_address_for_answers_is_good_for_five(slack: FakeSlack) -> None:
    maria = slack.workspace.person("Maria")
    slack.teller.door = App((200, "Looking …"))
    await slack.acts.command(maria, "/triage-schedule")
    address = f"{slack.acts.address}/replies/{next(iter(slack.acts.replies))}"
    async with aiohttp.ClientSession() as session:
        told = [(await session.post(address, json={"text": str(number)})).status for number in range(6)]
    assert told == [200] * 5 + [404]
    assert [one["text"] for one in maria.shown] == ["Looking …", "0", "1", "2", "3", "4"]


async def test_a_socket_gets_envelopes_until_each_is_acknowledged_and_may_be_asked_to_make_room(
    slack: FakeSlack,
) -> None:
    url = (await call(slack, OPEN, token=APP_TOKEN))["url"]
    maria, channel = slack.workspace.person("Maria"), slack.workspace.channel("triage")
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as line:
        assert (await line.receive_json())["type"] == "hello"
        told = asyncio.create_task(slack.acts.mention(maria, channel, "who is on?"))
        first, second = await line.receive_json(), await line.receive_json()
        assert (first["retry_attempt"], second["retry_attempt"], second["retry_reason"]) == (0, 1, "timeout")
        assert first["payload"] == second["payload"]
        await line.send_json({"envelope_id": second["envelope_id"]})
        assert await told
        refreshed = asyncio.create_task(slack.refresh(last=0.05))
        assert (await line.receive_json())["type"] == "disconnect"
        assert (await line.receive()).type is aiohttp.WSMsgType.CLOSE
        await refreshed
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)


async def test_of_many_sockets_each_thing_goes_to_one(slack: FakeSlack) -> None:
    async with aiohttp.ClientSession() as session:
        lines = []
        for _ in range(2):
            lines.append(await session.ws_connect((await call(slack, OPEN, token=APP_TOKEN))["url"]))
            await lines[-1].receive_json()
        told = [asyncio.create_task(slack.acts.event({"type": "team_join"})) for _ in range(2)]
        for line in lines:
            await line.send_json({"envelope_id": (await line.receive_json())["envelope_id"]})
        assert await asyncio.gather(*told) == [True, True]
        for line in lines:
            await line.close()


async def test_without_a_door_and_without_a_socket_nobody_hears(slack: FakeSlack) -> None:
    with pytest.raises(Untold):
        await slack.teller.asked("interactive", {"trigger_id": "1"})
