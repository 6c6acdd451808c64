"""SQL of what we note among us on threads, and of whom a note names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.desk_types import Note

_COLUMNS = """
n.id, n.conversation_id, n.account_id, n.author, n.body, n.written_at, n.edited_at, n.removed_at, array(
    select m.account_id from note_mentions m where m.business_id = n.business_id and m.note_id = n.id order by 1)
"""
WRITE = f"""
insert into conversation_notes (business_id, conversation_id, account_id, author, body, key, written_at)
values (%(business_id)s::int, %(conversation_id)s::bigint, %(account_id)s::int, %(author)s, %(body)s, %(key)s,
    clock_timestamp())
on conflict {inbox_keys.CONVERSATION_NOTE.target} do nothing returning id
"""
WRITTEN = """
select id, conversation_id, body from conversation_notes
where business_id = %(business_id)s::int and account_id = %(account_id)s::int and key = %(key)s
"""
ONE = f"""
select {_COLUMNS} from conversation_notes n
where n.business_id = %(business_id)s::int and n.id = %(id)s::bigint for update of n
"""
BETWEEN = f"""
select {_COLUMNS} from conversation_notes n
where n.business_id = %(business_id)s::int and n.conversation_id = %(id)s::bigint
    and n.written_at >= coalesce(%(since)s::timestamptz, '-infinity')
    and n.written_at < coalesce(%(until)s::timestamptz, 'infinity')
order by n.written_at desc, n.id desc limit %(limit)s
"""
EDIT = """
update conversation_notes set body = %(body)s, edited_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
REMOVE = """
update conversation_notes set body = '', removed_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


class New(msgspec.Struct, frozen=True):
    """A note to be written; ``account_id`` is 0 for who is no person."""

    conversation_id: int
    account_id: int
    author: str
    body: str
    key: str


async def write(conn: Conn, business_id: int, new: New) -> tuple[int, int, str, bool]:
    """The note of this key: its number, its thread's, its words, and whether it is new."""
    values = msgspec.structs.asdict(new) | {"business_id": business_id}
    made = await (await conn.execute(WRITE, values)).fetchone()
    if made is not None:
        return made[0], new.conversation_id, new.body, True
    ((number, conversation_id, body),) = await (await conn.execute(WRITTEN, values)).fetchall()
    return number, conversation_id, body, False


async def one(conn: Conn, business_id: int, note_id: int) -> Note | None:
    """A note, held until the transaction ends."""
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": note_id})).fetchone()
    return Note(*row) if row else None


async def between(
    conn: Conn, business_id: int, conversation_id: int, times: tuple[datetime | None, datetime | None], limit: int
) -> Sequence[Note]:
    """What was noted on a thread from one moment until another, the oldest first; the latest of very many."""
    values = {"business_id": business_id, "id": conversation_id, "since": times[0], "until": times[1], "limit": limit}
    return [Note(*row) for row in reversed(await (await conn.execute(BETWEEN, values)).fetchall())]


async def edit(conn: Conn, business_id: int, note_id: int, body: str) -> None:
    await conn.execute(EDIT, {"business_id": business_id, "id": note_id, "body": body})


async def remove(conn: Conn, business_id: int, note_id: int) -> None:
    await conn.execute(REMOVE, {"business_id": business_id, "id": note_id})


LOGINS = """
select a.login, a.id from account_roles r join accounts a on a.id = r.account_id and a.active
where r.business_id = %(business_id)s::int
"""
FORGET = """
delete from note_mentions
where business_id = %(business_id)s::int and note_id = %(id)s::bigint and account_id <> all(%(accounts)s::int[])
"""
NAME = f"""
insert into note_mentions (business_id, note_id, account_id)
select %(business_id)s::int, %(id)s::bigint, u.account_id from unnest(%(accounts)s::int[]) as u (account_id)
order by 3
on conflict {inbox_keys.NOTE_MENTION.target} do nothing
"""
SEE = """
update note_mentions m set seen_at = now() from conversation_notes n
where m.business_id = %(business_id)s::int and m.account_id = %(me)s::int and m.seen_at is null
    and n.business_id = m.business_id and n.id = m.note_id and n.conversation_id = %(id)s::bigint
"""
UNSEEN = """
select n.conversation_id from note_mentions m
join conversation_notes n on n.business_id = m.business_id and n.id = m.note_id and n.removed_at is null
where m.business_id = %(business_id)s::int and m.account_id = %(me)s::int and m.seen_at is null
group by 1
"""


async def logins(conn: Conn, business_id: int) -> dict[str, int]:
    """Who can be named, by their login name."""
    rows = await (await conn.execute(LOGINS, {"business_id": business_id})).fetchall()
    return {row[0]: row[1] for row in rows}


async def name(conn: Conn, business_id: int, note_id: int, accounts: Sequence[int]) -> None:
    """Has a note name just these people; who saw it already has seen it."""
    values = {"business_id": business_id, "id": note_id, "accounts": arrays.numbers(accounts)}
    await conn.execute(FORGET, values)
    await conn.execute(NAME, values)


async def see(conn: Conn, business_id: int, conversation_id: int, me: int) -> bool:
    """Somebody looks at a thread, and sees every note in it that names them; whether one of those is new to them."""
    return (await conn.execute(SEE, {"business_id": business_id, "id": conversation_id, "me": me})).rowcount > 0


async def unseen(conn: Conn, business_id: int, me: int) -> set[int]:
    """The threads with a note that names somebody and that they have not seen."""
    cursor = await conn.execute(UNSEEN, {"business_id": business_id, "me": me})
    return {row[0] for row in await cursor.fetchall()}
