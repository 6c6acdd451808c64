"""SQL of the files in conversations: what a message brings, whether it is here, and what of ours the provider has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.types import Said

# The address of a file among ours, which is also what ``media_url`` says.
ADDRESS = "/inbox/files/"
_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007

# A message that comes again brings a newer id of its file: of use where the older one was of none.
PUT = f"""
with put as (
    insert into inbox_files as f (
        business_id, message_id, kind, media_id, told_type, told_sha256, filename, voice)
    select %(business_id)s::int, m.id, u.kind, u.media_id, u.told_type, u.told_sha256, u.filename, u.voice
    from unnest(%(channels)s::text[], %(accounts)s::text[], %(external)s::text[], %(kinds)s::text[],
        %(media_ids)s::text[], %(types)s::text[], %(hashes)s::bytea[], %(filenames)s::text[], %(voices)s::bool[])
        as u (channel, account, external, kind, media_id, told_type, told_sha256, filename, voice)
    join whatsapp_message m on m.business_id = {_HIDDEN} and m.channel = u.channel and m.account = u.account
        and m.provider_message_id = u.external and m.status <> 'deleted'
    order by m.id
    on conflict {inbox_keys.INBOX_FILE_OF_MESSAGE.target} do update set
        media_id = excluded.media_id, told_type = excluded.told_type, told_sha256 = excluded.told_sha256,
        state = 'waiting', asked = f.asked + 1, tries = 0, reason = null, asked_at = now()
    where f.state = 'failed' and f.media_id <> excluded.media_id
    returning f.id, f.asked, f.message_id
), named as (
    update whatsapp_message m set media_url = %(address)s::text || put.id from put
    where m.business_id = %(business_id)s::int and m.id = put.message_id
)
select id, asked from put order by id
"""


async def put(conn: Conn, business_id: int, said: Sequence[Said]) -> list[tuple[int, int]]:
    """Notes the files of messages that are in their threads; (file, how often asked) of those to be fetched."""
    with_files = [(one, one.file) for one in said if one.file is not None]
    files = [file for _, file in with_files]
    values = {
        "business_id": business_id,
        "address": ADDRESS,
        "channels": arrays.texts([one.channel for one, _ in with_files]),
        "accounts": arrays.texts([one.account for one, _ in with_files]),
        "external": arrays.texts([one.external_id for one, _ in with_files]),
        "kinds": arrays.texts([file.kind for file in files]),
        "media_ids": arrays.texts([file.media_id for file in files]),
        "types": arrays.texts([file.type for file in files]),
        "hashes": arrays.hexes(file.sha256 for file in files),
        "filenames": arrays.texts([file.filename for file in files]),
        "voices": arrays.truths(file.voice for file in files),
    }
    return [(row[0], row[1]) for row in await (await conn.execute(PUT, values)).fetchall()]


class Wanted(msgspec.Struct, frozen=True):
    """A file that is to be fetched: by which number it came, and what the provider says of it.

    ``behind``: another message of the business brings the same, by what is told, and that is on its way.
    """

    channel: str
    account: str
    media_id: str
    kind: str
    told_type: str
    told_sha256: bytes | None
    asked: int
    tries: int
    said_at: datetime
    behind: bool = False


# Whoever failed once or is long in coming keeps nobody waiting.
WANTED = """
select m.channel, m.account, f.media_id, f.kind, f.told_type, f.told_sha256, f.asked, f.tries, m.said_at,
    exists (select from inbox_files o
        join whatsapp_message b on b.business_id = o.business_id and b.id = o.message_id
        where o.business_id = f.business_id and o.told_sha256 = f.told_sha256 and o.state = 'waiting' and o.id < f.id
            and o.tries = 0 and o.asked_at > now() - interval '5 minutes' and b.status <> 'deleted')
from inbox_files f join whatsapp_message m on m.business_id = f.business_id and m.id = f.message_id
where f.business_id = %(business_id)s::int and f.id = %(id)s::bigint and f.state = 'waiting' and m.status <> 'deleted'
"""


async def wanted(conn: Conn, business_id: int, file_id: int) -> Wanted | None:
    """What is to be fetched; None where nobody waits for it any more."""
    row = await (await conn.execute(WANTED, {"business_id": business_id, "id": file_id})).fetchone()
    return Wanted(*row) if row else None


class Here(msgspec.Struct, frozen=True):
    """A file that is here: its hash, its type by its content, its size in bytes, and a picture's in pixels."""

    sha256: bytes
    type: str
    size: int
    width: int | None = None
    height: int | None = None


