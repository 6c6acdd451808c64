"""Which index an ON CONFLICT clause can rely on, and why one that looks like it does not serve. Pure.

Only the server's planner decides; this says in words what it decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from .catalog import Catalog, Index, Kind, Table
from .conflict import Conflict
from .remedies import dropping
from .resolving import listed, quoted
from .sql_tokens import alike


class Target(msgspec.Struct, frozen=True):
    """The table that a clause writes to, with all that refuses rows on it; None where the catalogue has no such one.

    ``foreign`` tells that it is a table of another server.
    """

    table: Table | None
    indexes: tuple[Index, ...]
    foreign: bool = False


class Targets:
    """The tables of a catalogue, found by name; names without a schema are looked up in ``schemas``, one by one."""

    def __init__(self, catalog: Catalog, schemas: Sequence[str]) -> None:
        indexes = catalog.indexes_by_table()
        names = {(table.schema, table.name): table for table in catalog.tables}
        self._known = {name: Target(table, tuple(indexes.get(name, ()))) for name, table in names.items()}
        away = (one for one in catalog.relations if one.foreign)
        self._known |= {(one.schema, one.name): Target(None, (), foreign=True) for one in away}
        self.schemas = tuple(schemas)

    def of(self, conflict: Conflict) -> Target:
        """The clause's table, by its own schema or by the first of ours that has one of that name."""
        schemas = (conflict.schema,) if conflict.schema else self.schemas
        found = (self._known.get((schema, conflict.table)) for schema in schemas)
        return next((one for one in found if one is not None), Target(None, ()))


def serves(conflict: Conflict, index: Index) -> bool:
    """Whether the planner would take it: the very columns, no other predicate, and a build that came to its end.

    A deferrable one is taken too, and refused when the statement runs.
    """
    if conflict.constraint:
        return index.name == conflict.constraint and index.kind is not Kind.BARE
    return _can_infer(index) and index.valid and _same_columns(conflict, index) and _covers(conflict, index)


def _can_infer(index: Index) -> bool:
    return index.unique and not index.excludes


def _same_columns(conflict: Conflict, index: Index) -> bool:
    return {alike(one) for one in conflict.columns} == {alike(one) for one in index.columns}


def _covers(conflict: Conflict, index: Index) -> bool:
    return index.where is None or (conflict.where is not None and alike(conflict.where) == alike(index.where))


class Near(msgspec.Struct, frozen=True):
    """The index that comes nearest to what a clause asks for, and why it does not serve. ``do`` is what mends it."""

    why: str
    do: str
    index: Index | None = None


def nearest(conflict: Conflict, where: Target) -> Near:
    """Why nothing serves a clause."""
    if where.foreign:
        return Near(
            f"{conflict.table} is a table of another server, and ON CONFLICT can name no key of that here",
            "keep the key on the other server, and write there what must not come twice",
        )
    if conflict.constraint:
        return _by_name(conflict, where)
    usable = [index for index in where.indexes if _can_infer(index)]
    return (
        _first(_same(conflict, index) for index in usable)
        or _exclusion(conflict, where.indexes)
        or _first(_expression(conflict, index) for index in usable)
        or _partition(conflict, where)
        or _first(_overlapping(conflict, index, where) for index in usable)
        or Near(f"no unique index of {conflict.table} has these columns", _build(conflict, where))
    )


def _first(found: Iterable[Near | None]) -> Near | None:
    return next((one for one in found if one is not None), None)


def _build(conflict: Conflict, where: Target) -> str:
    rows = f" where {conflict.where}" if conflict.where and not conflict.parameters else ""
    return f"{building(conflict.table, where, conflict.columns)}{rows};"


def building(table: str, where: Target, columns: tuple[str, ...]) -> str:
    """The statement that makes a unique index, without its end."""
    # The server cannot build a partitioned table's index while it is written.
    slowly = "" if where.table is not None and where.table.partitioned_by else "concurrently "
    return f"create unique index {slowly}on {quoted(table)} ({listed(columns)})"


def _by_name(conflict: Conflict, where: Target) -> Near:
    for index in where.indexes:
        if index.name == conflict.constraint:
            columns = listed(index.columns)
            return Near(
                f"{index.name} is an index and no constraint, and ON CONSTRAINT takes constraints only",
                f"write on conflict ({columns}), or make it one: alter table {quoted(conflict.table)} "
                f"add constraint {quoted(index.name)} unique using index {quoted(index.name)};",
                index,
            )
    return Near(
        f"{conflict.table} has no constraint {conflict.constraint}", "name the columns instead: on conflict (…)"
    )


def _same(conflict: Conflict, index: Index) -> Near | None:
    """The right columns, and yet it does not serve."""
    if not _same_columns(conflict, index):
        return None
    if not index.valid:
        return Near(
            f"{index.name} has these columns but is invalid: its build did not come to its end",
            f"{dropping(index)} then build it again without duplicates",
            index,
        )
    if index.where is not None and not _covers(conflict, index):
        has = f"the statement says where {conflict.where}" if conflict.where else "the statement does not say so"
        return Near(
            f"{index.name} has these columns but covers only rows where {index.where}, and {has}",
            f"write on conflict ({listed(conflict.columns)}) where {index.where}, with constants in it",
            index,
        )
    return Near(
        f"{index.name} has these columns but another collation or operator class",
        f"compare with its definition: {index.definition}",
        index,
    )


def _exclusion(conflict: Conflict, indexes: Sequence[Index]) -> Near | None:
    for index in indexes:
        if index.excludes and {*conflict.columns} == {*index.columns}:
            return Near(
                f"{index.name} is an exclusion, which ON CONFLICT cannot find by its columns",
                f"write on conflict on constraint {index.name} do nothing; do update is not possible with it",
                index,
            )
    return None


def _expression(conflict: Conflict, index: Index) -> Near | None:
    """An index on ``lower(name)`` where the statement says ``name``, or the other way round."""
    asked, held = {_bare(one) for one in conflict.columns}, {_bare(one) for one in index.columns}
    written = any(one.startswith("(") for one in (*conflict.columns, *index.columns))
    if not written or asked != held:
        return None
    return Near(
        f"{index.name} is on ({', '.join(index.columns)}), which is not the same expression",
        f"write on conflict ({listed(index.columns)})",
        index,
    )


def _bare(column: str) -> str:
    """The name within an expression of one column: its last word."""
    words = [word for word in alike(column).split() if word.isidentifier()]
    return words[-1] if column.startswith("(") and words else column


def _partition(conflict: Conflict, where: Target) -> Near | None:
    table = where.table
    lacking = [name for name in (table.partitioned_by if table else ()) if name and name not in conflict.columns]
    if not lacking:
        return None
    columns = listed((*conflict.columns, *lacking))
    return Near(
        f"{conflict.table} is partitioned by {', '.join(lacking)}, which each of its keys has to contain",
        f"write on conflict ({columns}), with a unique constraint on these columns",
    )


def _overlapping(conflict: Conflict, index: Index, where: Target) -> Near | None:
    asked, held = {alike(one) for one in conflict.columns}, {alike(one) for one in index.columns}
    if asked < held:
        why = f"{index.name} is on more columns ({', '.join(index.columns)})"
    elif held < asked:
        why = f"{index.name} is on fewer columns ({', '.join(index.columns)})"
    else:
        return None
    return Near(
        f"{why}, and ON CONFLICT asks for exactly these",
        f"write on conflict ({listed(index.columns)}), or build the key: {_build(conflict, where)}",
        index,
    )
