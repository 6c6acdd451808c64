"""What is said on Slack: once, in the words that Slack takes, and found again where no answer came."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tallybook.app import slack_sender, slack_tokens
from tallybook.channels.slack import answers
from tallybook.channels.slack import outgoing as wire
from tallybook.channels.slack.answers import MethodLimited, OfWorkspace, SaidNo
from tallybook.channels.slack.outgoing import changed, home, posted
from tallybook.channels.slack.sender import LIMITS, SlackSender
from tallybook.core import channel_accounts, outbox, people
from tallybook.core.businesses import Business
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Settlement, Unreachable
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing
from tallybook.core.sending import LooksUp, Post, again, deliver
from tallybook.demo.slack.server import BOT_TOKEN, FakeSlack
from tallybook.demo.slack.workspace import TEAM, Channel, Person
from tallybook.settings import Settings
from tests.channels.whatsapp.test_received import SEAL
from tests.core.posted import look, make_due

STOP = asyncio.Event()
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Maria* is on duty"}}]


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as slack:
        yield slack


@pytest.fixture
def channel(slack: FakeSlack) -> Channel:
    return slack.workspace.channel("triage")


@pytest.fixture
def maria(slack: FakeSlack) -> Person:
    return slack.workspace.person("Maria")


async def the_token(account: str) -> str | None:
    return BOT_TOKEN if account == TEAM else None


@pytest.fixture
async def sender(slack: FakeSlack) -> AsyncIterator[SlackSender]:
    sender = SlackSender(slack.api, the_token, answer_timeout=0.3)
    yield sender
    await sender.aclose()


def news(to: str, key: str = "triage:1:k", text: str = "Maria is on duty") -> Outgoing:
    return posted(TEAM, to, key, text, BLOCKS)


def of(to: str, **body: Any) -> Outgoing:
    whole = {n: msgspec.Raw(json.dumps(v).encode()) if isinstance(v, dict) else v for n, v in body.items()}
    return Outgoing("slack", TEAM, to, "triage:set:1", whole)


async def test_a_post_arrives_with_its_blocks_and_says_where_it_is(
    slack: FakeSlack, sender: SlackSender, channel: Channel, maria: Person
) -> None:
    named = await sender.send(news(channel.id))
    (message,) = channel.messages
    assert named == f"{channel.id}/{message['ts']}"
    assert (message["text"], message["blocks"]) == ("Maria is on duty", BLOCKS)
    named = await sender.send(news(maria.id))
    assert named.startswith("D"), "what is told to a person is in the conversation with them"


async def test_what_was_said_becomes_something_else_in_its_place(
    slack: FakeSlack, sender: SlackSender, channel: Channel
) -> None:
    named = await sender.send(news(channel.id))
    await sender.send(changed(news(channel.id, "triage:1:later", "Ben is on duty"), message=named))
    assert [one["text"] for one in channel.messages] == ["Ben is on duty"]

    async def sent_as(account: str, key: str) -> tuple[str | None, bool]:
        return {"triage:1:k": (named, True), "triage:1:unknown": (None, False)}.get(key, (None, True))

    sender.sent_as = sent_as
    await sender.send(changed(posted(TEAM, channel.id, "triage:2", "Approved"), sent="triage:1:k"))
    assert [(one["text"], one["blocks"]) for one in channel.messages] == [("Approved", [])], "no button stays"
    with pytest.raises(Refused, match="never sent"):
        await sender.send(changed(posted(TEAM, channel.id, "triage:3", "Approved"), sent="triage:other"))
    with pytest.raises(SendError, match="not been sent yet") as raised:
        await sender.send(changed(posted(TEAM, channel.id, "triage:3", "Approved"), sent="triage:1:unknown"))
    assert not raised.value.permanent


async def test_a_home_a_group_and_a_topic_become_what_they_are_to_be(
    slack: FakeSlack, sender: SlackSender, channel: Channel, maria: Person
) -> None:
    group = slack.workspace.group("triage", slack.workspace.person("Ben").id)
    await sender.send(home(TEAM, maria.id, "triage:home", {"type": "home", "blocks": BLOCKS}))
    await sender.send(of(group.id, members=[maria.id]))
    await sender.send(of(channel.id, topic={"text": "On duty: Maria & Ben"}))
    assert maria.home is not None
    assert (group.people, channel.topic) == ([maria.id], "On duty: Maria & Ben")
    assert await sender.members_of(TEAM, group.id) == [maria.id]
    assert await sender.topic_of(TEAM, channel.id) == "On duty: Maria & Ben"


async def test_a_topic_that_somebody_else_wrote_stays(sender: SlackSender, channel: Channel) -> None:
    channel.topic = "Ours &amp; nobody else's"
    await sender.send(of(channel.id, topic={"text": "Ours again", "was": "Ours & nobody else's"}))
    assert channel.topic == "Ours again"
    channel.topic = "The office is closed"
    with pytest.raises(Refused, match="Somebody else"):
        await sender.send(of(channel.id, topic={"text": "Ours", "was": "Ours again"}))
    assert channel.topic == "The office is closed"


async def test_a_group_is_never_emptied(slack: FakeSlack, sender: SlackSender, maria: Person) -> None:
    group = slack.workspace.group("triage", maria.id)
    with pytest.raises(Refused):
        await sender.send(of(group.id, members=[]))
    assert (group.people, slack.calls) == ([maria.id], [])


@pytest.mark.parametrize(
    "outgoing",
    [
        news("C1", text=" "), news("C1", text="a" * 40_001), news(""), of("C1", topic={"text": "a" * 251}),
        of("C1", blocks=7), posted(TEAM, "C1", "k", "a", BLOCKS * 51), of("S1", members=["U1"] * 1001),
    ],
)  # fmt: skip
def test_what_slack_could_not_take_is_refused_before_it_leaves(outgoing: Outgoing) -> None:
    with pytest.raises(Refused):
        wire.call_of(outgoing)


@pytest.mark.parametrize(
    ("order", "error", "said"),
    [
        ({"kind": "drop"}, OutcomeUnknown, 0),
        ({"kind": "drop", "after": True}, OutcomeUnknown, 1),
        ({"kind": "slow"}, OutcomeUnknown, 1),
        ({"kind": "garbled", "text": "<html>"}, OutcomeUnknown, 1),
        ({"kind": "says", "code": "internal_error"}, OutcomeUnknown, 0),
        ({"kind": "says", "code": "service_unavailable"}, Unreachable, 0),
        ({"kind": "says", "code": "x", "status": 503}, Unreachable, 0),
        ({"kind": "says", "code": "ratelimited", "status": 429, "headers": {"retry-after": "7"}}, MethodLimited, 0),
    ],
)  # fmt: skip
async def test_what_may_have_been_said_is_never_called_a_failure(
    slack: FakeSlack, sender: SlackSender, channel: Channel, order: dict[str, Any], error: type[Exception], said: int
) -> None:
    slack.order(method="chat.postMessage", **order)
    with pytest.raises(error) as raised:
        await sender.send(news(channel.id))
    assert len(channel.messages) == said
    assert getattr(raised.value, "retry_after", None) == (7 if error is MethodLimited else None)


async def test_what_may_be_repeated_is_simply_tried_again(slack: FakeSlack, sender: SlackSender, maria: Person) -> None:
    group = slack.workspace.group("triage", slack.workspace.person("Ben").id)
    slack.order("drop", after=True)
    with pytest.raises(Unreachable):
        await sender.send(of(group.id, members=[maria.id]))
    assert await sender.look_up(of(group.id, members=[maria.id])) is None


async def test_a_post_without_an_answer_is_found_by_its_mark_and_only_by_its_own(
    slack: FakeSlack, sender: SlackSender, channel: Channel, maria: Person
) -> None:
    for number in range(3):
        channel.messages.append({"ts": slack.workspace.moment(), "user": maria.id, "text": f"Talk {number}"})
    for to in (channel.id, maria.id):
        assert await sender.look_up(news(to)) is None
        slack.order("drop", "chat.postMessage", after=True)
        with pytest.raises(OutcomeUnknown):
            await sender.send(news(to))
        found = await sender.look_up(news(to))
        assert found is not None
        assert await sender.look_up(news(to, key="triage:1:another")) is None
    slack.order("drop")
    with pytest.raises(Unreachable):
        await sender.look_up(news(channel.id))


async def test_a_long_talk_is_looked_through_page_by_page_and_an_endless_one_is_a_persons_to_look_through(
    slack: FakeSlack, sender: SlackSender, channel: Channel, maria: Person
) -> None:
    await sender.send(news(channel.id))
    channel.messages += [{"ts": slack.workspace.moment(), "user": maria.id, "text": "Talk"} for _ in range(450)]
    assert await sender.look_up(news(channel.id)) is not None
    channel.messages += [{"ts": slack.workspace.moment(), "user": maria.id, "text": "Talk"} for _ in range(2000)]
    with pytest.raises(Refused):
        await sender.look_up(news(channel.id))


@pytest.mark.parametrize(
    ("code", "error", "of_line", "permanent"),
    [
        ("ratelimited", RateLimited, False, False), ("message_limit_exceeded", RateLimited, False, False),
        ("invalid_auth", OfWorkspace, True, False), ("token_revoked", OfWorkspace, True, False),
        ("account_inactive", OfWorkspace, True, False), ("service_unavailable", Unreachable, True, False),
        ("missing_scope", SaidNo, False, True), ("not_in_channel", SaidNo, False, True),
        ("is_archived", SaidNo, False, True), ("no_users_provided", SaidNo, False, True),
        ("hash_conflict", SaidNo, False, True), ("never_heard_of_it", SaidNo, False, True),
    ],
)  # fmt: skip
def test_a_code_means_one_thing_and_is_told_in_our_own_words(
    code: str, error: type[SendError], of_line: bool, permanent: bool
) -> None:
    with pytest.raises(SendError) as raised:
        answers.outcome_of(200, {}, json.dumps({"ok": False, "error": code, "needed": "to U00001"}).encode())
    assert isinstance(raised.value, error)
    assert (raised.value.of_line, raised.value.permanent) == (of_line, permanent)
    assert "U00001" not in str(raised.value)


def test_a_code_that_is_no_word_is_not_repeated() -> None:
    with pytest.raises(SaidNo, match="unreadable"):
        answers.outcome_of(200, {}, b'{"ok": false, "error": "<b>U00001</b>"}')


async def test_slack_that_is_not_there_has_said_nothing_and_without_a_token_nothing_leaves(slack: FakeSlack) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def broken(account: str) -> str | None:
        raise OSError("the database is away")

    async def two_lines(account: str) -> str | None:
        return "a\r\nx-evil: 1"

    for address, token_of, error in (
        (f"http://127.0.0.1:{port}", the_token, Unreachable), (slack.api, broken, Unreachable),
        (slack.api, two_lines, OfWorkspace),
    ):  # fmt: skip
        sender = SlackSender(address, token_of)
        with pytest.raises(error):
            await sender.send(news("C00001"))
        await sender.aclose()
    assert slack.calls == slack.refused == []


async def test_the_token_is_in_the_header_alone(
    slack: FakeSlack, sender: SlackSender, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await sender.send(news(channel.id))
    assert BOT_TOKEN not in f"{caplog.text} {sender!r} {slack.calls}"


def test_it_can_be_asked_what_it_said_and_says_how_fast_it_may_go(sender: SlackSender) -> None:
    assert sender.settlement is Settlement.BY_LOOKUP
    assert isinstance(sender, LooksUp)
    assert LIMITS.cooldown == 1


@pytest.fixture
async def connected(db: Database, business: Business, slack: FakeSlack) -> AsyncIterator[Post]:
    """The product's own sender, as a worker has it."""
    caller = people.command_line(business.id)
    new = NewAccount("slack", TEAM, token=BOT_TOKEN)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))
    settings = Settings.load({"TALLYBOOK_SLACK_API_URL": slack.api})
    sender = slack_sender(settings, db, slack_tokens(settings, db, SEAL))
    yield Post({"slack": sender}, listening_since=float("-inf"))
    await sender.aclose()


