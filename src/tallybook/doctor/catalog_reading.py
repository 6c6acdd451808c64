"""Reads the catalogue of the schemas asked for, in a few statements whatever the number of tables.

Nothing here needs a right on a table. A table that somebody changes at this moment (holding or awaiting the lock that
shuts out readers) is named and left alone: newer servers lock it to spell out its expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

import msgspec
import psycopg
from psycopg import errors, sql
from psycopg.rows import tuple_row

from tallybook.core.errors import Unavailable

from .catalog import Catalog, Check, Index, Relation, SequenceState, Table, Unvalidated
from .looking import looking

Conn = psycopg.AsyncConnection[Any]
# A lock can be taken between the look at the locks and the reading; the next look sees it.
TRIES = 3
# How many sequences are asked in one statement.
AT_ONCE = 200
# What was there when a statement began may be locked, or gone, when it comes to it.
CHANGED = (errors.LockNotAvailable, errors.UndefinedTable, errors.InternalError_, msgspec.ValidationError)

LOCKED = """
select relation from pg_locks
where locktype = 'relation' and mode = 'AccessExclusiveLock' and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())
"""
TABLES = """
with found as (
    select c.oid, n.nspname, c.relname, c.reltuples, c.relispartition, c.oid = any(%(locked)s::oid[]) as locked,
        has_schema_privilege(n.oid, 'usage') as may_use,
        has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as may_read
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname = any(%(schemas)s::text[])
), unsure as (
    select conrelid, unnest(conkey) as attnum from pg_constraint where contype = 'n' and not convalidated
), columns as (
    select a.attrelid, json_agg(json_build_object(
        'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
        'nullable', not a.attnotnull or u.attnum is not null, 'generated', a.attgenerated <> '',
        'default', case when not f.locked then pg_get_expr(d.adbin, d.adrelid) end) order by a.attnum) as them
    from found f
    join pg_attribute a on a.attrelid = f.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join unsure u on u.conrelid = a.attrelid and u.attnum = a.attnum
    group by a.attrelid
), parts as (
    select p.partrelid, json_agg(a.attname order by k.position) as them
    from pg_partitioned_table p
    cross join unnest(p.partattrs) with ordinality as k (attnum, position)
    left join pg_attribute a on a.attrelid = p.partrelid and a.attnum = k.attnum and k.attnum > 0
    group by p.partrelid
)
select f.oid, json_build_object(
    'schema', f.nspname, 'name', f.relname, 'rows', f.reltuples, 'may_read', f.may_read, 'locked', f.locked,
    'may_use', f.may_use,
    'is_partition', f.relispartition, 'part_of', w.nspname || '.' || w.relname,
    'columns', coalesce(c.them, '[]'), 'partitioned_by', coalesce(p.them, '[]'))
from found f
left join columns c on c.attrelid = f.oid
left join parts p on p.partrelid = f.oid
left join lateral (
    select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where f.relispartition and c.oid = pg_partition_root(f.oid)
) w on true
order by f.nspname, f.relname
"""
# An index names its columns, and an expression as the server writes it. One that compares a column by another rule of
# letters than the column's own (capitals alike, say) refuses other rows than one that does not.
INDEXES = """
with pointing as (
    select f.conindid, json_agg(format('%%I.%%I', t.relname, f.conname) order by t.relname, f.conname) as them
    from pg_constraint f join pg_class t on t.oid = f.conrelid
    where f.contype = 'f' and f.conparentid = 0 group by f.conindid
), building as (
    select index_relid from pg_stat_progress_create_index where index_relid is not null
), found as (
    select x.*, n.nspname, t.relname, k.oid as made_by, k.contype, k.conexclop
    from pg_index x
    join pg_class t on t.oid = x.indrelid and t.relkind in ('r', 'p') and t.oid <> all(%(locked)s::oid[])
    join pg_namespace n on n.oid = t.relnamespace and n.nspname = any(%(schemas)s::text[])
    left join pg_constraint k on k.conindid = x.indexrelid and k.contype in ('p', 'u', 'x')
    where (x.indisunique or x.indisexclusion) and x.indislive
), columns as (
    select x.indexrelid,
        json_agg(case
            when a.attname is null then e.expression
            when l.collname is not null then format('(%%I collate %%I)', a.attname, l.collname)
            else a.attname::text end order by k.position) filter (where k.position <= x.indnkeyatts) as them,
        json_agg(a.attname order by k.position) filter (where k.position > x.indnkeyatts) as includes
    from found x
    cross join unnest(x.indkey) with ordinality as k (attnum, position)
    left join pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum and k.attnum > 0
    left join pg_collation o on o.oid = a.attcollation
    left join pg_collation l on l.oid = x.indcollation[k.position - 1] and l.oid <> a.attcollation
        and k.position <= x.indnkeyatts and not (l.collisdeterministic and o.collisdeterministic)
    left join lateral (
        select case when made.text like '(%%' then made.text else '(' || made.text || ')' end
        from (select pg_get_indexdef(x.indexrelid, k.position::int, false)) as made (text)
        where k.attnum = 0
    ) as e (expression) on true
    group by x.indexrelid
)
select json_build_object(
    'schema', x.nspname, 'table', x.relname, 'name', i.relname, 'kind', coalesce(x.contype::text, 'i'),
    'columns', c.them, 'includes', coalesce(c.includes, '[]'), 'where', pg_get_expr(x.indpred, x.indrelid),
    'immediate', x.indimmediate, 'valid', x.indisvalid, 'ready', x.indisready, 'nulls_same', x.indnullsnotdistinct,
    'definition', coalesce(pg_get_constraintdef(x.made_by), pg_get_indexdef(x.indexrelid)), 'unique', x.indisunique,
    'operators', coalesce((
        select json_agg(o.oprname order by e.position)
        from unnest(x.conexclop) with ordinality as e (oid, position) join pg_operator o on o.oid = e.oid), '[]'),
    'pointing', coalesce(p.them, '[]'), 'building', b.index_relid is not null,
    'attached', i.relispartition, 'partitioned', i.relkind = 'I', 'replica_identity', x.indisreplident)
