"""A made-up Slack workspace: its people, channels, messages, user groups and open views. Holds no connection."""

from __future__ import annotations

import itertools
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .limits import NotTaken

TRIGGER_SECONDS = 3.0
VIEWS_AT_ONCE = 3
TEAM, BOT, APP = "T0DEMO", "U0BOT", "A0TALLYBOOK"


@dataclass
class Person:
    """Somebody of the workspace. ``shown`` is what only they saw, ``faults`` what Slack told them went wrong."""

    id: str
    name: str
    zone: str = "UTC"
    is_active: bool = True
    is_bot: bool = False
    status: str = ""
    status_until: int = 0
    home: dict[str, Any] | None = None
    views: list[dict[str, Any]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def view(self) -> dict[str, Any]:
        """The view on top."""
        return self.views[-1]


@dataclass
class Channel:
    """A channel, or with ``person`` the conversation of the app with them."""

    id: str
    name: str
    topic: str = ""
    person: str = ""
    has_app: bool = True
    is_archived: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Group:
    """A user group."""

    id: str
    handle: str
    people: list[str] = field(default_factory=list)


@dataclass
class Trigger:
    """What a click lets the app do once: open a view for who clicked, within three seconds."""

    person: str
    until: float
    is_used: bool = False


@dataclass
class Workspace:
    """All of it. ``shift`` moves its clock, in seconds. ``has_groups``: user groups are for paid workspaces."""

    team: str = TEAM
    people: dict[str, Person] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    has_groups: bool = True
    shift: float = 0.0
    scopes_taken: set[str] = field(default_factory=set)
    _numbers: defaultdict[str, Iterator[int]] = field(default_factory=lambda: defaultdict(lambda: itertools.count(1)))

    def __post_init__(self) -> None:
        self.people.setdefault(BOT, Person(BOT, "Tallybook", is_bot=True))

    def now(self) -> float:
        return time.time() + self.shift

    def moment(self) -> str:
        """A message's time, which is also its name: unique, and later than every other."""
        return f"{int(self.now())}.{next(self._numbers['moment']):06}"

    def new_id(self, letter: str) -> str:
        return f"{letter}0{next(self._numbers[letter]):05}"

    def person(self, name: str, *, zone: str = "UTC") -> Person:
        """Somebody new."""
        one = Person(self.new_id("U"), name, zone)
        self.people[one.id] = one
        return one

    def channel(self, name: str, *, has_app: bool = True) -> Channel:
        """A new channel."""
        one = Channel(self.new_id("C"), name, has_app=has_app)
        self.channels[one.id] = one
        return one

    def group(self, handle: str, *people: str) -> Group:
        """A new user group."""
        one = Group(self.new_id("S"), handle, list(people))
        self.groups[one.id] = one
        return one

    def conversation(self, person: str) -> Channel:
        """The app's conversation with somebody. Raises NotTaken."""
        known = self.people.get(person)
        if known is None:
            raise NotTaken("user_not_found")
        if known.is_bot:
            raise NotTaken("cannot_dm_bot")
        if not known.is_active:
            raise NotTaken("user_disabled")
        for channel in self.channels.values():
            if channel.person == person:
                return channel
        one = Channel(self.new_id("D"), "", person=person)
        self.channels[one.id] = one
        return one

    def place(self, told: str) -> Channel:
        """Where something is said: a channel, by its id or as ``#name``, or a person. Raises NotTaken."""
        if told in self.people:
            return self.conversation(told)
        named = [one for one in self.channels.values() if told.startswith("#") and one.name == told[1:]]
        found = self.channels.get(told) or (named[0] if named else None)
        if found is None:
            raise NotTaken("channel_not_found")
        if found.is_archived:
            raise NotTaken("is_archived")
        if not found.has_app:
            raise NotTaken("not_in_channel")
        return found

    def trigger(self, person: str) -> str:
        """A new trigger of somebody's click."""
        named = f"{next(self._numbers['trigger'])}.{self.team}.{secrets.token_hex(8)}"
        self.triggers[named] = Trigger(person, self.now() + TRIGGER_SECONDS)
        return named

    def exchanged(self, trigger: str) -> Person:
        """Uses up a trigger; whose it is. Raises NotTaken."""
        known = self.triggers.get(trigger)
        if known is None:
            raise NotTaken("invalid_trigger_id")
        if known.is_used:
            raise NotTaken("exchanged_trigger_id")
        if self.now() > known.until:
            raise NotTaken("expired_trigger_id")
        known.is_used = True
        return self.people[known.person]

    def made(self, told: dict[str, Any]) -> dict[str, Any]:
        """A view as Slack keeps it: with a name, a hash, and every block named."""
        number = self.new_id("V")
        return self.marked({"state": {"values": {}}, "external_id": "", "callback_id": "", **told, "id": number})

    def marked(self, view: dict[str, Any]) -> dict[str, Any]:
        """The view with a new hash; the one before no longer fits."""
        blocks = [{"block_id": secrets.token_hex(3), **block} for block in view["blocks"]]
        return {**view, "blocks": blocks, "hash": f"{int(self.now())}.{secrets.token_hex(4)}", "team_id": self.team}

    def find_view(self, told: dict[str, Any]) -> tuple[Person, int]:
        """Whose view is meant, and its place in their pile. Raises NotTaken, also where its hash is an older one."""
        for person in self.people.values():
            for place, view in enumerate(person.views):
                is_it = view["id"] == told.get("view_id") or (
                    bool(told.get("external_id")) and view["external_id"] == told["external_id"]
                )
                if is_it and told.get("hash") and told["hash"] != view["hash"]:
                    raise NotTaken("hash_conflict")
                if is_it:
                    return person, place
        raise NotTaken("not_found")

    def message(self, channel: str, moment: str) -> dict[str, Any]:
        """A message by its place and time. Raises NotTaken."""
        for message in self.channels[channel].messages:
            if message["ts"] == moment:
                return message
        raise NotTaken("message_not_found")
