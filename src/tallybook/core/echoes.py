"""What we sent comes back as a message of its chat: recognised, never interpreted, and taken as the proof of sending.

Recognised by the provider's id where we know it, else by its very words in the same chat. A mention that a channel puts
before our words is not part of them. Only a message from our own numbers proves anything; the same words from anybody
else are merely not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from . import arrays
from .db import Conn
from .messages import Stored

# WhatsApp's clock and ours may differ by so much.
SKEW = timedelta(minutes=10)
_MENTIONS = re.compile(r"(?:@[0-9]{5,20}\s+)+")


class Match(msgspec.Struct, frozen=True):
    """A message that says what we sent. ``open``: by its words alone, and nothing else is known to have proved it."""

    message_id: int
    outgoing_id: int
    by_id: bool
    open: bool


def words_of(text: str) -> str:
    """A text without the mentions that stand before it. Pure."""
    return _MENTIONS.sub("", text, count=1) if text.startswith("@") else text


def proofs(matches: Sequence[Match], from_us: set[int]) -> dict[int, int]:
    """Which message proves which sending, each at most one, as {outgoing: message}. Pure.

    The id decides before the words; of two that said the same, the older is taken to have come back first.
    """
    proved: dict[int, int] = {}
    used: set[int] = set()
    for match in sorted(matches, key=lambda m: (not m.by_id, m.message_id, m.outgoing_id)):
        fits = match.by_id or match.open
        if fits and match.message_id in from_us - used and match.outgoing_id not in proved:
            proved[match.outgoing_id] = match.message_id
            used.add(match.message_id)
    return proved


# By its number, which is in the order of time and has an index.
FIRST_SENT = """
select created_at from outbox
where business_id = %(business_id)s::int and channel = any(%(channels)s::text[]) order by id limit 1
"""
MATCHES = """
with said as (
    select * from unnest(%(ids)s::bigint[], %(channel)s::text[], %(chat)s::text[], %(external_id)s::text[],
        %(words)s::text[], %(said_at)s::timestamptz[]) as u (id, channel, chat, external_id, words, said_at)
)
select s.id, o.id, true, true from said s
join outbox o on o.business_id = (select %(business_id)s::int) and o.channel = s.channel
    and o.external_id = s.external_id
union all
select s.id, o.id, false, o.external_id is null and o.attempts > 0 and o.created_at <= s.said_at + %(skew)s::interval
    and o.state in ('waiting', 'sending', 'sent', 'unknown', 'parked')
from said s
join outbox o on o.business_id = (select %(business_id)s::int) and o.channel = s.channel and o.recipient = s.chat
    and md5(o.body ->> 'text') = md5(s.words)
"""
PROVED = """
update outbox o set state = 'delivered', external_id = u.external_id, lease_until = null, reason = null,
    done_at = coalesce(o.done_at, now())
from unnest(%(ids)s::bigint[], %(external_id)s::text[]) as u (id, external_id)
where o.business_id = %(business_id)s::int and o.id = u.id
    and (o.external_id is null or o.external_id = u.external_id)
    and o.state in ('waiting', 'sending', 'sent', 'unknown', 'parked')
"""


async def recognise(conn: Conn, business_id: int, stored: Sequence[Stored]) -> set[int]:
    """Which of these messages say what we sent. Those that our own numbers sent raise it to delivered.

    Costs next to nothing where nothing was ever sent before they were said.
    """
    asked = {"business_id": business_id, "channels": sorted({s.incoming.channel for s in stored})}
    first = await (await conn.execute(FIRST_SENT, asked)).fetchone() if stored else None
    if first is None:
        return set()
    late = [s for s in stored if s.incoming.said_at >= first[0] - SKEW]
    if not late:
        return set()
    rows = await (await conn.execute(MATCHES, _columns(business_id, late))).fetchall()
    matches = [Match(*row) for row in rows]
    ours = {s.id for s in late if s.fresh and s.incoming.from_us and not s.incoming.deleted}
    proved = proofs(matches, ours)
    if proved:
        names = {s.id: s.incoming.external_id for s in late}
        ordered = sorted(proved)
        external = arrays.texts([names[proved[outgoing]] for outgoing in ordered])
        values = {"business_id": business_id, "ids": ordered, "external_id": external}
        await conn.execute(PROVED, values)
    return {match.message_id for match in matches}


def _columns(business_id: int, stored: Sequence[Stored]) -> dict[str, object]:
    said = [s.incoming for s in stored]
    return {
        "business_id": business_id,
        "ids": arrays.numbers([s.id for s in stored]),
        "channel": arrays.texts([i.channel for i in said]),
        "chat": arrays.texts([i.chat for i in said]),
        "external_id": arrays.texts([i.external_id for i in said]),
        "words": arrays.texts([words_of(i.text) for i in said]),
        "said_at": arrays.times(i.said_at for i in said),
        "skew": SKEW,
    }