async def test_through_the_outbox_a_broken_answer_costs_no_second_post(
    db: Database, business: Business, slack: FakeSlack, channel: Channel, connected: Post
) -> None:
    await db.run("put", lambda conn: outbox.put(conn, business.id, news(channel.id)))
    later = changed(posted(TEAM, channel.id, "triage:decided", "Approved"), sent="triage:1:k")
    await db.run("put", lambda conn: outbox.put(conn, business.id, later))
    slack.order("drop", "chat.postMessage", after=True)
    await deliver(db, business.id, connected, STOP)
    assert await look(db, "state, dedup_key = 'triage:1:k'") == [("unknown", True), ("waiting", False)]
    assert len(channel.messages) == 1
    await make_due(db)
    for _ in range(2):
        async with db.transaction() as conn:
            await conn.execute("delete from sending_moments")
            await conn.execute("update sending_lines set open_at = now()")
        await make_due(db)
        await deliver(db, business.id, connected, STOP)
    (message,) = channel.messages
    assert message["text"] == "Approved"
    assert await look(db, "state, external_id") == [("sent", f"{channel.id}/{message['ts']}")] * 2
    assert [method for method, _ in slack.calls].count("chat.postMessage") == 1


async def test_one_channel_that_is_too_fast_holds_no_other_back(
    db: Database, business: Business, slack: FakeSlack, channel: Channel, connected: Post
) -> None:
    other = slack.workspace.channel("news")
    for to in (channel.id, other.id):
        await db.run("put", lambda conn, to=to: outbox.put(conn, business.id, news(to, key=f"triage:{to}")))
    slack.order("says", "chat.postMessage", code="ratelimited", status=429, headers={"retry-after": "30"})
    await deliver(db, business.id, connected, STOP)
    assert sorted(len(one.messages) for one in (channel, other)) == [0, 1]
    waits = "state, not_before > now() + interval '25 seconds'"
    assert sorted(await look(db, waits)) == [("sent", False), ("waiting", True)]