from found x
join pg_class i on i.oid = x.indexrelid
join columns c on c.indexrelid = x.indexrelid
left join pointing p on p.conindid = x.indexrelid
left join building b on b.index_relid = x.indexrelid
order by x.nspname, x.relname, i.relname
"""
RELATIONS = """
select n.nspname, c.relname, bool_or(c.relkind = 'f')
from (
    select relnamespace, relname, relkind from pg_class
    union all
    select connamespace, conname, 'c'::"char" from pg_constraint
) c
join pg_namespace n on n.oid = c.relnamespace and n.nspname = any(%(schemas)s::text[])
group by n.nspname, c.relname
"""
# Servers before 18 have no conperiod.
CONSTRAINTS = """
select k.convalidated, json_build_object(
    'schema', n.nspname, 'table', t.relname, 'name', k.conname, 'definition', pg_get_constraintdef(k.oid),
    'check', case when k.contype = 'c' and not k.convalidated then pg_get_expr(k.conbin, k.conrelid) end,
    'columns', case when k.contype in ('f', 'n') then (
        select json_agg(attname order by array_position(k.conkey, attnum)) from pg_attribute
        where attrelid = k.conrelid and attnum = any(k.conkey)) else '[]' end,
    'refers', case when k.contype = 'f' then (
        select json_build_array(rn.nspname, r.relname, json_agg(a.attname order by array_position(k.confkey, a.attnum)))
        from pg_attribute a join pg_class r on r.oid = a.attrelid join pg_namespace rn on rn.oid = r.relnamespace
        where r.oid = k.confrelid and a.attnum = any(k.confkey) group by rn.nspname, r.relname) end,
    'full', k.confmatchtype = 'f', 'of_periods', coalesce((to_jsonb(k) ->> 'conperiod')::bool, false))
from pg_constraint k
join pg_class t on t.oid = k.conrelid and t.oid <> all(%(locked)s::oid[])
join pg_namespace n on n.oid = t.relnamespace and n.nspname = any(%(schemas)s::text[])
where k.conparentid = 0 and (k.contype = 'c' or k.contype in ('f', 'n') and not k.convalidated)
order by n.nspname, t.relname, k.conname
"""
SEQUENCES = """
with fills as (
    select d.objid as sequence, d.refobjid as relation, d.refobjsubid as attnum
    from pg_depend d
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0
        and d.deptype = 'i'
    union
    select d.refobjid, a.adrelid, a.adnum
    from pg_depend d join pg_attrdef a on a.oid = d.objid
    where d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype = 'n'
)
select tn.nspname, t.relname, a.attname, sn.nspname, c.relname, s.seqincrement,
    least(s.seqmax, case a.atttypid when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647 end),
    has_schema_privilege(sn.oid, 'usage') and has_sequence_privilege(c.oid, 'select')
        and c.oid <> all(%(locked)s::oid[]) and s.seqincrement > 0
from fills f
join pg_sequence s on s.seqrelid = f.sequence
join pg_class c on c.oid = f.sequence
join pg_namespace sn on sn.oid = c.relnamespace
join pg_class t on t.oid = f.relation and t.relkind in ('r', 'p') and not t.relispartition
join pg_namespace tn on tn.oid = t.relnamespace and tn.nspname = any(%(schemas)s::text[])
join pg_attribute a on a.attrelid = f.relation and a.attnum = f.attnum
order by tn.nspname, t.relname, a.attnum
"""
# One that stands at its end would give a number that is none.
ONE_SEQUENCE: LiteralString = """
select {schema}::text, {name}::text,
    least(last_value::numeric + case when is_called then {step} else 0 end, 9223372036854775807)::bigint
