"""What came for each account of a channel: counted with the filing itself, and shown as "connected and fresh".

Whoever files a channel's messages calls ``arrived`` and ``count`` with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from . import arrays, channel_accounts, keys
from .businesses import Business
from .db import Conn
from .health import Check
from .messages import Stored

NOTHING_YET = "Connected to nothing yet: no webhook has come for it. Is it subscribed at the provider?"
COMES = "Connected; what comes is kept."
# Before this no provider told a time; what claims one has none.
UNDATED = datetime(1970, 1, 2, tzinfo=UTC)


class Arrived(msgspec.Struct, frozen=True):
    """What newly came for one account: ``messages`` are those of all ``updates`` that somebody wrote."""

    channel: str
    account: str
    messages: int
    updates: int
    last_said_at: datetime | None


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
        found[key] = Arrived(*key, before.messages + is_message, before.updates + 1, last)
    return [found[key] for key in sorted(found)]


COUNT = f"""
insert into channel_arrivals as r (business_id, channel, account, messages, updates, last_said_at, last_seen_at)
select %(business_id)s::int, u.*, now() from unnest(
    %(channels)s::text[], %(accounts)s::text[], %(messages)s::bigint[], %(updates)s::bigint[],
    %(said)s::timestamptz[]) as u
on conflict {keys.CHANNEL_ARRIVALS.target} do update set messages = r.messages + excluded.messages,
    updates = r.updates + excluded.updates, last_seen_at = greatest(r.last_seen_at, excluded.last_seen_at),
    last_said_at = greatest(r.last_said_at, excluded.last_said_at)
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
    }
    await conn.execute(COUNT, values)


async def checks(conn: Conn, business: Business, _: datetime) -> list[Check]:
    """For each account of the business: whether anything came, how much, and when last."""
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
    return Check(name, "ok", COMES, one.last_seen_at, facts)