async def test_a_message_is_tried_as_often_and_with_such_pauses_as_the_settings_say_and_tries_are_counted(
    db: Database, business: Business, slack: FakeSlack, channel: Channel, connected: Post
) -> None:
    told = {
        "TALLYBOOK_SLACK_API_URL": slack.api, "TALLYBOOK_SLACK_TRIES": "3", "TALLYBOOK_SLACK_LONGEST_PAUSE": "2",
    }  # fmt: skip
    settings = Settings.load(told)
    sender = slack_sender(settings, db, slack_tokens(settings, db, SEAL))
    patient = replace(connected, senders={"slack": sender})
    before = {one: again.labels("slack", one)._value.get() for one in ("waiting", "parked", "sent")}
    await db.run("put", lambda conn: outbox.put(conn, business.id, news(channel.id)))
    async with db.transaction() as conn:
        await conn.execute("update outbox set attempts = 8")  # the pause would be of minutes by now
    for state in ("waiting", "waiting", "parked"):
        slack.order("says", "chat.postMessage", code="ratelimited", status=429, headers={"retry-after": "1"})
        assert await deliver(db, business.id, patient, STOP) == 1
        assert await look(db, "state, not_before < now() + interval '3 seconds'") == [(state, True)]
        await make_due(db)
        async with db.transaction() as conn:
            await conn.execute("delete from sending_moments")
    counted = {one: again.labels("slack", one)._value.get() - before[one] for one in before}
    assert counted == {"waiting": 2, "parked": 1, "sent": 0}
    await sender.aclose()
