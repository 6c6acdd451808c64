"""SQL of canned answers, as people keep them: listed, written down, taken out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.canned_rules import Kept, Line

from .taken import unless_taken

_KEPT = "select a.id, a.language, a.shortcut, a.body from canned_answers a"
LISTED = f"{_KEPT} where a.business_id = %(business_id)s::int order by a.folded, a.language"
ONE = f"{_KEPT} where a.business_id = %(business_id)s::int and a.id = %(id)s::bigint for update"
WRITE = f"""
insert into canned_answers as a (business_id, language, shortcut, folded, body)
select %(business_id)s::int, u.language, u.shortcut, u.folded, u.body
from unnest(%(languages)s::text[], %(shortcuts)s::text[], %(folded)s::text[], %(bodies)s::text[])
    as u (language, shortcut, folded, body)
order by 2, 4
on conflict {inbox_keys.CANNED_ANSWER.target} do update set
    shortcut = excluded.shortcut, body = excluded.body, updated_at = now()
where (a.shortcut, a.body) is distinct from (excluded.shortcut, excluded.body)
returning a.id, a.xmax = 0
"""
ADD = f"""
insert into canned_answers (business_id, language, shortcut, folded, body)
values (%(business_id)s::int, %(language)s, %(shortcut)s, %(folded)s, %(body)s)
on conflict {inbox_keys.CANNED_ANSWER.target} do nothing returning id
"""
CHANGE = """
update canned_answers set language = %(language)s, shortcut = %(shortcut)s, folded = %(folded)s, body = %(body)s,
    updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
REMOVE = "delete from canned_answers where business_id = %(business_id)s::int and id = %(id)s::bigint"


async def listed(conn: Conn, business_id: int) -> list[Kept]:
    """All of a business, by shortcut."""
    return [Kept(*row) for row in await (await conn.execute(LISTED, {"business_id": business_id})).fetchall()]


async def one(conn: Conn, business_id: int, number: int) -> Kept | None:
    """One, held until the transaction ends."""
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": number})).fetchone()
    return Kept(*row) if row else None


async def write(conn: Conn, business_id: int, lines: Sequence[Line]) -> tuple[list[int], list[int]]:
    """Writes lines down, no shortcut twice in a language; the numbers of those that are new, and that have changed."""
    values = {
        "business_id": business_id, "languages": arrays.texts([line.language for line in lines]),
        "shortcuts": arrays.texts([line.shortcut for line in lines]),
        "folded": arrays.texts([line.folded for line in lines]),
        "bodies": arrays.texts([line.body for line in lines]),
    }  # fmt: skip
    written = await (await conn.execute(WRITE, values)).fetchall()
    return [number for number, new in written if new], [number for number, new in written if not new]


async def add(conn: Conn, business_id: int, line: Line) -> int | None:
    """The number of a new one; None where one has its shortcut."""
    row = await (await conn.execute(ADD, _values(business_id, line))).fetchone()
    return row[0] if row else None


async def change(conn: Conn, business_id: int, number: int, line: Line) -> bool:
    """Whether one, which the caller holds, is as given now; another one may have the shortcut already."""
    values = _values(business_id, line) | {"id": number}
    return await unless_taken(conn, CHANGE, values, inbox_keys.CANNED_ANSWER)


def _values(business_id: int, line: Line) -> dict[str, Any]:
    return msgspec.structs.asdict(line) | {"business_id": business_id, "folded": line.folded}


async def remove(conn: Conn, business_id: int, number: int) -> None:
    await conn.execute(REMOVE, {"business_id": business_id, "id": number})
