"""SQL of our own reactions, and of what may be answered, quoted or reacted to."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core import inbox_keys
from tallybook.core.db import Conn


class About(msgspec.Struct, frozen=True):
    """A message of a thread as the provider knows it; ``external_id`` None while it does not."""

    channel: str
    account: str
    external_id: str | None
    said_at: datetime
    status: str
    body: str
    type: str
    source: str


ABOUT = """
select channel, account, provider_message_id, said_at, status, body, message_type, source from whatsapp_message
where business_id = %(business_id)s::int and conversation_id = %(conversation_id)s::bigint and id = %(id)s::bigint
    and source <> 'system'
"""


async def about(conn: Conn, business_id: int, conversation_id: int, message_id: int) -> About | None:
    """A message of this thread; None where it has none such."""
    asked = {"business_id": business_id, "conversation_id": conversation_id, "id": message_id}
    row = await (await conn.execute(ABOUT, asked)).fetchone()
    return About(*row) if row else None


class Ours(msgspec.Struct, frozen=True):
    """A reaction of ours to be put; the empty ``emoji`` takes one off."""

    channel: str
    account: str
    about: str
    emoji: str
    key: str
    at: datetime


BEFORE = """
select outgoing_key from message_reactions
where business_id = %(business_id)s::int and channel = %(channel)s::text and account = %(account)s::text
    and about = %(about)s::text and who = ''
"""
PUT = f"""
insert into message_reactions as r (business_id, channel, account, about, who, emoji, at, outgoing_key, shown_before)
values (%(business_id)s::int, %(channel)s::text, %(account)s::text, %(about)s::text, '', %(emoji)s::text,
    %(at)s::timestamptz, %(key)s::text, '')
on conflict {inbox_keys.REACTION.target} do update set emoji = excluded.emoji, at = greatest(r.at, excluded.at),
    outgoing_key = excluded.outgoing_key, shown_before = case
        when r.outgoing_key is null then r.emoji when %(unsent)s::bool then r.shown_before else r.emoji end
"""


async def key_before(conn: Conn, business_id: int, ours: Ours) -> str | None:
    """Under which key our last reaction to the message left."""
    values = msgspec.structs.asdict(ours) | {"business_id": business_id}
    row = await (await conn.execute(BEFORE, values)).fetchone()
    return row[0] if row else None


async def put(conn: Conn, business_id: int, ours: Ours, *, unsent: bool) -> None:
    """Has our reaction to a message be this one; ``unsent``: the one before never left."""
    values = msgspec.structs.asdict(ours) | {"business_id": business_id, "unsent": unsent}
    await conn.execute(PUT, values)


IS_LAST = """
select exists (select from message_reactions where business_id = %(business_id)s::int
    and outgoing_key = %(key)s::text and who = '')
"""


async def is_last(conn: Conn, business_id: int, outgoing_key: str) -> bool:
    """Whether the reaction of this key is the one that is to be seen."""
    row = await (await conn.execute(IS_LAST, {"business_id": business_id, "key": outgoing_key})).fetchone()
    return bool(row and row[0])


# Only the last one: what was overtaken says nothing any more.
SENT = """
update message_reactions set shown_before = emoji
where business_id = %(business_id)s::int and outgoing_key = any(%(keys)s::text[]) and who = ''
"""
REFUSED = """
update message_reactions set emoji = shown_before
where business_id = %(business_id)s::int and outgoing_key = any(%(keys)s::text[]) and who = ''
    and emoji <> shown_before
"""


async def sent(conn: Conn, business_id: int, outgoing_keys: list[str]) -> None:
    await conn.execute(SENT, {"business_id": business_id, "keys": outgoing_keys})


async def refused(conn: Conn, business_id: int, outgoing_keys: list[str]) -> None:
    """What was not taken is not there: the customer sees what they saw before."""
    await conn.execute(REFUSED, {"business_id": business_id, "keys": outgoing_keys})
