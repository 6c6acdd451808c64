"""The statements that show rows which stand against each other: composed of names, and of the declared texts."""

from __future__ import annotations

from typing import LiteralString, TypeAlias

import msgspec
from psycopg import sql

from .catalog import Table, Unvalidated
from .contract import Apart, NaturalKey
from .periods import taken_apart
from .same_text import texts

# How many groups of rows are shown, two rows of each.
GROUPS = 5
# So many pairs of periods are counted.
MOST = 1000

# The first rows of a table, whatever their order, under its name; with their places, or without.
PLACED: LiteralString = "(select *, ctid, tableoid from {table} limit {first}) as {name}"
FEW: LiteralString = "(select * from {table} limit {first}) as {name}"
# Found by the place of the first and the last row of each group, so that the table is read once. To join them by an
# equality is what lets the server go to a place, and not through the table once more.
ALIKE: LiteralString = """
with alike as materialized (
    select {columns}, {ends} from {source} where {where} group by {numbers} having count({counted}) > 1
)
select (select count(*) from alike), to_jsonb(pair)
from (select 1) as always
left join (
    select pair from (select * from alike limit {groups}) as found
    cross join lateral (
        select {name}.* from unnest(array[found.first_place, found.last_place]) as doctor_at (doctor_place)
        join {table} on {name}.ctid = doctor_place
        where {where} and {same}
    ) as pair
) as pairs on true
"""
MANY: LiteralString = """
select case when count(*) over () > 1 then 1 else 0 end, to_jsonb(pair)
from (select * from {source} where {where} limit {rows}) as pair
"""
# Each two rows whose periods lie over each other; the earlier place comes first.
OVER: LiteralString = """
with compared as materialized (select tableoid as part, ctid as place, {columns} from {source} where {where}),
over as materialized (
    select one.part, one.place, other.part as other_part, other.place as other_place from compared as one
    join compared as other on (one.part, one.place) < (other.part, other.place) and {same} limit {most}
)
select (select count(*) from over), to_jsonb(pair)
from (select 1) as always
left join (
    select pair from (select * from over order by part, place, other_part, other_place limit {groups}) as some_over
    cross join lateral (
        select {name}.* from unnest(
            array[some_over.place, some_over.other_place], array[some_over.part, some_over.other_part]
        ) as doctor_at (doctor_place, doctor_part)
        join {table} on {name}.ctid = doctor_place and {name}.tableoid = doctor_part
        order by {name}.tableoid, {name}.ctid
    ) as pair
) as pairs on true
"""
BREAKING: LiteralString = """
with breaking as materialized (select tableoid as part, ctid as place from {source} where {where})
select (select count(*) from breaking), to_jsonb(pair)
from (select 1) as always
left join (
    select pair from (select * from breaking limit {groups}) as found
    cross join lateral (
        select {name}.* from unnest(array[found.place], array[found.part]) as doctor_at (doctor_place, doctor_part)
        join {table} on {name}.ctid = doctor_place and {name}.tableoid = doctor_part
    ) as pair
) as pairs on true
"""
# What is true of a row that a foreign key would refuse: what it names is not there, or covers its period in part only.
NOT_THERE: LiteralString = "num_nulls({own}) = 0 and not exists (select from {there} as doctor_there where {same})"
UNCOVERED: LiteralString = """
num_nulls({own}) = 0
    and not coalesce({mine} <@ (select range_agg({theirs}) from {there} as doctor_there where {same}), false)
"""
HALF_GIVEN: LiteralString = "(num_nulls({own}) > 0 and num_nonnulls({own}) > 0 or {otherwise})"
# The places of two rows of a group: the first and the last one, or where it is about tenants, of two of these.
ENDS: LiteralString = "min(ctid) as first_place, max(ctid) as last_place"
APART: LiteralString = (
    "(array_agg(ctid order by {scope}))[1] as first_place, (array_agg(ctid order by {scope} desc))[1] as last_place"
)


class Shared(msgspec.Struct, frozen=True):
    """A key that tenants share, and the column that tells these apart."""

    key: NaturalKey
    scope: str


# What rows are looked for by: what two of them must not have in common, or what one must not break by itself.
Rule: TypeAlias = NaturalKey | Apart | Shared | Unvalidated


def composed(table: Table, rule: Rule, first: int | None = None) -> sql.Composed | None:
    """How many rows, or groups of them, stand against a rule, beside each of a few; None for one not understood.

    With ``first`` they are looked for among so many rows.
    """
    match rule:
        case NaturalKey():
            return doubles(table, rule, first)
        case Shared():
            return doubles(table, rule.key, first, rule.scope) if rule.key.columns else None
        case Apart():
            return overlaps(table, rule, first)
        case Unvalidated():
            return breaking(table, rule, first)


