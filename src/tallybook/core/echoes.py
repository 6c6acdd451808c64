"""What we sent comes back as a message of its chat: recognised, never interpreted, and taken as the proof of sending.

Recognised by the provider's id where we know it, else by its very words in the same chat, within a day of our last try.
A mention that a channel puts before our words is not part of them. Only a message from our own numbers proves anything;
the same words from anybody else are merely not read, and only where we really tried to send them: nobody's message may
vanish because it equals what was once to be said. Whoever puts one sees to it that no person would write the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from . import arrays
from .db import Conn
from .messages import Status
from .outcomes import Became, Tell, tell_nobody

# WhatsApp's clock and ours may differ by so much.
SKEW = timedelta(minutes=10)
# What a bridge shows later than that after our last try is not what we said.
COMES_BACK_WITHIN = timedelta(days=1)


class Match(msgspec.Struct, frozen=True):
    """A message that says what we sent.

    ``by_id``: the provider's own id says so. ``proves``: it is from our number, and the sending is not proved yet.
    """

    message_id: int
    external_id: str
    outgoing_id: int
    by_id: bool
    proves: bool


def proofs(matches: Sequence[Match]) -> dict[int, Match]:
    """Which message proves which sending, by the sending's number; each at most one. Pure.

    An id decides before words; of two that said the same, the older is taken to have come back first.
    """
    proved: dict[int, Match] = {}
    used: set[int] = set()
    for match in sorted(matches, key=lambda m: (not m.by_id, m.message_id, m.outgoing_id)):
        if match.proves and match.message_id not in used and match.outgoing_id not in proved:
            proved[match.outgoing_id] = match
            used.add(match.message_id)
    return proved


ANY = "select 1 from outbox where business_id = %(business_id)s::int limit 1"
MATCHES = """
with said as (
    select m.id, m.channel, m.chat, m.external_id, m.said_at, m.from_us, m.from_us and not m.deleted as ours,
        md5(regexp_replace(m.text, '^(@[0-9]{5,20}[[:space:]]+)+', '')) as words
    from messages m
    where m.business_id = (select %(business_id)s::int) and m.id = any(%(ids)s::bigint[])
)
select s.id, s.external_id, o.id, true, s.ours from said s
join outbox o on o.business_id = (select %(business_id)s::int) and o.channel = s.channel
    and o.external_id = s.external_id
union all
select s.id, s.external_id, o.id, false,
    s.ours and o.external_id is null and (o.tried_at is not null or o.attempts > 0)
        and o.state in ('waiting', 'sending', 'sent', 'unknown', 'parked')
from said s
join outbox o on o.business_id = (select %(business_id)s::int) and o.channel = s.channel and o.recipient = s.chat
    and md5(o.body ->> 'text') = s.words
    and s.said_at between o.created_at - %(skew)s::interval
        and coalesce(o.tried_at, o.done_at, o.created_at) + %(within)s::interval
    and (s.from_us or o.tried_at is not null or o.attempts > 0)
"""
PROVED = """
update outbox o set state = 'delivered', external_id = u.external_id, lease_until = null, reason = null,
    done_at = coalesce(o.done_at, now())
from unnest(%(ids)s::bigint[], %(external_id)s::text[]) as u (id, external_id)
where o.business_id = %(business_id)s::int and o.id = u.id
    and (o.external_id is null or o.external_id = u.external_id)
    and o.state in ('waiting', 'sending', 'sent', 'unknown', 'parked')
returning o.channel, o.dedup_key
"""


async def ours(conn: Conn, business_id: int, message_ids: Sequence[int]) -> dict[int, int]:
    """Which of these stored messages say what we sent, whoever said it, with the number of the outgoing message."""
    return _recognised(await _matches(conn, business_id, message_ids))


async def come_back(
    conn: Conn, business_id: int, message_ids: Sequence[int], tell: Tell = tell_nobody
) -> dict[int, int]:
    """As ``ours``; and those that came from our own numbers raise what we sent to delivered, of which ``tell`` hears.

    Costs next to nothing while nothing was ever sent. The same message again changes nothing.
    """
    matches = await _matches(conn, business_id, message_ids)
    proved = proofs(matches)
    if proved:
        ordered = sorted(proved)
        names = arrays.texts([proved[outgoing].external_id for outgoing in ordered])
        values = {"business_id": business_id, "ids": ordered, "external_id": names}
        sent = await (await conn.execute(PROVED, values)).fetchall()
        await tell(conn, business_id, [Became(channel, key, Status.DELIVERED) for channel, key in sent])
    return _recognised(matches)


def _recognised(matches: Sequence[Match]) -> dict[int, int]:
    """The sending that each message says; an id decides before words."""
    return {match.message_id: match.outgoing_id for match in sorted(matches, key=lambda m: (m.by_id, -m.outgoing_id))}


async def _matches(conn: Conn, business_id: int, message_ids: Sequence[int]) -> list[Match]:
    if not message_ids:
        return []
    if await (await conn.execute(ANY, {"business_id": business_id})).fetchone() is None:
        return []
    values = {"business_id": business_id, "ids": arrays.numbers(message_ids), "skew": SKEW, "within": COMES_BACK_WITHIN}
    return [Match(*row) for row in await (await conn.execute(MATCHES, values)).fetchall()]
