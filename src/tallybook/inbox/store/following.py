"""SQL of what hangs on a thread by rows of its own: it follows into another by a joining, and goes back by a parting.

The caller holds both threads.
"""

from __future__ import annotations

from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import arrays
from tallybook.core.db import Conn
from tallybook.inbox import desk_rules

from . import labels, teams
from .merging import Row


class Hung(msgspec.Struct, frozen=True):
    """What hung on two threads before they were joined, by numbers."""

    kept_labels: list[int] = []
    gone_labels: list[int] = []
    notes: list[int] = []
    assignments: list[int] = []


NOTES = (
    "select id from conversation_notes where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint"
)
ASSIGNMENTS = """
select id from conversation_assignments
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
"""
LABELS = """
select label_id from conversation_labels
where business_id = %(business_id)s::int and conversation_id = %(id)s::bigint order by 1
"""
KEEP = (
    "update contact_merges set hung = %(hung)s where business_id = %(business_id)s::int and id = %(merge_id)s::bigint"
)
MOVE_NOTES = """
update conversation_notes set conversation_id = %(to)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(of)s::bigint
    and (%(ids)s::bigint[] is null or id = any(%(ids)s::bigint[]))
"""
MOVE_ASSIGNMENTS = """
update conversation_assignments set conversation_id = %(to)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(of)s::bigint
    and (%(ids)s::bigint[] is null or id = any(%(ids)s::bigint[]))
"""


async def join(conn: Conn, business_id: int, merge_id: int, kept: int, gone: int) -> None:
    """Moves all that hangs on the second thread to the first, and writes down what hung where."""
    values = {"business_id": business_id, "kept": kept, "gone": gone}
    hung = Hung(
        await _labels(conn, business_id, kept),
        await _labels(conn, business_id, gone),
        [row[0] for row in await (await conn.execute(NOTES, values)).fetchall()],
        [row[0] for row in await (await conn.execute(ASSIGNMENTS, values)).fetchall()],
    )
    if hung == Hung():
        return
    await conn.execute(KEEP, values | {"merge_id": merge_id, "hung": Jsonb(msgspec.structs.asdict(hung))})
    await _move(conn, business_id, (gone, kept), None)
    await labels.set_on(conn, business_id, kept, {*hung.kept_labels, *hung.gone_labels})


HUNG = "select hung from contact_merges where business_id = %(business_id)s::int and id = %(merge_id)s::bigint"
IS_EMPTY = """
select not exists (select from whatsapp_message
    where business_id = %(business_id)s::int and conversation_id = %(id)s::bigint)
"""


async def part(conn: Conn, business_id: int, merge_id: int, kept: int, gone: int) -> None:
    """Gives the second thread back what hung on it; what was hung on the first since stays there."""
    row = await (await conn.execute(HUNG, {"business_id": business_id, "merge_id": merge_id})).fetchone()
    hung = msgspec.convert(row[0] if row else {}, Hung)
    await _move(conn, business_id, (kept, gone), hung)
    now = await _labels(conn, business_id, kept)
    own = desk_rules.parted(now, {*hung.kept_labels, *hung.gone_labels}, hung.kept_labels)
    await labels.set_on(conn, business_id, gone, hung.gone_labels)
    await labels.set_on(conn, business_id, kept, own)


async def hand_over(conn: Conn, business_id: int, kept: int, gone: int) -> None:
    """Hangs all of the first thread on the second, where nothing is said in the first, which is about to go."""
    row = await (await conn.execute(IS_EMPTY, {"business_id": business_id, "id": kept})).fetchone()
    if row is not None and row[0]:
        await _move(conn, business_id, (kept, gone), None)
        both = [*await _labels(conn, business_id, kept), *await _labels(conn, business_id, gone)]
        await labels.set_on(conn, business_id, gone, both)


async def forget_teams(conn: Conn, business_id: int, rows: list[Row]) -> None:
    """Has these rows of threads name no team that was taken away since; the others stay until the transaction ends."""
    named = sorted({row["team_id"] for row in rows if row.get("team_id") is not None})
    there = await teams.standing(conn, business_id, named) if named else set()
    for row in rows:
        if row.get("team_id") not in there:
            row["team_id"] = None


async def _labels(conn: Conn, business_id: int, conversation_id: int) -> list[int]:
    cursor = await conn.execute(LABELS, {"business_id": business_id, "id": conversation_id})
    return [row[0] for row in await cursor.fetchall()]


async def _move(conn: Conn, business_id: int, way: tuple[int, int], hung: Hung | None) -> None:
    values: dict[str, Any] = {"business_id": business_id, "of": way[0], "to": way[1]}
    await conn.execute(MOVE_NOTES, values | {"ids": None if hung is None else arrays.numbers(hung.notes)})
    await conn.execute(MOVE_ASSIGNMENTS, values | {"ids": None if hung is None else arrays.numbers(hung.assignments)})
