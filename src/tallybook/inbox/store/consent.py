"""SQL of who wants no marketing. What was said of one contact counts for whoever they turned out to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.broadcast_rules import Words
from tallybook.inbox.types import Place


class Word(msgspec.Struct, frozen=True):
    """What was said of one contact: ``how`` is preference, keyword, person or refused; ``cause`` names what said it."""

    contact_id: int
    stopped: bool
    how: str
    cause: str
    at: datetime
    who: str = ""


# Of a refusal we may learn later when it was: our own try says "now", the provider's report its time.
ADD = f"""
insert into contact_consents as w (business_id, contact_id, stopped, how, cause, at, who)
select %(business_id)s::int, u.* from unnest(%(contacts)s::bigint[], %(stopped)s::bool[], %(how)s::text[],
    %(causes)s::text[], %(at)s::timestamptz[], %(who)s::text[]) as u
on conflict {inbox_keys.CONSENT.target} do update set at = excluded.at where excluded.at < w.at
returning contact_id
"""


async def add(conn: Conn, business_id: int, words: Sequence[Word]) -> set[int]:
    """Keeps what was said, each with the earliest time told of it; the contacts of whom that is new."""
    ordered = sorted(words, key=lambda one: (one.contact_id, one.cause))
    values = {
        "business_id": business_id,
        "contacts": arrays.numbers(one.contact_id for one in ordered),
        "stopped": arrays.truths(one.stopped for one in ordered),
        "how": arrays.texts([one.how for one in ordered]),
        "causes": arrays.texts([one.cause for one in ordered]),
        "at": arrays.times(one.at for one in ordered),
        "who": arrays.texts([one.who for one in ordered]),
    }
    return {row[0] for row in await (await conn.execute(ADD, values)).fetchall()}


# A contact and everybody who was joined into them.
SAME = """
with recursive same as (
    select k.id from contacts k where k.business_id = %(business_id)s::int and k.id = %(contact_id)s::bigint
    union
    select k.id from contacts k join same s on k.merged_into = s.id where k.business_id = %(business_id)s::int
)
select w.contact_id, w.stopped, w.how, w.cause, w.at, w.who from contact_consents w
join same s on s.id = w.contact_id
where w.business_id = %(business_id)s::int
order by w.at desc, w.id desc limit 20
"""


async def history(conn: Conn, business_id: int, contact_id: int) -> list[Word]:
    """What was said of somebody, the newest first; the first of it holds."""
    values = {"business_id": business_id, "contact_id": contact_id}
    return [Word(*row) for row in await (await conn.execute(SAME, values)).fetchall()]


# Whoever it was said of, as who they are by now.
STOPPED = """(
    with recursive up as (
        select w.id, w.contact_id as root, w.stopped, w.at from contact_consents w
        where w.business_id = %(business_id)s::int
        union
        select up.id, k.merged_into, up.stopped, up.at from up
        join contacts k on k.business_id = %(business_id)s::int and k.id = up.root and k.merged_into is not null
    ), newest as (
        select distinct on (up.root) up.root, up.stopped from up
        join contacts k on k.business_id = %(business_id)s::int and k.id = up.root and k.merged_into is null
        order by up.root, up.at desc, up.id desc
    )
    select root from newest where stopped)"""
CONTACT_OF_THREAD = """
select contact_id from whatsapp_conversation where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def contact_of(conn: Conn, business_id: int, conversation_id: int) -> int | None:
    row = await (await conn.execute(CONTACT_OF_THREAD, {"business_id": business_id, "id": conversation_id})).fetchone()
    return row[0] if row else None


WORDS = "select stop, resume from consent_words where business_id = %(business_id)s::int"
KEEP_WORDS = f"""
insert into consent_words (business_id, stop, resume)
values (%(business_id)s::int, %(stop)s::text[], %(resume)s::text[])
on conflict {inbox_keys.CONSENT_WORDS.target} do update set stop = excluded.stop, resume = excluded.resume
"""


async def words(conn: Conn, business_id: int) -> Words:
    row = await (await conn.execute(WORDS, {"business_id": business_id})).fetchone()
    return Words(tuple(row[0]), tuple(row[1])) if row else Words()


async def keep_words(conn: Conn, business_id: int, kept: Words) -> None:
    values = {"business_id": business_id, "stop": arrays.texts(kept.stop), "resume": arrays.texts(kept.resume)}
    await conn.execute(KEEP_WORDS, values)


# What WhatsApp refused, or failed later, since they want no more of it.
_OF_MESSAGE = """from whatsapp_message m
join lateral (select x.contact_id from whatsapp_conversation x
    where x.business_id = m.business_id and x.id = m.conversation_id limit 1) c on true"""
REFUSED_OF_KEYS = f"""
select c.contact_id, m.id {_OF_MESSAGE}
where m.business_id = %(business_id)s::int and m.outgoing_key = any(%(keys)s::text[])
    and m.direction = 'out' and m.status = 'failed' and m.failed_reason like any(%(reasons)s::text[])
"""
REFUSED_AT = f"""
select c.contact_id, m.id, u.at {_OF_MESSAGE}
join unnest(%(channels)s::text[], %(accounts)s::text[], %(external)s::text[], %(at)s::timestamptz[])
    as u (channel, account, external, at)
    on m.channel = u.channel and m.account = u.account and m.provider_message_id = u.external
where m.business_id = %(business_id)s::int and m.provider_message_id = any(%(external)s::text[])
    and m.direction = 'out' and m.status = 'failed' and m.failed_reason like any(%(reasons)s::text[])
"""


async def refused_of(
    conn: Conn, business_id: int, reasons: Sequence[str], outgoing_keys: Sequence[str]
) -> list[tuple[int, int]]:
    """Of the messages that the outbox knows by these keys those that failed for one of these reasons.

    Each as its contact's and its own number.
    """
    values = {"business_id": business_id, "reasons": arrays.texts(reasons), "keys": arrays.texts(outgoing_keys)}
    return [(row[0], row[1]) for row in await (await conn.execute(REFUSED_OF_KEYS, values)).fetchall()]


async def refused_at(
    conn: Conn, business_id: int, reasons: Sequence[str], failed: Mapping[Place, datetime]
) -> list[tuple[int, int, datetime]]:
    """Of the messages that providers know by these ids those that failed for one of these reasons, each with when."""
    values = {
        "business_id": business_id, "reasons": arrays.texts(reasons), "at": arrays.times(failed.values()),
        "channels": arrays.texts([one[0] for one in failed]), "accounts": arrays.texts([one[1] for one in failed]),
        "external": arrays.texts([one[2] for one in failed]),
    }  # fmt: skip
    return [(row[0], row[1], row[2]) for row in await (await conn.execute(REFUSED_AT, values)).fetchall()]
