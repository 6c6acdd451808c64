"""What came for each account of a channel: counted with the filing itself, and shown as "connected and fresh".

Whoever files a channel's messages calls ``arrived`` and ``count`` with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from . import arrays, channel_accounts, keys
from .businesses import Business
from .content import read
from .db import Conn
from .health import Check, State
from .messages import Incoming, Stored

NOTHING_YET = "Connected to nothing yet: no webhook has come for it. Is it subscribed at the provider?"
COMES = "Connected; what comes is kept."
# What a gateway says of the connection that it keeps for a number.
CONNECTION, OPEN = "connection", "open"
LOGGED_OUT = "The gateway is logged out of this number."
CLOSED = "The gateway is not connected to WhatsApp."
CONNECTIONS: dict[str, tuple[State, str]] = {
    OPEN: ("ok", COMES), "closed": ("late", CLOSED), "logged_out": ("wrong", LOGGED_OUT),
}  # fmt: skip
# Before this no provider told a time; what claims one has none.
UNDATED = datetime(1970, 1, 2, tzinfo=UTC)


class Arrived(msgspec.Struct, frozen=True):
    """What newly came for one account: ``messages`` are those of all ``updates`` that somebody wrote.

    ``connection`` is the last that was said of it, '' where nothing was; ``connection_at`` None means just now.
    """

    channel: str
    account: str
    messages: int
    updates: int
    last_said_at: datetime | None
    connection: str = ""
    connection_at: datetime | None = None


def arrived(stored: Iterable[Stored]) -> list[Arrived]:
    """Counts by account, in the accounts' order. What was there before counts nothing. Pure."""
    found: dict[tuple[str, str], Arrived] = {}
    for one in stored:
        if not one.fresh:
            continue
        incoming = one.incoming
        key = (incoming.channel, incoming.account)
        before = found.get(key) or Arrived(*key, 0, 0, None)
        said = incoming.said_at if incoming.said_at > UNDATED else None
        last = max((at for at in (before.last_said_at, said) if at is not None), default=None)
        is_message = incoming.kind == "message"
        link = _newer(before, said, _connection(incoming))
        found[key] = Arrived(*key, before.messages + is_message, before.updates + 1, last, *link)
    return [found[key] for key in sorted(found)]


def _connection(incoming: Incoming) -> str:
    if incoming.kind != CONNECTION:
        return ""
    content = read(incoming.content)
    return content.type if content is not None and content.type in CONNECTIONS else ""


def _newer(before: Arrived, at: datetime | None, said: str) -> tuple[str, datetime | None]:
    is_older = at is not None and before.connection and (before.connection_at is None or at < before.connection_at)
    return (before.connection, before.connection_at) if not said or is_older else (said, at)


# No clock of a gateway's that is ahead keeps what it says later from being heard.
COUNT = f"""
insert into channel_arrivals as r (business_id, channel, account, messages, updates, last_said_at, last_seen_at,
    connection, connection_at)
select %(business_id)s::int, u.channel, u.account, u.messages, u.updates, u.said, now(), u.connection,
    case when u.connection <> '' then least(coalesce(u.connection_at, now()), now()) end
from unnest(
    %(channels)s::text[], %(accounts)s::text[], %(messages)s::bigint[], %(updates)s::bigint[], %(said)s::timestamptz[],
    %(connections)s::text[], %(connection_ats)s::timestamptz[])
    as u (channel, account, messages, updates, said, connection, connection_at)
on conflict {keys.CHANNEL_ARRIVALS.target} do update set messages = r.messages + excluded.messages,
    updates = r.updates + excluded.updates, last_seen_at = greatest(r.last_seen_at, excluded.last_seen_at),
    last_said_at = greatest(r.last_said_at, excluded.last_said_at),
    connection = case when excluded.connection_at >= coalesce(r.connection_at, '-infinity') then excluded.connection
        else r.connection end,
    connection_at = greatest(r.connection_at, excluded.connection_at)
"""


async def count(conn: Conn, business_id: int, found: Sequence[Arrived]) -> None:
    """Adds to the accounts' counts, in the transaction that stored what is counted."""
    if not found:
        return
    values = {
        "business_id": business_id,
        "channels": arrays.texts([one.channel for one in found]),
        "accounts": arrays.texts([one.account for one in found]),
        "messages": arrays.numbers(one.messages for one in found),
        "updates": arrays.numbers(one.updates for one in found),
        "said": [one.last_said_at for one in found],
        "connections": arrays.texts([one.connection for one in found]),
        "connection_ats": [one.connection_at for one in found],
    }
    await conn.execute(COUNT, values)


async def checks(conn: Conn, business: Business, _: datetime) -> list[Check]:
    """For each account of the business: whether anything came, how much and when last, and whether it is connected."""
    known = await channel_accounts.listed(conn, business.id)
    return [_check(one) for one in known if one.last_seen_at is not None or not one.may_be_silent]


def _check(one: channel_accounts.ChannelAccount) -> Check:
    # The account too: labels are people's, and alarms are told apart by this name.
    name = f"{one.channel} {one.label} ({one.account})" if one.label else f"{one.channel} {one.account}"
    if one.last_seen_at is None:
        return Check(name, "late", NOTHING_YET)
    facts: dict[str, str | int | float] = {"messages": one.messages, "updates": one.updates}
    if one.last_said_at is not None:
        facts["newest_at"] = one.last_said_at.isoformat()
    state, says = CONNECTIONS[one.connection or OPEN]
    return Check(name, state, says, one.last_seen_at if state == "ok" else one.connection_at, facts)
