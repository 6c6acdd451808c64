"""How anything of ours leaves: its place in the thread and its row in the outbox, in one transaction, once for its key.

Whoever sends (a person, the bot, a rule, a broadcast, the API) goes through these two, holding the thread.
"""

from __future__ import annotations

import enum
from datetime import datetime

from tallybook.core import channel_accounts, outbox
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict
from tallybook.core.messages import Outgoing
from tallybook.core.wakeups import wake_up
from tallybook.inbox import window
from tallybook.inbox.contents import Content, Template
from tallybook.inbox.store import sending as store
from tallybook.inbox.store.sending import Held, New
from tallybook.inbox.types import Source
from tallybook.inbox.window import Times, Window

from . import consent, hooks
from .filing import TOPIC

ANSWERED = frozenset({"whatsapp", "gateway"})  # the channels by which somebody can be answered
WITH_TOKENS = frozenset({"whatsapp"})  # whose numbers each have a token of their own
CHANNELS_WITH_RECEIPTS = frozenset({"whatsapp"})


class Why(enum.StrEnum):
    """Why something cannot be sent to a customer now, in words for a person."""

    BLOCKED = "This customer is blocked: nothing can be sent to them."
    CHANNEL = "Answers cannot be sent through a number of this kind."
    NOBODY = "Nothing is known of this customer by which they could be written to."
    NO_NUMBER = "The number to which the customer wrote is not one of this business any more."
    NO_ACCESS = "The number has no access token. An admin can give it one with `tallybook channel add`."
    OPTED_OUT = "They said that they want no more marketing messages."
    WINDOW = "More than 24 hours have passed since the customer wrote: only a template can be sent."


class WindowClosed(Conflict):
    """The customer wrote too long ago to be answered freely."""

    code = "WINDOW_CLOSED"


def refuse(why: Why) -> Conflict:
    """What is raised for a reason."""
    return WindowClosed(why) if why is Why.WINDOW else Conflict(why)


async def may_leave(conn: Conn, business_id: int, held: Held, content: Content, now: datetime) -> Why | None:
    """Why it cannot be sent to the thread's customer now; None where it can."""
    reasons = (
        (held.is_blocked, Why.BLOCKED),
        (held.channel not in ANSWERED, Why.CHANNEL),
        (held.to is None, Why.NOBODY),
    )
    first = next((why for holds, why in reasons if holds), None)
    if first is not None:
        return first
    known = await channel_accounts.listed(conn, business_id)
    number = next((one for one in known if (one.channel, one.account) == (held.channel, held.account)), None)
    if number is None:
        return Why.NO_NUMBER
    if held.channel in WITH_TOKENS and not number.has_token:
        return Why.NO_ACCESS
    if content.free and not (await window_of(conn, business_id, held, now)).open:
        return Why.WINDOW
    if isinstance(content, Template) and await consent.is_held(
        conn, business_id, held.id, (content.name, content.language)
    ):
        return Why.OPTED_OUT
    return None


async def window_of(conn: Conn, business_id: int, held: Held, now: datetime) -> Window:
    """Whether the thread's customer may be written to freely."""
    found = await store.times(conn, business_id, held.id)
    return window.window_of(held.channel, found[1] if found else Times(), now)


async def leave(
    conn: Conn,
    business_id: int,
    held: Held,
    content: Content,
    *,
    source: Source,
    key: str,
    now: datetime,
    by: int | None = None,
    until: datetime | None = None,
    pressed: bool = False,
) -> int:
    """Leaves a message to be sent, in the caller's transaction, who holds the thread; returns the message's id.

    A repeat of ``key`` returns the same id and sends nothing. ``by`` is the account of the person who wrote it. It is
    dropped instead of sent after ``until``, and what is no template once the window has closed. ``pressed``: a person
    waits for it, so that it goes before what is said by itself; what rules and broadcasts say goes last.
    May it leave at all? Ask may_leave() before.
    Raises Conflict for a key that stood for something else, or a customer by whom nothing is known.
    """
    before = await store.put_before(conn, business_id, key)
    if before is not None:
        if before[1] != content.words:
            raise Conflict("Another text was sent under this key. Load the page again.")
        return before[0]
    if held.to is None:
        raise refuse(Why.NOBODY)
    closes = (await window_of(conn, business_id, held, now)).until if content.free else None
    ends = [one for one in (until, closes) if one is not None]
    new = New(held, content.words, content.preview, key, now, by, source, content.type, content.quote)
    message_id = await store.add(conn, business_id, new)
    outgoing = Outgoing(
        held.channel, held.account, held.to, key, content.body(), f"conversation:{held.id}", min(ends, default=None),
        pressed, in_bulk=source is Source.AUTOMATION and not pressed,
    )  # fmt: skip
    await outbox.put(conn, business_id, outgoing)
    await hooks.sent(conn, business_id, message_id, held.id)
    await wake_up(conn, TOPIC, business_id)
    return message_id
