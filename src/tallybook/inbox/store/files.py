"""SQL of files as they are looked at: those of a thread's messages, one of them, and those that we send."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn

from .media import ADDRESS, Here


class Shown(msgspec.Struct, frozen=True):
    """A message's file as it is shown. ``state``: waiting, kept, failed (and ``reason``) or gone.

    ``kind`` is what the message says it is, ``type`` what its content was found to be.
    """

    id: int
    message_id: int
    kind: str
    state: str
    filename: str
    voice: bool
    reason: str | None
    type: str | None
    size: int | None
    width: int | None
    height: int | None
    sha256: bytes | None = None


OF_MESSAGES = """
select f.id, f.message_id, f.kind, f.state, f.filename, f.voice, f.reason, f.type, f.size, f.width, f.height,
    f.sha256
from inbox_files f where f.business_id = (select %(business_id)s::int) and f.message_id = any(%(ids)s::bigint[])
"""


async def of_messages(conn: Conn, business_id: int, ids: Sequence[int]) -> list[Shown]:
    """The files of these messages."""
    values = {"business_id": business_id, "ids": arrays.numbers(ids)}
    return [Shown(*row) for row in await (await conn.execute(OF_MESSAGES, values)).fetchall()]


# What came with a message beside its words, as the provider told it.
AS_SENT = """
select w.id, m.content::text from whatsapp_message w
join messages m on m.business_id = (select %(business_id)s::int) and m.id = w.message_id
where w.business_id = (select %(business_id)s::int) and w.id = any(%(ids)s::bigint[]) and m.content is not null
"""


async def as_sent(conn: Conn, business_id: int, ids: Sequence[int]) -> dict[int, str]:
    """The contents of these messages as JSON."""
    values = {"business_id": business_id, "ids": arrays.numbers(ids)}
    rows = await (await conn.execute(AS_SENT, values)).fetchall()
    return {row[0]: row[1] for row in rows}


class Found(msgspec.Struct, frozen=True):
    """A file that may be handed out, with the name under which its sender knows it."""

    id: int
    conversation_id: int
    state: str
    filename: str
    sha256: bytes | None
    type: str | None
    size: int | None


ONE = """
select f.id, m.conversation_id, f.state, f.filename, f.sha256, f.type, f.size from inbox_files f
join whatsapp_message m on m.business_id = f.business_id and m.id = f.message_id
where f.business_id = %(business_id)s::int and f.id = %(id)s::bigint and m.status <> 'deleted'
"""


async def one(conn: Conn, business_id: int, file_id: int) -> Found | None:
    """A file of the business; None for any other, and for what was taken back."""
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": file_id})).fetchone()
    return Found(*row) if row else None


# What the provider has no more cannot be had again either.
LOST = """
update inbox_files f set state = case when m.direction = 'in' and m.said_at > now() - interval '7 days'
    then 'failed' else 'gone' end, reason = %(reason)s::text
from whatsapp_message m
where f.business_id = %(business_id)s::int and f.id = %(id)s::bigint and f.state = 'kept'
    and m.business_id = f.business_id and m.id = f.message_id
"""


async def lost(conn: Conn, business_id: int, file_id: int, reason: str) -> None:
    """A kept file is not on this machine any more."""
    await conn.execute(LOST, {"business_id": business_id, "id": file_id, "reason": reason})


BACK = """
update inbox_files set state = 'kept', reason = null
where business_id = %(business_id)s::int and id = any(%(ids)s::bigint[]) and state in ('gone', 'failed')
    and sha256 is not null and type is not null
"""


async def back(conn: Conn, business_id: int, ids: Sequence[int]) -> None:
    """Files that were kept once are on this machine again."""
    await conn.execute(BACK, {"business_id": business_id, "ids": arrays.numbers(ids)})


class Ours(msgspec.Struct, frozen=True):
    """A file that we send, as it was attached."""

    kind: str
    filename: str
    here: Here


ADD = f"""
with added as (
    insert into inbox_files (business_id, message_id, kind, filename, state, sha256, type, size, width, height)
    values (%(business_id)s::int, %(message_id)s::bigint, %(kind)s::text, %(filename)s::text, 'kept',
        %(sha256)s::bytea, %(type)s::text, %(size)s::bigint, %(width)s::int, %(height)s::int)
    on conflict {inbox_keys.INBOX_FILE_OF_MESSAGE.target} do nothing
    returning id
), named as (
    update whatsapp_message m set media_url = %(address)s::text || added.id from added
    where m.business_id = %(business_id)s::int and m.id = %(message_id)s::bigint
)
select from added
"""
SAME = """
select f.sha256 = %(sha256)s::bytea from inbox_files f
where f.business_id = %(business_id)s::int and f.message_id = %(message_id)s::bigint
"""


async def add(conn: Conn, business_id: int, message_id: int, ours: Ours) -> bool:
    """Hangs a file on a message of ours, once. False: another file hangs on it."""
    values = {"business_id": business_id, "message_id": message_id, "address": ADDRESS}
    values |= {"kind": ours.kind, "filename": ours.filename} | msgspec.structs.asdict(ours.here)
    await conn.execute(ADD, values)
    row = await (await conn.execute(SAME, values)).fetchone()
    return bool(row and row[0])


STATE = """
select status, failed_reason from whatsapp_message where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def state(conn: Conn, business_id: int, message_id: int) -> tuple[str, str | None]:
    """How far a message of ours came, and why not further."""
    ((status, reason),) = await (await conn.execute(STATE, {"business_id": business_id, "id": message_id})).fetchall()
    return status, reason
