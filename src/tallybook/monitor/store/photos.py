"""SQL of a drop's photos: what was said near its posts, what people said of it, and which files are kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from tallybook.core import keys
from tallybook.core.db import Conn

MOST = 2000  # messages of a drop's senders near its posts


class Near(msgspec.Struct, frozen=True):
    """A message near a drop's posts, with what is known of its file. ``state`` is None until somebody asked for it."""

    message_id: int
    sender: str
    phone: str | None
    said_at: datetime
    text: str
    pattern: str | None
    media_type: str | None
    hashed: bool
    state: str | None
    type: str | None
    size: int | None
    reason: str | None


# Twice as far as a photo may be from its post, so that a nearer post of another drop is seen too.
NEAR = """
with posts as (
    select m.id, m.chat, coalesce(m.sender_phone, m.sender_lid, m.sender_raw) as sender, m.said_at
    from qa_submissions s
    join messages m on m.business_id = s.business_id and m.id = s.message_id
    where s.business_id = (select %(business_id)s::int) and s.space = %(space)s::text
        and s.drop_number = %(drop_number)s::text
), near as (
    select x.id from posts p
    cross join lateral (
        select m.id from messages m
        where m.business_id = (select %(business_id)s::int) and m.chat = p.chat
            and m.said_at between p.said_at - 2 * %(within)s::interval and p.said_at + 2 * %(within)s::interval
            and coalesce(m.sender_phone, m.sender_lid, m.sender_raw) = p.sender
        offset 0) x
    union
    select message_id from drop_photos
    where business_id = (select %(business_id)s::int) and space = %(space)s::text
        and drop_number = %(drop_number)s::text
)
select m.id, coalesce(m.sender_phone, m.sender_lid, m.sender_raw), m.sender_phone, m.said_at, m.text,
    (select p.pattern from monitor_projects p
     where p.business_id = m.business_id and p.group_jid = m.chat order by p.active desc, p.name limit 1),
    m.media_type, m.media_sha256 is not null, f.state, f.type, coalesce(f.size, m.media_size), f.reason
from near n
join messages m on m.business_id = (select %(business_id)s::int) and m.id = n.id
left join message_files f on f.business_id = m.business_id and f.message_id = m.id
where not m.deleted and m.parked_reason is null
order by m.said_at, m.id limit %(most)s::int
"""


async def near(conn: Conn, business_id: int, drop: tuple[str, str], within: timedelta) -> list[Near]:
    """What a drop's senders said near its posts, and what people took for its photos. ``drop``: space and number."""
    names = {"business_id": business_id, "space": drop[0], "drop_number": drop[1], "within": within, "most": MOST}
    return [Near(*row) for row in await (await conn.execute(NEAR, names)).fetchall()]


TOLD = """
select message_id, belongs, space = %(space)s::text and drop_number = %(drop_number)s::text from drop_photos
where business_id = %(business_id)s::int and message_id = any(%(ids)s::bigint[])
"""


async def told(
    conn: Conn, business_id: int, drop: tuple[str, str], ids: list[int]
) -> tuple[dict[int, bool], frozenset[int]]:
    """What people said of these photos: of this drop, and which were confirmed for another."""
    names = {"business_id": business_id, "space": drop[0], "drop_number": drop[1], "ids": ids}
    rows = await (await conn.execute(TOLD, names)).fetchall()
    return {row[0]: row[1] for row in rows if row[2]}, frozenset(row[0] for row in rows if row[1] and not row[2])


# Two who say of one photo whose it is do so one after the other.
HOLD = "select from messages where business_id = %(business_id)s::int and id = %(id)s::bigint for no key update"
SAY = f"""
insert into drop_photos (business_id, space, drop_number, message_id, belongs, who, account_id)
values (%(business_id)s::int, %(space)s, %(drop_number)s, %(message_id)s::bigint, %(belongs)s::bool, %(who)s,
    %(account_id)s::int)
on conflict {keys.DROP_PHOTO.target} do update set
    belongs = excluded.belongs, who = excluded.who, account_id = excluded.account_id, at = now()
"""


class Saying(msgspec.Struct, frozen=True):
    """What somebody says of a photo: that it belongs to the drop, or not."""

    space: str
    drop_number: str
    message_id: int
    belongs: bool
    who: str
    account_id: int


