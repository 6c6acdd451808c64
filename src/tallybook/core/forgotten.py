"""Messages of people who were forgotten: a provider may tell them again, and they must not come back.

Only a hash of what each is known by is kept, and no longer than a provider repeats itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from . import arrays, inbox_keys
from .db import Conn
from .messages import Incoming, Stored

ANY = "select exists (select from forgotten_messages f where f.business_id = %(business_id)s::int)"
THOSE = """
select f.key_sha256 from forgotten_messages f
where f.business_id = (select %(business_id)s::int) and f.key_sha256 = any(%(keys)s::bytea[])
"""
REMEMBER = f"""
insert into forgotten_messages (business_id, key_sha256)
select %(business_id)s::int, k.key from unnest(%(keys)s::bytea[]) as k (key)
on conflict {inbox_keys.FORGOTTEN_MESSAGE.target} do nothing
"""
# Both are looked up by the index, row by row, and nothing at all where the business forgot nobody.
TAKE_BACK = r"""
delete from messages m where m.business_id = (select %(business_id)s::int) and m.id = any(%(ids)s::bigint[])
    and (select exists (select from forgotten_messages f where f.business_id = %(business_id)s::int))
    and (select true from forgotten_messages f where f.business_id = m.business_id
        and f.key_sha256 = sha256(convert_to(concat_ws(E'\x1f', m.channel, m.scope, m.external_id), 'UTF8')))
returning m.id
"""
KEPT = """
select f.key_sha256 from forgotten_messages f where f.business_id = %(business_id)s::int order by f.key_sha256
"""
# The rows of a copy hang on nobody where a later copy took its inbox away.
TAKE_OUT = r"""
delete from messages m where m.business_id = %(business_id)s::int
    and sha256(convert_to(concat_ws(E'\x1f', m.channel, m.scope, m.external_id), 'UTF8')) = any(%(keys)s::bytea[])
"""
AT_ONCE = 10_000  # hashes
# As the database spells it: sha256(convert_to(concat_ws(E'\x1f', channel, scope, external_id), 'UTF8')).
_BETWEEN = "\x1f"


def key_of(incoming: Incoming) -> bytes:
    """By what a message is known, whatever is told of it. Pure."""
    return key(incoming.channel, incoming.scope, incoming.external_id)


def key(channel: str, scope: str, external_id: str) -> bytes:
    """The same of what names it. Pure."""
    return hashlib.sha256(_BETWEEN.join((channel, scope, external_id)).encode()).digest()


async def without(conn: Conn, business_id: int, incomings: Sequence[Incoming]) -> Sequence[Incoming]:
    """These updates without those about messages that were forgotten."""
    hashes = [key_of(one) for one in incomings]
    gone = await among(conn, business_id, hashes)
    return [one for one, hashed in zip(incomings, hashes, strict=True) if hashed not in gone] if gone else incomings


async def among(conn: Conn, business_id: int, hashes: Iterable[bytes]) -> set[bytes]:
    """Those of the hashes that are of messages that were forgotten."""
    row = await (await conn.execute(ANY, {"business_id": business_id})).fetchone()
    if row is None or not row[0]:
        return set()
    values = {"business_id": business_id, "keys": arrays.hexes(sorted(set(hashes)))}
    return {bytes(row[0]) for row in await (await conn.execute(THOSE, values)).fetchall()}


async def remember(conn: Conn, business_id: int, hashes: Iterable[bytes]) -> None:
    """Messages of these hashes do not come back."""
    if some := sorted(set(hashes)):
        await conn.execute(REMEMBER, {"business_id": business_id, "keys": arrays.hexes(some)})


async def take_back(conn: Conn, business_id: int, fresh: Sequence[Stored]) -> set[int]:
    """Takes back rows that this transaction made of messages forgotten since ``without`` was asked; their numbers.

    Whoever forgets them may commit while the insert waits for the row that he deletes: only a later statement sees it.
    """
    values = {"business_id": business_id, "ids": arrays.numbers(one.id for one in fresh)}
    return {row[0] for row in await (await conn.execute(TAKE_BACK, values)).fetchall()}


async def kept(conn: Conn, business_id: int) -> list[bytes]:
    """The hashes of all messages of the business that were forgotten and may still be told again."""
    return [bytes(row[0]) for row in await (await conn.execute(KEPT, {"business_id": business_id})).fetchall()]


async def take_out(conn: Conn, business_id: int, hashes: Sequence[bytes]) -> int:
    """Takes away all messages of these hashes, and their earlier texts; how many. Reads the whole table."""
    gone = 0
    for begin in range(0, len(hashes), AT_ONCE):
        values = {"business_id": business_id, "keys": arrays.hexes(hashes[begin : begin + AT_ONCE])}
        gone += (await conn.execute(TAKE_OUT, values)).rowcount
    return gone
