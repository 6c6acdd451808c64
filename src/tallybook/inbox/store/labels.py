"""SQL of labels, and of the threads that they stand on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.desk_types import Label

from .taken import unless_taken

LISTED = """
select l.id, l.name, l.colour,
    (select count(*)::int from conversation_labels x where x.business_id = l.business_id and x.label_id = l.id)
from inbox_labels l where l.business_id = %(business_id)s::int order by l.folded
"""
NAMES = "select l.id, l.name, l.colour from inbox_labels l where l.business_id = %(business_id)s::int order by l.folded"
ON = """
select x.conversation_id, l.id, l.name, l.colour from conversation_labels x
join inbox_labels l on l.business_id = x.business_id and l.id = x.label_id
where x.business_id = %(business_id)s::int and x.conversation_id = any(%(ids)s::bigint[])
order by l.folded
"""
LOCK = """
select l.id, l.name, l.colour from inbox_labels l
where l.business_id = %(business_id)s::int and l.id = any(%(ids)s::bigint[]) order by l.id for update
"""
ADD = f"""
insert into inbox_labels (business_id, name, folded, colour)
values (%(business_id)s::int, %(name)s, %(folded)s, %(colour)s)
on conflict {inbox_keys.INBOX_LABEL.target} do nothing returning id
"""
CHANGE = """
update inbox_labels set name = %(name)s, folded = %(folded)s, colour = %(colour)s
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
MOVE = f"""
insert into conversation_labels (business_id, conversation_id, label_id)
select x.business_id, x.conversation_id, %(into)s::bigint from conversation_labels x
where x.business_id = %(business_id)s::int and x.label_id = %(id)s::bigint
order by x.conversation_id
on conflict {inbox_keys.CONVERSATION_LABEL.target} do nothing
"""
USED = """
select count(*)::int from conversation_labels where business_id = %(business_id)s::int and label_id = %(id)s::bigint
"""
REMOVE = "delete from inbox_labels where business_id = %(business_id)s::int and id = %(id)s::bigint"


async def listed(conn: Conn, business_id: int) -> list[tuple[Label, int]]:
    """Every label by name, with the number of threads that it stands on."""
    rows = await (await conn.execute(LISTED, {"business_id": business_id})).fetchall()
    return [(Label(*row[:3]), row[3]) for row in rows]


async def names(conn: Conn, business_id: int) -> list[Label]:
    """Every label by name."""
    return [Label(*row) for row in await (await conn.execute(NAMES, {"business_id": business_id})).fetchall()]


async def on(conn: Conn, business_id: int, conversations: Sequence[int]) -> dict[int, list[Label]]:
    """The labels of threads, by name; not those of threads that have none."""
    values = {"business_id": business_id, "ids": arrays.numbers(conversations)}
    found: dict[int, list[Label]] = {}
    for row in await (await conn.execute(ON, values)).fetchall():
        found.setdefault(row[0], []).append(Label(*row[1:]))
    return found


async def lock(conn: Conn, business_id: int, ids: Sequence[int]) -> dict[int, Label]:
    """Holds labels until the transaction ends, in the order of their numbers; those that there are."""
    rows = await (await conn.execute(LOCK, {"business_id": business_id, "ids": arrays.numbers(ids)})).fetchall()
    return {row[0]: Label(*row) for row in rows}


async def add(conn: Conn, business_id: int, name: str, folded: str, colour: str) -> int | None:
    """The number of a new label; None where one has this name."""
    values = {"business_id": business_id, "name": name, "folded": folded, "colour": colour}
    row = await (await conn.execute(ADD, values)).fetchone()
    return row[0] if row else None


async def change(conn: Conn, business_id: int, label: Label, folded: str) -> bool:
    """Whether a label, which the caller holds, is as given now; another one may have the name already."""
    values = {"business_id": business_id, "id": label.id, "name": label.name, "folded": folded, "colour": label.colour}
    return await unless_taken(conn, CHANGE, values, inbox_keys.INBOX_LABEL)


async def move(conn: Conn, business_id: int, label_id: int, into: int) -> int:
    """Puts one label wherever another one stands, and takes that away; how many threads had that one."""
    values = {"business_id": business_id, "id": label_id, "into": into}
    ((used,),) = await (await conn.execute(USED, values)).fetchall()
    await conn.execute(MOVE, values)
    await conn.execute(REMOVE, values)
    return int(used)


async def remove(conn: Conn, business_id: int, label_id: int) -> int:
    """Takes a label away; how many threads had it."""
    values = {"business_id": business_id, "id": label_id}
    ((used,),) = await (await conn.execute(USED, values)).fetchall()
    await conn.execute(REMOVE, values)
    return int(used)


PUT = f"""
insert into conversation_labels (business_id, conversation_id, label_id)
select c.business_id, c.id, l.id from inbox_labels l
join whatsapp_conversation c on c.business_id = l.business_id and c.id = any(%(conversations)s::bigint[])
where l.business_id = %(business_id)s::int and l.id = %(id)s::bigint
order by c.id
on conflict {inbox_keys.CONVERSATION_LABEL.target} do nothing
returning conversation_id
"""
TAKE_OFF = """
delete from conversation_labels
where business_id = %(business_id)s::int and label_id = %(id)s::bigint
    and conversation_id = any(%(conversations)s::bigint[])
returning conversation_id
"""
SET = f"""
with gone as (
    delete from conversation_labels
    where business_id = %(business_id)s::int and conversation_id = %(id)s::bigint
        and label_id <> all(%(labels)s::bigint[])
)
insert into conversation_labels (business_id, conversation_id, label_id)
select l.business_id, %(id)s::bigint, l.id from inbox_labels l
where l.business_id = %(business_id)s::int and l.id = any(%(labels)s::bigint[])
order by l.id
on conflict {inbox_keys.CONVERSATION_LABEL.target} do nothing
"""


async def put(conn: Conn, business_id: int, label_id: int, conversations: Iterable[int]) -> list[int]:
    """Puts a label on threads of the business; those that had it not."""
    values = {"business_id": business_id, "id": label_id, "conversations": arrays.numbers(conversations)}
    return [row[0] for row in await (await conn.execute(PUT, values)).fetchall()]


async def take_off(conn: Conn, business_id: int, label_id: int, conversations: Iterable[int]) -> list[int]:
    """Takes a label off threads; those that had it."""
    values = {"business_id": business_id, "id": label_id, "conversations": arrays.numbers(conversations)}
    return [row[0] for row in await (await conn.execute(TAKE_OFF, values)).fetchall()]


async def set_on(conn: Conn, business_id: int, conversation_id: int, labels: Iterable[int]) -> None:
    """Has a thread have just these labels, of those that there are."""
    values = {"business_id": business_id, "id": conversation_id, "labels": arrays.numbers(labels)}
    await conn.execute(SET, values)