def doubles(table: Table, key: NaturalKey, first: int | None = None, scope: str | None = None) -> sql.Composed:
    """Rows that a key refuses: how many groups of them, and two of each of a few, or a few of one row too many.

    With ``first`` they are looked for among so many rows; with ``scope`` they are rows of several tenants.
    """
    columns = [sql.SQL(one) if one.startswith("(") else sql.Identifier(one) for one in key.columns]
    names = [sql.Identifier(f"key_{number}") for number in range(len(columns))]
    conditions: list[sql.Composable] = [sql.SQL("(\n{}\n)").format(sql.SQL(key.where))] if key.where else []
    if key.nulls != "same":
        conditions += [sql.SQL("{} is not null").format(column) for column in columns]
    parts: dict[str, sql.Composable] = {
        "table": sql.Identifier(table.schema, table.name),
        "name": sql.Identifier(table.name),
        "where": sql.SQL(" and ").join(conditions or [sql.SQL("true")]),
    }
    if not columns:
        return sql.SQL(MANY).format(rows=sql.Literal(GROUPS), source=_source(table, first, FEW), where=parts["where"])
    tenant = sql.Identifier(scope) if scope else None
    equal = sql.SQL("{} is not distinct from found.{}")
    return sql.SQL(ALIKE).format(
        columns=sql.SQL(", ").join(sql.SQL("{} as {}").format(*pair) for pair in zip(columns, names, strict=True)),
        numbers=sql.SQL(", ").join(sql.SQL(str(number)) for number in range(1, len(columns) + 1)),
        ends=sql.SQL(APART).format(scope=tenant) if tenant else sql.SQL(ENDS),
        counted=sql.SQL("distinct {}").format(tenant) if tenant else sql.SQL("*"),
        same=sql.SQL(" and ").join(equal.format(*pair) for pair in zip(columns, names, strict=True)),
        groups=sql.Literal(GROUPS),
        source=_source(table, first, PLACED),
        **parts,
    )


def breaks(table: Table, rule: Unvalidated) -> sql.Composed:
    """What is true of a row that breaks a rule which old rows were never held against."""
    if rule.check is not None:
        return sql.SQL("not (\n{}\n)").format(sql.SQL(rule.check))
    own = [sql.Identifier(table.name, column) for column in rule.columns]
    if rule.refers is None:
        return sql.SQL("{} is null").format(own[0])
    schema, name, columns = rule.refers
    pairs = [
        sql.SQL("{} = {}").format(sql.Identifier("doctor_there", column), mine)
        for column, mine in zip(columns, own, strict=True)
    ]
    parts: dict[str, sql.Composable] = {"there": sql.Identifier(schema, name), "own": sql.SQL(", ").join(own)}
    if rule.of_periods:
        there = sql.Identifier("doctor_there", columns[-1])
        same = sql.SQL(" and ").join([*pairs[:-1], sql.SQL("{} && {}").format(there, own[-1])])
        found = sql.SQL(UNCOVERED).format(mine=own[-1], theirs=there, same=same, **parts)
    else:
        found = sql.SQL(NOT_THERE).format(same=sql.SQL(" and ").join(pairs), **parts)
    return sql.SQL(HALF_GIVEN).format(otherwise=found, **parts) if rule.full else found


def breaking(table: Table, rule: Unvalidated, first: int | None = None) -> sql.Composed:
    """Rows that break a rule which they were never held against: how many, and a few."""
    broken = breaks(table, rule)
    return sql.SQL(BREAKING).format(
        table=sql.Identifier(table.schema, table.name),
        name=sql.Identifier(table.name),
        source=_source(table, first, PLACED),
        where=broken,
        groups=sql.Literal(GROUPS),
    )


def _source(table: Table, first: int | None, how: LiteralString) -> sql.Composable:
    """The table, or its first rows, which bear its name."""
    whole = sql.Identifier(table.schema, table.name)
    if first is None:
        return whole
    return sql.SQL(how).format(table=whole, first=sql.Literal(first), name=sql.Identifier(table.name))


def overlaps(table: Table, apart: Apart, first: int | None = None) -> sql.Composed | None:
    """Rows whose periods lie over each other: how many pairs, up to MOST, and a few; None for a rule not understood."""
    periods = taken_apart(apart.rule)
    if periods is None:
        return None
    names = [sql.Identifier(f"key_{number}") for number in range(len(periods.elements))]
    columns = [
        sql.SQL("(\n{}\n) as {}").format(sql.SQL(expression), name)
        for (expression, _), name in zip(periods.elements, names, strict=True)
    ]
    same = [
        sql.SQL("one.{} {} other.{}").format(name, sql.SQL(operator), name)
        for (_, operator), name in zip(periods.elements, names, strict=True)
    ]
    return sql.SQL(OVER).format(
        table=sql.Identifier(table.schema, table.name),
        name=sql.Identifier(table.name),
        source=_source(table, first, PLACED),
        columns=sql.SQL(", ").join(columns),
        where=sql.SQL("(\n{}\n)").format(sql.SQL(periods.where or "true")),
        same=sql.SQL(" and ").join(same),
        most=sql.Literal(MOST),
        groups=sql.Literal(GROUPS),
    )


def tried(what: Rule) -> list[str]:
    """The expressions that are run on rows; of periods with the operators that compare them."""
    if isinstance(what, Shared):
        return texts(what.key)
    if isinstance(what, Unvalidated):
        return [what.check] if what.check else []
    if isinstance(what, NaturalKey):
        return texts(what)
    periods = taken_apart(what.rule)
    if periods is None:
        return []
    compared = [f"({expression}) {operator} ({expression})" for expression, operator in periods.elements]
    return compared + ([periods.where] if periods.where else [])