from {sequence}
"""
SPREADING = "select to_regclass('pg_catalog.pg_dist_partition') is not null"
# What Citus keeps, where it is installed.
SPREAD_BY: LiteralString = (
    "select logicalrelid::oid, column_to_column_name(logicalrelid, partkey) from {tables} where partkey is not null"
)


class BeingChanged(Unavailable):
    """Somebody changes the tables faster than they can be looked at."""


class Filling(NamedTuple):
    """A column that a sequence fills. ``readable`` tells whether the sequence's value can be read."""

    schema: str
    table: str
    column: str
    sequence_schema: str
    sequence: str
    step: int
    top: int
    readable: bool

    @property
    def full_name(self) -> str:
        """The sequence with its schema."""
        return f"{self.sequence_schema}.{self.sequence}"


async def read(conn: Conn, schemas: Sequence[str], *, seconds: float = 30.0) -> Catalog:
    """Everything that the doctor looks at in these schemas, as of one short read-only transaction.

    A schema that there is none of gives nothing. Raises BeingChanged where tables change again and again under the
    look, and QueryCanceled after ``seconds`` for one statement.
    """
    for _ in range(TRIES):
        try:
            return await _read(conn, list(schemas), seconds)
        except CHANGED:
            if conn.closed:
                raise
    raise BeingChanged("The tables are being changed at this moment. Look again when that is through.")


async def _read(conn: Conn, schemas: list[str], seconds: float) -> Catalog:
    async with looking(conn, seconds):
        asked = {"schemas": schemas, "locked": [row[0] for row in await _rows(conn, LOCKED)]}
        fillings = [Filling(*row) for row in await _rows(conn, SEQUENCES, asked)]
        tables = await _tables(conn, asked, fillings)
        indexes = [msgspec.convert(row[0], Index) for row in await _rows(conn, INDEXES, asked)]
        constraints = await _rows(conn, CONSTRAINTS, asked)
        relations = await _rows(conn, RELATIONS, asked)
        next_values = await _next_values(conn, fillings)
    return Catalog(
        tables=tables,
        indexes=tuple(indexes),
        unvalidated=tuple(msgspec.convert(one, Unvalidated) for valid, one in constraints if not valid),
        checks=tuple(msgspec.convert(one, Check) for valid, one in constraints if valid),
        relations=tuple(Relation(*row) for row in relations),
        sequences=tuple(
            SequenceState(*one[:5], next_values.get((one.sequence_schema, one.sequence)), one.step, one.top)
            for one in fillings
        ),
    )


async def _tables(conn: Conn, asked: dict[str, Any], fillings: list[Filling]) -> tuple[Table, ...]:
    filled = {(one.schema, one.table, one.column): one.full_name for one in fillings}
    spread = await _spread_by(conn)
    found = []
    for oid, table in await _rows(conn, TABLES, asked):
        for column in table["columns"]:
            column["sequence"] = filled.get((table["schema"], table["name"], column["name"]))
        found.append(msgspec.convert(table | {"distributed_by": spread.get(oid)}, Table))
    return tuple(found)


async def _spread_by(conn: Conn) -> dict[int, str]:
    """The column by which each table is spread over machines, by the table's number; empty without Citus."""
    if not (await _rows(conn, SPREADING))[0][0]:
        return {}
    statement = sql.SQL(SPREAD_BY).format(tables=sql.Identifier("pg_catalog", "pg_dist_partition"))
    return dict(await _rows(conn, statement))


async def _next_values(conn: Conn, fillings: list[Filling]) -> dict[tuple[str, str], int]:
    """What each readable sequence would give next, by its schema and name."""
    readable = list({(one.sequence_schema, one.sequence): one for one in fillings if one.readable}.values())
    found: dict[tuple[str, str], int] = {}
    for start in range(0, len(readable), AT_ONCE):
        statement = sql.SQL(" union all ").join(map(_one_sequence, readable[start : start + AT_ONCE]))
        found.update({(schema, name): value for schema, name, value in await _rows(conn, statement)})
    return found


def _one_sequence(one: Filling | SequenceState) -> sql.Composed:
    return sql.SQL(ONE_SEQUENCE).format(
        schema=sql.Literal(one.sequence_schema),
        name=sql.Literal(one.sequence),
        step=sql.Literal(one.step),
        sequence=sql.Identifier(one.sequence_schema, one.sequence),
    )


async def next_value(conn: Conn, state: SequenceState) -> int:
    """What a sequence would give at this moment, read anew."""
    ((_, _, value),) = await _rows(conn, _one_sequence(state))
    return int(value)


async def _rows(conn: Conn, statement: LiteralString | sql.Composed, values: dict[str, Any] | None = None) -> list[Any]:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchall()
