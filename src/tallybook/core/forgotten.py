"""Messages of people who were forgotten: a provider may tell them again, and they must not come back.

Only a hash of what each is known by is kept, and no longer than a provider repeats itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from . import arrays
from .db import Conn
from .messages import Incoming

ANY = "select exists (select from forgotten_messages f where f.business_id = %(business_id)s::int)"
THOSE = """
select f.key_sha256 from forgotten_messages f
where f.business_id = (select %(business_id)s::int) and f.key_sha256 = any(%(keys)s::bytea[])
"""
# As the database spells it: sha256(convert_to(concat_ws(E'\x1f', channel, scope, external_id), 'UTF8')).
_BETWEEN = "\x1f"


def key_of(incoming: Incoming) -> bytes:
    """By what a message is known, whatever is told of it. Pure."""
    told = _BETWEEN.join((incoming.channel, incoming.scope, incoming.external_id))
    return hashlib.sha256(told.encode()).digest()


async def without(conn: Conn, business_id: int, incomings: Sequence[Incoming]) -> Sequence[Incoming]:
    """These updates without those about messages that were forgotten."""
    row = await (await conn.execute(ANY, {"business_id": business_id})).fetchone()
    if row is None or not row[0]:
        return incomings
    keys = [key_of(one) for one in incomings]
    values = {"business_id": business_id, "keys": arrays.hexes(sorted(set(keys)))}
    gone = {bytes(row[0]) for row in await (await conn.execute(THOSE, values)).fetchall()}
    return [one for one, key in zip(incomings, keys, strict=True) if key not in gone]
