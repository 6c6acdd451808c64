"""Reactions of ours: an emoji put on a message or taken off, shown at once, sent once, honest when it is refused."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import msgspec

from tallybook.core import audit, expiry, outbox
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.messages import Outgoing
from tallybook.core.wakeups import wake_up
from tallybook.inbox.contents import Text
from tallybook.inbox.store import reacting as store
from tallybook.inbox.store.reacting import About, Ours
from tallybook.inbox.types import Delivery

from . import sending
from .leaving import may_leave, refuse
from .outcomes import TOPIC
from .signs import OVERTAKEN, REACTION

OLDEST = timedelta(days=30)
LONGEST_EMOJI = 32  # characters; a flag or a family is one emoji of many
QUICK = ("👍", "❤️", "😂", "😮", "😢", "🙏")
SYMBOLS = frozenset({"So", "Sk", "Sm", "Me"})


async def react(  # the thread and its message, what is put on it, once
    conn: Conn, caller: Caller, conversation_id: int, message_id: int, emoji: str, key: str
) -> None:
    """Puts an emoji on a message, or takes ours off where ``emoji`` is empty. A repeat of ``key`` does nothing.

    Raises NotAllowed, NotFound, Invalid for what is no emoji, Conflict where the message or the customer cannot be
    reached, WindowClosed.
    """
    require(caller, Right.ANSWER)
    emoji, now = emoji_of(emoji), datetime.now(UTC)
    held = await sending.hold(conn, caller.business_id, conversation_id)
    about = await store.about(conn, caller.business_id, held.id, message_id)
    if about is None:
        raise NotFound("There is no such message.")
    _check(about, now)
    why = await may_leave(conn, caller.business_id, held, Text(emoji), now)
    if why is not None or held.to is None:
        raise refuse(why) if why is not None else NotFound("There is no such message.")
    outgoing_key = f"{REACTION}{message_id}:{sending.checked_key(key)}"
    ours = Ours(about.channel, about.account, about.external_id or "", emoji, outgoing_key, now)
    body: dict[str, msgspec.Raw | str | int | bool | list[str] | None] = {
        "reaction": msgspec.Raw(msgspec.json.encode({"about": ours.about, "emoji": emoji}))
    }
    topic = f"reaction:{message_id}"
    if not await outbox.put(
        conn,
        caller.business_id,
        Outgoing(ours.channel, ours.account, held.to, outgoing_key, body, topic, now + OLDEST, pressed=True),
    ):
        return
    # The outbox's rows first, as whoever hears what became of them takes them.
    before = await store.key_before(conn, caller.business_id, ours)
    overtaken = [before] if before else []
    unsent = await expiry.take_back(conn, caller.business_id, ours.channel, overtaken, OVERTAKEN)
    await store.put(conn, caller.business_id, ours, unsent=bool(unsent))
    told = {"message": message_id, "taken_off": not emoji}
    await audit.record_by(conn, caller, "message.reacted", "conversation", str(held.id), None, told)
    await wake_up(conn, TOPIC, caller.business_id)


def emoji_of(text: str) -> str:
    """The emoji, or nothing for none. Raises Invalid for what is none. Pure."""
    emoji = text.strip()
    if not emoji:
        return ""
    kinds = {unicodedata.category(one) for one in emoji}
    if len(emoji) > LONGEST_EMOJI or not kinds & SYMBOLS or kinds & {"Ll", "Lu", "Lo", "Zs", "Cc", "Cs"}:
        raise Invalid("A reaction is one emoji.")
    return emoji


def _check(about: About, now: datetime) -> None:
    if about.external_id is None or about.status == Delivery.DELETED:
        raise Conflict("This message cannot be reacted to: WhatsApp does not know it, or it was deleted.")
    if now - about.said_at > OLDEST:
        raise Conflict("This message is older than 30 days: WhatsApp takes no reaction to it.")


async def quoted(conn: Conn, caller: Caller, conversation_id: int, message_id: int) -> About:
    """The message of a thread that is answered. Raises NotFound, and Conflict where it cannot be quoted."""
    found = await store.about(conn, caller.business_id, conversation_id, message_id)
    if found is None:
        raise NotFound("There is no such message.")
    if found.external_id is None or found.status == Delivery.DELETED:
        raise Conflict("This message cannot be quoted: WhatsApp does not know it, or it was deleted.")
    return found
