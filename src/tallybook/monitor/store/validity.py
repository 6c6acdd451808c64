"""SQL of the lists of valid drop numbers."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.monitor.validity_types import Entry

ADD = f"""
insert into valid_drop_numbers (business_id, drop_number, project, sync_source, sync_timestamp)
select %(business_id)s, u.drop_number, u.project, %(source)s, now()
from unnest(%(drop_number)s::text[], %(project)s::text[]) as u (drop_number, project)
on conflict {keys.VALID_DROP.target} do nothing
"""


async def add(conn: Conn, business_id: int, entries: Sequence[Entry], source: str) -> int:
    """Adds entries, given in order; returns how many were new. ``source`` says where they come from."""
    values = {"business_id": business_id, "source": source}
    return (await conn.execute(ADD, values | _columns(entries))).rowcount


WITHDRAW = """
delete from valid_drop_numbers v
using unnest(%(drop_number)s::text[], %(project)s::text[]) as u (drop_number, project)
where v.business_id = (select %(business_id)s::int) and v.drop_number = u.drop_number and v.project = u.project
"""


async def withdraw(conn: Conn, business_id: int, entries: Sequence[Entry]) -> int:
    """Takes entries out of the lists. The caller has the turn of importing, so that nobody else changes them."""
    return (await conn.execute(WITHDRAW, {"business_id": business_id, **_columns(entries)})).rowcount


EVERY = "select drop_number, project from valid_drop_numbers where business_id = %(business_id)s"


async def every(conn: Conn, business_id: int) -> list[tuple[str, str]]:
    """All entries of all lists, as (drop number, project)."""
    return await (await conn.execute(EVERY, {"business_id": business_id})).fetchall()


# One statement for all activations: a list that comes or goes concerns any of them. Only rows that change are written.
NOTE_MARKETING = """
with listed as (
    select drop_number, max(project) as project from valid_drop_numbers
    where business_id = %(business_id)s group by drop_number),
said as (
    select a.id, l.project is not null as is_valid,
        case when l.project is null then 'In no project''s list' else 'In the list of ' || l.project end as says
    from marketing_activations a left join listed l using (drop_number)
    where a.business_id = %(business_id)s and exists (select from listed)
    union all
    select a.id, null, 'No list has been imported'
    from marketing_activations a where a.business_id = %(business_id)s and not exists (select from listed))
update marketing_activations a set is_valid = said.is_valid, validation_message = said.says, updated_at = now()
from said
where a.business_id = %(business_id)s and a.id = said.id
    and (a.is_valid, a.validation_message) is distinct from (said.is_valid, said.says)
"""


async def note_marketing(conn: Conn, business_id: int) -> int:
    """Brings what marketing's activations say of the lists up to date; returns how many changed."""
    return (await conn.execute(NOTE_MARKETING, {"business_id": business_id})).rowcount


def _columns(entries: Sequence[Entry]) -> dict[str, str]:
    return {
        "drop_number": arrays.texts([entry.drop_number for entry in entries]),
        "project": arrays.texts([entry.project for entry in entries]),
    }
