"""Reads what a repair must know of a table and of all tables that point at it, near or far."""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg

from tallybook.core.errors import NotFound

from .types import Family, Reference, Shape

# Types, tables and definitions are then named with their schemas, whatever path they are run with.
NO_PATH = "select set_config('search_path', '', true)"
# The table and all that point at it, near or far.
KIN = """kin (oid) as (
    select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %(schema)s::text and c.relname = %(table)s::text and c.relkind in ('r', 'p')
    union
    select f.conrelid from kin join pg_constraint f on f.confrelid = kin.oid and f.contype = 'f' and f.conparentid = 0
)
"""
FAMILY = f"""
with recursive {KIN}select json_build_object(
    'name', format('%%I.%%I', n.nspname, c.relname), 'schema', n.nspname, 'table', c.relname,
    'divided', c.relkind = 'p' or c.relispartition or c.relhassubclass,
    'fields', (
        select json_agg(json_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
            'generated', a.attgenerated <> '', 'identity', a.attidentity) order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
    'triggers', (
        select coalesce(json_agg(json_build_object('name', t.tgname, 'always', t.tgenabled = 'A')), '[]')
        from pg_trigger t
        where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('O', 'A') and t.tgtype & 3 = 3),
    'indexes', (
        select coalesce(json_agg(own.columns), '[]')
        from (
            select json_agg(a.attname order by k.position) as columns
            from pg_index x cross join unnest(x.indkey) with ordinality as k (attnum, position)
            join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum and k.attnum > 0
            where x.indrelid = c.oid and x.indisvalid and x.indpred is null
            group by x.indexrelid) own),
    'uniques', (
        select coalesce(json_agg(json_build_object(
            'name', i.relname, 'kind', coalesce(o.contype, 'i'), 'where', pg_get_expr(x.indpred, x.indrelid),
            'immediate', x.indimmediate, 'valid', x.indisvalid and x.indisready,
            'nulls_same', x.indnullsnotdistinct,
            'definition', pg_get_indexdef(x.indexrelid), 'constraint', pg_get_constraintdef(o.oid),
            'columns', (
                select json_agg(coalesce(
                    a.attname::text, format('(%%s)', pg_get_indexdef(x.indexrelid, k.position::integer, true)))
                    order by k.position)
                from unnest(x.indkey) with ordinality as k (attnum, position)
                left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum and k.attnum > 0
                where k.position <= x.indnkeyatts)) order by x.indexrelid), '[]')
        from pg_index x join pg_class i on i.oid = x.indexrelid
        left join pg_constraint o on o.conindid = x.indexrelid and o.contype in ('p', 'u', 'x')
        where x.indrelid = c.oid and (x.indisunique or x.indisexclusion)))
from kin join pg_class c on c.oid = kin.oid join pg_namespace n on n.oid = c.relnamespace
"""
REFERENCES = f"""
with recursive {KIN}select json_build_object(
    'name', f.conname, 'definition', pg_get_constraintdef(f.oid), 'index', i.relname,
    'table', (
        select format('%%I.%%I', n.nspname, c.relname)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = f.conrelid),
    'to_table', (
        select format('%%I.%%I', n.nspname, c.relname)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = f.confrelid),
    'columns', (
        select json_agg(a.attname order by k.position) from unnest(f.conkey) with ordinality as k (attnum, position)
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.attnum),
    'to_columns', (
        select json_agg(a.attname order by k.position) from unnest(f.confkey) with ordinality as k (attnum, position)
        join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.attnum))
from kin join pg_constraint f on f.conrelid = kin.oid and f.contype = 'f' and f.conparentid = 0
join pg_class i on i.oid = f.conindid
order by f.oid
"""


async def read_family(conn: psycopg.AsyncConnection[Any], schema: str, table: str) -> Family:
    """The table, its kin and the foreign keys of all of them. Raises NotFound where there is no such table."""
    names = {"schema": schema, "table": table}
    async with conn.transaction():
        await conn.execute(NO_PATH)
        shapes = [msgspec.convert(row[0], Shape) for row in await (await conn.execute(FAMILY, names)).fetchall()]
        found = await (await conn.execute(REFERENCES, names)).fetchall()
    root = next((shape for shape in shapes if (shape.schema, shape.table) == (schema, table)), None)
    if root is None:
        raise NotFound(f"There is no table {schema}.{table}; name another with --table, or its schema with --schema.")
    return Family(root.name, tuple(shapes), tuple(msgspec.convert(row[0], Reference) for row in found))
