"""What is said to Slack: one call for each kind of thing that the outbox holds. Pure.

``Body`` is what the outbox holds. Only a post can be said twice; all else sets something to what it is to be, and so
may be repeated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw

from tallybook.core.channel import Refused
from tallybook.core.messages import Outgoing

CHANNEL = "slack"
LONGEST_TEXT = 40_000  # characters; Slack cuts off what is over it
MOST_BLOCKS = 50
LONGEST_TOPIC = 250  # characters
MOST_MEMBERS = 1000
MARK = "tallybook_sent"  # the type of the metadata by which a post of ours is known again
BETWEEN = "/"  # stands between the channel and the moment that together name a message


class Topic(msgspec.Struct, frozen=True):
    """What a channel's topic is to be, if it still is ``was``; with None, whatever it is.

    ``perhaps`` was asked for before, and may have been set since.
    """

    text: str
    was: str | None = None
    perhaps: str | None = None


class Body(msgspec.Struct, frozen=True):
    """What the outbox holds for Slack; ``to`` is a channel, a person, or for ``members`` a user group.

    ``changes`` names the message that becomes this, as ``channel/moment``; ``changes_sent`` by the key under which it
    was put. ``home`` is the view of a person's App Home. ``thread`` is the moment of the message that is answered.
    """

    text: str = ""
    blocks: list[dict[str, Any]] | None = None
    thread: str = ""
    changes: str = ""
    changes_sent: str = ""
    home: dict[str, Any] | None = None
    members: list[str] | None = None
    topic: Topic | None = None

    @property
    def may_be_repeated(self) -> bool:
        """Whether it does no harm to say it twice."""
        return bool(self.changes or self.changes_sent) or self.home is not None or not self._speaks

    @property
    def _speaks(self) -> bool:
        return self.members is None and self.topic is None


class Call(msgspec.Struct, frozen=True):
    """A method of Slack's API and what it is told; what is no text goes as JSON."""

    method: str
    told: dict[str, Any]


def posted(
    account: str, to: str, key: str, text: str, blocks: Sequence[Any] = (), expires_at: datetime | None = None
) -> Outgoing:
    """A message to a channel (C…) or to a person (U…); ``text`` is what notifications and screen readers say.

    At most one in a second leaves for each of them.
    """
    body: dict[str, Any] = {"text": str(text)} | ({"blocks": _json(list(blocks))} if blocks else {})
    return Outgoing(CHANNEL, account, to, key, body, topic=to, expires_at=expires_at)


def answered(outgoing: Outgoing, thread: str) -> Outgoing:
    """The same post in the thread below the message of that moment."""
    return msgspec.structs.replace(outgoing, body=outgoing.body | {"thread": thread})


def changed(outgoing: Outgoing, *, message: str = "", sent: str = "") -> Outgoing:
    """The same words in place of a message of ours: named as ``channel/moment``, or by the key it was ``sent`` under.

    It leaves behind the post that it changes.
    """
    return msgspec.structs.replace(outgoing, body=outgoing.body | {"changes": message, "changes_sent": sent})


def home(account: str, person: str, key: str, view: Mapping[str, Any]) -> Outgoing:
    """What a person's App Home is to show."""
    return Outgoing(CHANNEL, account, person, key, {"home": _json(view)}, topic=f"home {person}")


def body_of(outgoing: Outgoing) -> Body:
    """What the outbox holds. Raises Refused for what is nothing of Slack's."""
    try:
        return msgspec.json.decode(msgspec.json.encode(outgoing.body), type=Body)
    except msgspec.ValidationError as error:
        raise Refused("This is nothing that can be sent by Slack.") from error


def call_of(outgoing: Outgoing, changes: str = "") -> Call:
    """The call for a message. ``changes`` names, as ``channel/moment``, the message that it changes, if it does.

    Raises Refused for what Slack could not take.
    """
    body = body_of(outgoing)
    if not outgoing.to:
        raise Refused("There is nobody to send to.")
    if body.home is not None:
        return Call("views.publish", {"user_id": outgoing.to, "view": body.home})
    if body.members is not None:
        return _members(outgoing.to, body.members)
    if body.topic is not None:
        if len(body.topic.text) > LONGEST_TOPIC:
            raise Refused(f"A channel's topic has {LONGEST_TOPIC} characters at most.")
        return Call("conversations.setTopic", {"channel": outgoing.to, "topic": body.topic.text})
    said = _said(body)
    if body.may_be_repeated:
        channel, _, moment = changes.partition(BETWEEN)
        if not moment:
            raise Refused("The message that this one changes was never sent.")
        return Call("chat.update", {"channel": channel, "ts": moment, **said})
    said |= {"thread_ts": body.thread} if body.thread else {}
    return Call("chat.postMessage", {"channel": outgoing.to, "metadata": mark(outgoing), **said})


def mark(outgoing: Outgoing) -> dict[str, Any]:
    """What stands beside a post of ours, so that it is known again: a hash of its key, since any app may read it."""
    known_by = hashlib.sha256(f"{outgoing.account}\0{outgoing.to}\0{outgoing.dedup_key}".encode()).hexdigest()
    return {"event_type": MARK, "event_payload": {"key": known_by}}


def _said(body: Body) -> dict[str, Any]:
    if not body.text.strip():
        raise Refused("There is no text to send.")
    if len(body.text) > LONGEST_TEXT:
        raise Refused(f"Slack takes {LONGEST_TEXT:,} characters at most.")
    if len(body.blocks or ()) > MOST_BLOCKS:
        raise Refused(f"Slack takes {MOST_BLOCKS} blocks at most.")
    # Without blocks an update would leave those that are there.
    return {"text": body.text, "blocks": body.blocks or [], "unfurl_links": False, "unfurl_media": False}


def _members(group: str, people: list[str]) -> Call:
    if not people:
        raise Refused("Slack lets no user group be empty, so it stays as it is.")
    if len(people) > MOST_MEMBERS:
        raise Refused(f"A user group has {MOST_MEMBERS:,} members at most.")
    return Call("usergroups.users.update", {"usergroup": group, "users": ",".join(people)})


def _json(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))