# Only what was hashed here when it came, and that some message of the same business still brings.
HELD = """
select f.size, f.width, f.height from inbox_files f
join whatsapp_message m on m.business_id = f.business_id and m.id = f.message_id
where f.business_id = %(business_id)s::int and f.sha256 = %(sha256)s::bytea and f.state = 'kept' and f.size is not null
    and m.status <> 'deleted'
order by f.id limit 1
"""


async def held(conn: Conn, business_id: int, sha256: bytes) -> tuple[int, int | None, int | None] | None:
    """Size, width and height of a content that the business has; None where it has none."""
    row = await (await conn.execute(HELD, {"business_id": business_id, "sha256": sha256})).fetchone()
    return (row[0], row[1], row[2]) if row else None


KEEP = """
update inbox_files set state = 'kept', sha256 = %(sha256)s, type = %(type)s::text, size = %(size)s::bigint,
    width = %(width)s::int, height = %(height)s::int, reason = null
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
FAIL = """
update inbox_files set state = 'failed', reason = %(reason)s::text, tries = tries + 1
where business_id = %(business_id)s::int and id = %(id)s::bigint and state in ('waiting', 'kept')
"""
LATER = """
update inbox_files set tries = tries + %(tries)s::int, asked = asked + 1
where business_id = %(business_id)s::int and id = %(id)s::bigint and state = 'waiting'
returning asked
"""
AGAIN = """
update inbox_files set state = 'waiting', asked = asked + 1, tries = 0, reason = null, asked_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint and state = 'failed'
returning asked
"""
# As long as any file of this content is being put in its place or taken away, nobody else does either.
HOLD = "select pg_advisory_xact_lock(hashtextextended('inbox file ' || encode(%(sha256)s::bytea, 'hex'), 0))"


async def hold(conn: Conn, sha256: bytes) -> None:
    await conn.execute(HOLD, {"sha256": sha256})


async def keep(conn: Conn, business_id: int, file_id: int, here: Here) -> bool:
    """Whether there is such a file; where there is, nobody takes it away until the transaction ends."""
    values = msgspec.structs.asdict(here) | {"business_id": business_id, "id": file_id}
    return (await conn.execute(KEEP, values)).rowcount > 0


async def fail(conn: Conn, business_id: int, file_id: int, reason: str) -> None:
    await conn.execute(FAIL, {"business_id": business_id, "id": file_id, "reason": reason})


async def later(conn: Conn, business_id: int, file_id: int, tries: int = 1) -> int | None:
    """It is tried again: how often it is asked for by then; None where nobody waits for it any more."""
    row = await (await conn.execute(LATER, {"business_id": business_id, "id": file_id, "tries": tries})).fetchone()
    return row[0] if row else None


async def again(conn: Conn, business_id: int, file_id: int) -> int | None:
    """The same for one that failed, since a person asks for it."""
    row = await (await conn.execute(AGAIN, {"business_id": business_id, "id": file_id})).fetchone()
    return row[0] if row else None


# What was taken back is nobody's to see.
REFERRED = """
select distinct f.sha256 from inbox_files f
join whatsapp_message m on m.business_id = f.business_id and m.id = f.message_id
where f.sha256 = any(%(hashes)s::bytea[]) and m.status <> 'deleted'
"""


async def referred(conn: Conn, hashes: Sequence[bytes]) -> set[bytes]:
    """Which of these contents some message of any business still brings."""
    return {row[0] for row in await (await conn.execute(REFERRED, {"hashes": arrays.hexes(hashes)})).fetchall()}


UPLOADED = """
select media_id from uploaded_files
where business_id = %(business_id)s::int and channel = %(channel)s::text and account = %(account)s::text
    and sha256 = %(sha256)s::bytea and type = %(type)s::text and at > %(since)s::timestamptz
"""
UPLOAD = f"""
insert into uploaded_files (business_id, channel, account, sha256, type, media_id)
values (%(business_id)s::int, %(channel)s::text, %(account)s::text, %(sha256)s::bytea, %(type)s::text,
    %(media_id)s::text)
on conflict {inbox_keys.UPLOADED_FILE.target} do update set media_id = excluded.media_id, at = now()
"""


class Copy(msgspec.Struct, frozen=True):
    """A file of ours as a number's provider keeps it."""

    account: str
    sha256: bytes
    type: str
    channel: str


async def uploaded(conn: Conn, business_id: int, copy: Copy, since: datetime) -> str | None:
    """The provider's id of a file, if it was given to it after ``since``."""
    values = msgspec.structs.asdict(copy) | {"business_id": business_id, "since": since}
    row = await (await conn.execute(UPLOADED, values)).fetchone()
    return row[0] if row else None


async def upload(conn: Conn, business_id: int, copy: Copy, media_id: str) -> None:
    await conn.execute(UPLOAD, msgspec.structs.asdict(copy) | {"business_id": business_id, "media_id": media_id})
