"""Speaks on Slack through the outbox, and finds out afterwards what was said where no answer came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Annotated, Any, TypeAlias

import msgspec

from tallybook.core.channel import OutcomeUnknown, Refused, SendError, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limit, Limits

from .calls import SlackCalls
from .outgoing import BETWEEN, CHANNEL, Body, Call, Topic, body_of, call_of, mark

# To one channel a message a second; to a workspace some hundreds a minute.
LIMITS = Limits((Limit(10, 1), Limit(200, 60)), cooldown=1)
# How far back a message of ours is looked for: nothing is left unknown for longer than a machine is away.
LOOK_BACK = timedelta(days=14)
PAGE, MOST_PAGES = 200, 10
LAST = 32_503_680_000  # the year 3000, in seconds of 1970
NOT_YET = 30.0  # seconds until it is asked again how a message was sent
# How a message of ours was sent, by the workspace and the key it was put under: ``channel/moment``, None if it was not;
# and whether it never will be otherwise.
SentAs: TypeAlias = Callable[[str, str], Awaitable[tuple[str | None, bool]]]


class Profile(msgspec.Struct, frozen=True):
    status_emoji: str = ""
    status_expiration: Annotated[int, msgspec.Meta(ge=0, lt=LAST)] = 0


class User(msgspec.Struct, frozen=True):
    profile: Profile


class Known(msgspec.Struct, frozen=True):
    """What Slack says of a person."""

    user: User


async def never_sent(account: str, key: str) -> tuple[str | None, bool]:  # noqa: ARG001 - as SentAs
    """For who changes nothing that was sent by its key."""
    return None, True


@dataclass
class SlackSender(SlackCalls):
    """The channel ``slack`` as a sender. A post without an answer is looked up by its mark; all else is repeated."""

    sent_as: SentAs = field(default=never_sent, repr=False)
    limits: Limits = LIMITS
    name: str = CHANNEL
    settlement: Settlement = Settlement.BY_LOOKUP

    async def send(self, outgoing: Outgoing) -> str:
        """Says it; returns ``channel/moment`` of a message, "" for all else. Raises as core/channel.py says."""
        body = body_of(outgoing)
        call = call_of(outgoing, await self._changes(outgoing, body))
        try:
            if body.topic is not None:
                await self._hold_back(outgoing, body.topic)
            answer = await self.call(outgoing.account, call)
        except OutcomeUnknown as error:
            if body.may_be_repeated:
                raise Unreachable("Slack gave no answer.") from error
            raise
        return named(answer)

    async def look_up(self, outgoing: Outgoing) -> str | None:
        """``channel/moment`` of a post that was sent, None if it was not, or if it may be repeated.

        Raises a SendError where that cannot be found out now, and Refused where it never can.
        """
        if body_of(outgoing).may_be_repeated:
            return None
        ours = mark(outgoing)
        try:
            channel = await self._where(outgoing)
            async for message in self._said_in(outgoing.account, channel, body_of(outgoing).thread):
                if is_marked(message, ours):
                    return f"{channel}{BETWEEN}{message['ts']}"
        except OutcomeUnknown as error:  # to have asked is no message
            raise Unreachable("Slack gave no answer.") from error
        return None

    async def members_of(self, account: str, group: str) -> list[str]:
        """Who is in a user group now. Raises as ``send``."""
        answer = await self.call(account, Call("usergroups.users.list", {"usergroup": group}))
        return [str(one) for one in answer.get("users", [])]

    async def topic_of(self, account: str, channel: str) -> str:
        """A channel's topic now, as it was written: Slack spells its &, < and > out. Raises as ``send``."""
        answer = await self.call(account, Call("conversations.info", {"channel": channel}))
        return unescape(str(answer.get("channel", {}).get("topic", {}).get("value", "")))

    async def status_of(self, account: str, person: str) -> tuple[str, int]:
        """The emoji of somebody's status now, and until when in seconds of 1970; 0 is until it is changed.

        Raises as ``send``.
        """
        answer = await self.call(account, Call("users.info", {"user": person}))
        try:
            profile = msgspec.convert(answer, Known).user.profile
        except msgspec.ValidationError as error:
            raise Refused("Slack says nothing that can be read of this person's status.") from error
        return profile.status_emoji, profile.status_expiration

    async def _changes(self, outgoing: Outgoing, body: Body) -> str:
        if not body.changes_sent:
            return body.changes
        try:
            found, is_settled = await self.sent_as(outgoing.account, body.changes_sent)
        except Exception as error:  # whatever it was, nothing has left, and the outbox must know that
            raise Unreachable("The message that this one changes could not be looked up.") from error
        if found is None and not is_settled:
            raise SendError("The message that this one changes has not been sent yet.", NOT_YET)
        return found or ""

    async def _hold_back(self, outgoing: Outgoing, topic: Topic) -> None:
        """Between this look and the change somebody may write another one; Slack knows no way to exclude that."""
        if topic.was is None:
            return
        now = await self.topic_of(outgoing.account, outgoing.to)
        ours = (topic.was, topic.text, *([topic.perhaps] if topic.perhaps is not None else []))
        if plain(now) not in {plain(one) for one in ours}:
            raise Refused("Somebody else has written the channel's topic, and it stays theirs.")

    async def _where(self, outgoing: Outgoing) -> str:
        """The channel of a recipient: a person's is the conversation that Slack keeps with them."""
        if not outgoing.to.startswith(("U", "W")):
            return outgoing.to
        answer = await self.call(outgoing.account, Call("conversations.open", {"users": outgoing.to}))
        return str(answer["channel"]["id"])

    async def _said_in(self, account: str, channel: str, thread: str) -> AsyncIterator[dict[str, Any]]:
        """What was said there lately, the newest first. Raises Refused where it is more than can be looked through."""
        oldest = (datetime.now(UTC) - LOOK_BACK).timestamp()
        told: dict[str, Any] = {
            "channel": channel, "oldest": f"{oldest:.6f}", "limit": PAGE, "include_all_metadata": "true",
        }  # fmt: skip
        method = "conversations.replies" if thread else "conversations.history"
        told |= {"ts": thread} if thread else {}
        for _ in range(MOST_PAGES):
            answer = await self.call(account, Call(method, told))
            for message in answer.get("messages", []):
                yield message
            cursor = answer.get("response_metadata", {}).get("next_cursor", "")
            if not cursor:
                return
            told |= {"cursor": cursor}
        raise Refused("So much was said there since that it cannot be found out whether this was sent.")


def plain(topic: str) -> str:
    """A topic in one spelling: Slack gives its &, < and > spelled out. Pure."""
    return unescape(topic).strip()


def is_marked(message: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Whether a message of a channel's history bears that mark. Pure."""
    found = message.get("metadata") or {}
    return all(found.get(name) == value for name, value in ours.items())


def named(answer: dict[str, Any]) -> str:
    """``channel/moment`` of the message that an answer speaks of, "" where it speaks of none. Pure."""
    channel, moment = answer.get("channel"), answer.get("ts")
    return f"{channel}{BETWEEN}{moment}" if isinstance(channel, str) and isinstance(moment, str) else ""