async def hold(conn: Conn, business_id: int, message_id: int) -> None:
    await conn.execute(HOLD, {"business_id": business_id, "id": message_id})


async def say(conn: Conn, business_id: int, saying: Saying) -> None:
    """Writes it down; the last word counts. The caller holds the message."""
    await conn.execute(SAY, msgspec.structs.asdict(saying) | {"business_id": business_id, "who": saying.who[:100]})


# ── The files ───────────────────────────────────────────────────────────────────────────────────────────────────────

ASK = f"""
insert into message_files (business_id, message_id)
select %(business_id)s::int, u.id from unnest(%(ids)s::bigint[]) as u (id)
on conflict {keys.MESSAGE_FILE.target} do nothing
returning message_id, tries
"""
ASK_AGAIN = """
update message_files set state = 'waiting', tries = tries + 1, reason = null, asked_at = now()
where business_id = %(business_id)s::int and message_id = %(id)s::bigint and state = 'failed'
returning message_id, tries
"""


async def ask(conn: Conn, business_id: int, ids: list[int]) -> list[tuple[int, int]]:
    """Notes that these files are wanted; returns (message, try) of those that nobody asked for before."""
    cursor = await conn.execute(ASK, {"business_id": business_id, "ids": sorted(ids)})
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def ask_again(conn: Conn, business_id: int, message_id: int) -> list[tuple[int, int]]:
    """The same for a file that could not be fetched; empty if it was not so."""
    cursor = await conn.execute(ASK_AGAIN, {"business_id": business_id, "id": message_id})
    return [(row[0], row[1]) for row in await cursor.fetchall()]


class Wanted(msgspec.Struct, frozen=True):
    """A file to be fetched: whose message, and the hash of what it holds, if the provider told it."""

    external_id: str
    chat: str
    sha256: bytes | None
    size: int | None


WANTED = """
select m.external_id, m.chat, m.media_sha256, m.media_size
from message_files f join messages m on m.business_id = f.business_id and m.id = f.message_id
where f.business_id = %(business_id)s::int and f.message_id = %(id)s::bigint and f.state = 'waiting'
    and m.media_type is not null and not m.deleted
"""


async def wanted(conn: Conn, business_id: int, message_id: int) -> Wanted | None:
    """What is to be fetched; None if nobody waits for it."""
    row = await (await conn.execute(WANTED, {"business_id": business_id, "id": message_id})).fetchone()
    return Wanted(*row) if row else None


class Kept(msgspec.Struct, frozen=True):
    """A file that is kept: under the hash of what it holds, with its type by its content and its size in bytes."""

    sha256: bytes
    type: str
    size: int


KEEP = """
update message_files set state = 'kept', sha256 = %(sha256)s, type = %(type)s, size = %(size)s::bigint, reason = null
where business_id = %(business_id)s::int and message_id = %(id)s::bigint
"""
FAIL = """
update message_files set state = 'failed', reason = %(reason)s, sha256 = null, type = null
where business_id = %(business_id)s::int and message_id = %(id)s::bigint
"""
KEPT = """
select f.sha256, f.type, f.size from message_files f
join messages m on m.business_id = f.business_id and m.id = f.message_id
where f.business_id = %(business_id)s::int and f.message_id = %(id)s::bigint and f.state = 'kept' and not m.deleted
"""


async def keep(conn: Conn, business_id: int, message_id: int, kept: Kept) -> None:
    await conn.execute(KEEP, msgspec.structs.asdict(kept) | {"business_id": business_id, "id": message_id})


async def fail(conn: Conn, business_id: int, message_id: int, reason: str) -> None:
    await conn.execute(FAIL, {"business_id": business_id, "id": message_id, "reason": reason})


async def kept(conn: Conn, business_id: int, message_id: int) -> Kept | None:
    """A kept file of the business; None for any other, and for what its sender took back."""
    row = await (await conn.execute(KEPT, {"business_id": business_id, "id": message_id})).fetchone()
    return Kept(*row) if row else None


OF_REVIEW = "select space, drop_number from qa_photo_reviews where business_id = %(business_id)s::int and id = %(id)s"


async def drop_of(conn: Conn, business_id: int, review_id: UUID) -> tuple[str, str] | None:
    """The space and number of a review's drop."""
    row = await (await conn.execute(OF_REVIEW, {"business_id": business_id, "id": review_id})).fetchone()
    return (row[0], row[1]) if row else None
