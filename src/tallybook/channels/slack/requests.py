"""What somebody did in Slack, whichever way Slack tells it, with what makes a repeat of it known as one. Pure.

Over HTTP an event is JSON, a command is a form, and whatever was clicked is JSON in a form; over Socket Mode all of
them are JSON. Each becomes one Request.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Raw

from tallybook.core import json_text
from tallybook.core.updates import derived_id

MOST_FIELDS = 100  # of a form; a command has some fifteen


class Kind(enum.StrEnum):
    """What was done. The last three change nothing and wait for no answer but their own."""

    EVENT = "event"
    COMMAND = "command"
    ACTION = "action"
    SUBMISSION = "submission"
    SHORTCUT = "shortcut"
    CLOSED = "closed"
    OPTIONS = "options"
    GREETING = "greeting"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody did.

    ``name`` is the event's type, the command, the action's id or the callback's. ``identity`` is the same at every
    repeat: an event's id, or who clicked what when. ``team`` is the workspace. ``channel`` is where it was done, where
    that is a channel. ``at`` is the moment as Slack tells it, in seconds; "" where it tells none. ``ours``: an app said
    it. ``payload`` is all of it, as JSON.
    """

    kind: Kind
    name: str
    identity: str
    team: str = ""
    user: str = ""
    channel: str = ""
    at: str = ""
    text: str = ""
    ours: bool = False
    payload: Raw = Raw(b"null")

    @property
    def changes_nothing(self) -> bool:
        """Whether it need not be kept: nothing could follow from it later."""
        return self.kind in {Kind.CLOSED, Kind.OPTIONS, Kind.GREETING}


class Named(msgspec.Struct, frozen=True):
    """A person, team or channel within a payload."""

    id: str = ""
    team_id: str | None = None


class Event(msgspec.Struct, frozen=True):
    """What happened, as far as it is read. Slack gives ``channel`` as a text in most events and as an object in few."""

    type: str = ""
    user: Any = None
    channel: Any = None
    text: str | None = None
    bot_id: str | None = None
    ts: str | None = None
    event_ts: str | None = None


class Action(msgspec.Struct, frozen=True):
    action_id: str = ""
    action_ts: str = ""


class Container(msgspec.Struct, frozen=True):
    message_ts: str | None = None
    view_id: str | None = None
    channel_id: str | None = None


class View(msgspec.Struct, frozen=True):
    id: str = ""
    callback_id: str | None = None
    hash: str | None = None


class Payload(msgspec.Struct, frozen=True):
    """Every field that any of the payloads has and that is read here."""

    type: str = ""
    command: str | None = None
    team_id: str | None = None
    event_id: str | None = None
    event_time: int | None = None
    event: Event | None = None
    team: Named | None = None
    user: Named | None = None
    channel: Named | None = None
    container: Container | None = None
    view: View | None = None
    actions: list[Action] | None = None
    callback_id: str | None = None
    action_id: str | None = None
    action_ts: str | None = None
    trigger_id: str | None = None


class Command(msgspec.Struct, frozen=True):
    """A slash command; a form over HTTP, the same fields as JSON over Socket Mode."""

    command: str
    team_id: str
    user_id: str
    trigger_id: str
    channel_id: str = ""
    text: str = ""


_payload = msgspec.json.Decoder(Payload)
_GREETINGS = frozenset({"url_verification", "ssl_check"})


def read(body: bytes) -> Request:
    """What a body tells. Raises ValueError, or what msgspec raises, for what is no request of Slack's."""
    text = body.decode()
    if not text.lstrip().startswith("{"):
        form = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS))
        if "payload" not in form:
            return _of_form(form)
        text = form["payload"]
    text = json_text.storable(text)
    told = _payload.decode(text)
    raw = Raw(text.encode())
    if told.command is not None:
        return _command(msgspec.json.decode(text, type=Command), raw)
    if told.type in _GREETINGS:
        return Request(kind=Kind.GREETING, name=told.type, identity="", payload=raw)
    if told.event is not None:
        return _event(told, told.event, raw)
    return _clicked(told, raw)


def _of_form(form: Mapping[str, str]) -> Request:
    whole = {name: json_text.plain(value) for name, value in form.items()}
    raw = Raw(msgspec.json.encode(whole))
    if "ssl_check" in whole:
        return Request(kind=Kind.GREETING, name="ssl_check", identity="", payload=raw)
    return _command(msgspec.convert(whole, Command), raw)


def _command(told: Command, raw: Raw) -> Request:
    return Request(
        kind=Kind.COMMAND,
        name=told.command,
        identity=_needed(told.trigger_id),
        team=told.team_id,
        user=told.user_id,
        channel=told.channel_id,
        text=told.text,
        payload=raw,
    )


def _event(told: Payload, event: Event, raw: Raw) -> Request:
    return Request(
        kind=Kind.EVENT,
        name=event.type,
        identity=_needed(told.event_id),
        team=told.team_id or "",
        user=_id_of(event.user),
        channel=_id_of(event.channel),
        at=str(told.event_time or event.event_ts or event.ts or ""),
        text=event.text or "",
        ours=event.bot_id is not None,
        payload=raw,
    )


# What the provider calls each of them.
_KINDS = {
    "block_actions": Kind.ACTION,
    "view_submission": Kind.SUBMISSION,
    "view_closed": Kind.CLOSED,
    "shortcut": Kind.SHORTCUT,
    "message_action": Kind.SHORTCUT,
    "block_suggestion": Kind.OPTIONS,
}


def _clicked(told: Payload, raw: Raw) -> Request:
    kind = _KINDS.get(told.type)
    user = told.user.id if told.user else ""
    name, identity, at = told.callback_id or told.type, told.trigger_id or told.action_ts or "", told.action_ts or ""
    if kind is Kind.ACTION and told.actions:
        action = told.actions[0]
        name, at = action.action_id, action.action_ts
        identity = _click(told.container or Container(), action, user)
    elif kind in {Kind.SUBMISSION, Kind.CLOSED} and told.view is not None:
        name = told.view.callback_id or ""
        # A submission that was answered with errors is sent again from the same view, and is another one.
        identity = told.trigger_id or f"{told.view.id}:{told.view.hash or ''}:{told.type}"
    elif kind is Kind.OPTIONS:
        name, identity = told.action_id or "", ""
    else:
        identity = identity or derived_id(raw)
    return Request(
        kind=kind or Kind.EVENT,
        name=name,
        identity=identity,
        team=(told.team.id if told.team else "") or (told.user.team_id if told.user else "") or "",
        user=user,
        channel=told.channel.id if told.channel else "",
        at=at,
        payload=raw,
    )


def _click(where: Container, action: Action, user: str) -> str:
    """Who clicked what, and when: the same for every repeat of one click, and for no other."""
    place = where.message_ts or where.view_id or ""
    return ":".join((place, _needed(action.action_ts), action.action_id, user))


def _id_of(told: Any) -> str:
    """A person or channel, given by its id or as an object that has one."""
    found = told.get("id") if isinstance(told, dict) else told
    return found if isinstance(found, str) else ""


def _needed(identity: str | None) -> str:
    if not identity:
        raise ValueError("a request without what tells it from others")
    return identity
