"""What a schema is made of, read from the catalogue in a form in which two schemas can be held side by side.

Definitions are read with the schema on the search path, so that no schema's name stands in them.
"""

from __future__ import annotations

import msgspec

from .connection import Conn


class Column(msgspec.Struct, frozen=True):
    """A column; columns of a table stand in the order in which ``select *`` gives them."""

    name: str
    type: str
    nullable: bool
    default: str | None


class Rule(msgspec.Struct, frozen=True):
    """A constraint that is no key: a check, a foreign key or an exclusion, as PostgreSQL writes it."""

    name: str
    definition: str
    valid: bool


class Index(msgspec.Struct, frozen=True):
    """An index. ``columns`` are names or expressions; ``where`` what it is limited to; ``extra`` all else about it."""

    name: str
    unique: bool
    columns: tuple[str, ...]
    where: str | None
    usable: bool
    deferrable: bool
    nulls_alike: bool
    method: str


class Table(msgspec.Struct, frozen=True):
    """A table and all that holds its rows to something."""

    name: str
    columns: tuple[Column, ...] = ()
    rules: tuple[Rule, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[str, ...] = ()


FACTS = """
select json_build_object(
    'name', t.relname,
    'columns', (
        select coalesce(json_agg(json_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
            'default', case when a.attidentity <> '' then 'identity' else pg_get_expr(d.adbin, d.adrelid) end)
            order by a.attnum), '[]')
        from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped),
    'rules', (
        select coalesce(json_agg(json_build_object(
            'name', c.conname, 'valid', c.convalidated,
            'definition', replace(pg_get_constraintdef(c.oid), ' NOT VALID', '')) order by c.conname), '[]')
        from pg_constraint c where c.conrelid = t.oid and c.contype in ('c', 'f', 'x')),
    'indexes', (
        select coalesce(json_agg(json_build_object(
            'name', i.relname, 'unique', x.indisunique, 'usable', x.indisvalid and x.indisready,
            'deferrable', not x.indimmediate, 'where', pg_get_expr(x.indpred, x.indrelid), 'method', m.amname,
            'nulls_alike', coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::bool, false),
            'columns', (
                select json_agg(pg_get_indexdef(x.indexrelid, k, true) order by k)
                from generate_series(1, x.indnkeyatts) k)) order by i.relname), '[]')
        from pg_index x join pg_class i on i.oid = x.indexrelid join pg_am m on m.oid = i.relam
        where x.indrelid = t.oid),
    'triggers', (
        select coalesce(json_agg(g.tgname order by g.tgname), '[]')
        from pg_trigger g where g.tgrelid = t.oid and not g.tgisinternal and g.tgenabled <> 'D'))
from pg_class t
where t.relkind in ('r', 'p') and t.relnamespace = current_schema()::regnamespace and t.relname <> 'alembic_version'
order by t.relname
"""


async def facts(conn: Conn) -> list[Table]:
    """The tables of the schema that the connection sees."""
    rows = await (await conn.execute(FACTS)).fetchall()
    return [msgspec.convert(row[0], Table) for row in rows]
