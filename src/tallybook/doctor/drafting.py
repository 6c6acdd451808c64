"""A contract to begin with: what the code believes to be the same thing, and what the database holds it to be. Pure.

Neither need be what the business says. So each key says where it comes from and where both disagree, for a person to
decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from .arbiters import Targets
from .catalog import Catalog, Index, Kind
from .conflict import Conflict, conflicts
from .contract import Apart, Contract, NaturalKey, Nulls, Upsert
from .predicates import held_to_one
from .sql_tokens import alike
from .toml_writing import value

# In so many of the keys, and on so many tables at least, must a column stand to be taken for the tenant's.
MOST = 0.6
TABLES = 3
NAMED = 3  # places that a note names
HEAD = """A draft, made from what is there: it says what the schema and the code do now, not what the business means.
Read each key, correct it, and take out what no rule stands behind."""

# The same key has the same table, columns in whatever order, and predicate.
_Same: TypeAlias = tuple[str, frozenset[str], str]


class Believed(msgspec.Struct, frozen=True):
    """A key, the places that rely on it, and the index that holds it; ``strict`` are those that refuse more than it."""

    key: NaturalKey
    places: tuple[str, ...] = ()
    index: Index | None = None
    strict: tuple[Index, ...] = ()


def draft(catalog: Catalog, upserts: Sequence[Upsert]) -> Contract:
    """The keys of both sides, without numbers that only stand for a row, and the periods that are kept apart.

    The statements are in it as they were given.
    """
    spread = Counter(table.distributed_by for table in catalog.tables if table.distributed_by)
    return Contract(
        keys=tuple(one.key for one in believed(catalog, upserts)),
        apart=tuple(
            Apart(table=index.table, name=index.name, rule=index.definition)
            for index in _called(catalog).indexes
            if not index.equal
        ),
        upserts=tuple(upserts),
        distributed_by=spread.most_common(1)[0][0] if spread else None,
    )


def notes(catalog: Catalog, upserts: Sequence[Upsert]) -> dict[str, str]:
    """What a person has to know of a draft, in the form that ``contract_file.write`` takes."""
    found = believed(catalog, upserts)
    said = {one.key.says: _note(one) for one in found}
    return {"": HEAD, **said, **({"scope": guess} if (guess := _scope([one.key for one in found])) else {})}


def believed(catalog: Catalog, upserts: Sequence[Upsert]) -> list[Believed]:
    """The keys by table, what the code relies on before what only the database has."""
    here = _called(catalog)
    natural = tuple(_natural(here))
    live = {_same(index.table, index.columns, index.where): index for index in natural}
    code = _code(catalog, upserts)
    found = [_of_code(key, places, live.get(same), natural) for same, (key, places) in code.items()]
    taken = {(index.table, index.name) for one in found for index in one.strict}
    found += [
        Believed(_of_index(index), index=index)
        for same, index in live.items()
        if same not in code and (index.table, index.name) not in taken
    ]
    found += [Believed(NaturalKey(table=table, columns=())) for table in sorted(_singles(here))]
    return sorted(found, key=lambda one: (one.key.table, not one.places, one.key.columns))


def _called(catalog: Catalog) -> Catalog:
    """The catalogue with its tables called by their schemas too, where there are several."""
    if not _several(catalog):
        return catalog
    replace = msgspec.structs.replace
    return replace(
        catalog,
        tables=tuple(replace(one, name=one.full_name) for one in catalog.tables),
        indexes=tuple(replace(one, table=f"{one.schema}.{one.table}") for one in catalog.indexes),
        checks=tuple(replace(one, table=f"{one.schema}.{one.table}") for one in catalog.checks),
    )


def _several(catalog: Catalog) -> bool:
    return len({table.schema for table in catalog.tables}) > 1


def _same(table: str, columns: Sequence[str], where: str | None) -> _Same:
    return table, frozenset(alike(one) for one in columns), alike(where or "")


def _natural(catalog: Catalog) -> Iterator[Index]:
    """The unique indexes that are no row's number, and none that a partition has from its table."""
    whole = {(table.schema, table.name) for table in catalog.tables if not table.is_partition}
    singles, numbers = _singles(catalog), _numbers(catalog)
    for index in catalog.indexes:
        where = (index.schema, index.table)
        if where not in whole or index.columns == (singles.get(index.table),):
            continue
        if index.unique and not index.excludes and not numbers.get(where, set()) & {*index.columns}:
            yield index


def _numbers(catalog: Catalog) -> dict[tuple[str, str], set[str]]:
    """The columns that alone tell a table's rows apart, by values that the database makes up."""
    alone = {(one.schema, one.table, one.columns[0]) for one in catalog.indexes if one.unique and len(one.columns) == 1}
    found: dict[tuple[str, str], set[str]] = {}
    for table in catalog.tables:
        for column in table.columns:
            if column.own_value and (table.schema, table.name, column.name) in alone:
                found.setdefault((table.schema, table.name), set()).add(column.name)
    return found


def _singles(catalog: Catalog) -> dict[str, str]:
    """The tables that hold one row at most: a check gives the only column of their primary key one value."""
    only = {
        index.table: index.columns[0]
        for index in catalog.indexes
        if index.kind is Kind.PRIMARY and len(index.columns) == 1
    }
    return {
        check.table: only[check.table]
        for check in catalog.checks
        if only.get(check.table) in held_to_one(check.definition)
    }


def _code(catalog: Catalog, upserts: Sequence[Upsert]) -> dict[_Same, tuple[NaturalKey, list[str]]]:
    """What the statements take for the same thing, each with the places that say so."""
    targets = Targets(catalog, tuple(dict.fromkeys(table.schema for table in catalog.tables)))
    numbers = _numbers(catalog)
    found: dict[_Same, tuple[NaturalKey, list[str]]] = {}
    for upsert in upserts:
        for conflict in conflicts(upsert.statement):
            where = targets.of(conflict)
            if (key := _key(conflict, where.indexes)) is None:
                continue
            table = (where.table.schema, where.table.name) if where.table is not None else ("", "")
            if numbers.get(table, set()) & {*key.columns}:
                continue
            if where.table is not None and _several(catalog):
                key = msgspec.structs.replace(key, table=where.table.full_name)
            found.setdefault(_same(key.table, key.columns, key.where), (key, []))[1].append(upsert.place)
    return found


def _key(conflict: Conflict, indexes: Sequence[Index]) -> NaturalKey | None:
    if conflict.columns:
        where = conflict.where if not conflict.parameters else None
        return NaturalKey(table=conflict.table, columns=conflict.columns, where=where)
    named = next((index for index in indexes if index.name == conflict.constraint), None)
    return _of_index(named) if named is not None and not named.excludes else None


def _of_index(index: Index) -> NaturalKey:
    return NaturalKey(
        table=index.table,
        columns=index.columns,
        where=index.where,
        nulls=Nulls.SAME if index.nulls_same else Nulls.DISTINCT,
        immediate=index.immediate,
        name=index.name,
    )


def _of_code(key: NaturalKey, places: list[str], index: Index | None, natural: Sequence[Index]) -> Believed:
    """A key of the code, as the database spells it where it holds it. What ON CONFLICT relies on is never late."""
    spelt = msgspec.structs.replace(_of_index(index), immediate=True) if index is not None else key
    columns = {alike(one) for one in key.columns}
    strict = tuple(
        one
        for one in natural
        if one.table == key.table and one.where is None and {alike(column) for column in one.columns} < columns
    )
    return Believed(spelt, tuple(dict.fromkeys(places)), index, strict)


def _note(one: Believed) -> str:
    """Where a key comes from, and what speaks against it."""
    if not one.key.columns:
        return "From the database: a check gives its primary key one value."
    if not one.places:
        name = one.index.name if one.index is not None else ""
        return f"From the database alone ({name}): no statement that was read relies on it."
    said = [f"From the code: {', '.join(one.places[:NAMED])}{' and more' if len(one.places) > NAMED else ''}."]
    if one.index is None:
        said.append("TO DECIDE: the database holds no such key, so these statements fail or need another one.")
    elif not one.index.immediate:
        said.append(f"TO DECIDE: {one.index.name} is deferrable, so these statements fail.")
    elif not one.index.valid:
        said.append(f"TO DECIDE: {one.index.name} is invalid, so these statements fail.")
    else:
        said.append(f"The database holds it as {one.index.name}.")
    said += [
        f"TO DECIDE: {index.name} of the database is stricter, ({', '.join(index.columns)}); it refuses what this key "
        "allows, and was left out."
        for index in one.strict
    ]
    return "\n".join(said)


def _scope(keys: Sequence[NaturalKey]) -> str | None:
    """A guess at the tenant's column, as a comment: nobody but the business knows."""
    tables: dict[str, set[str]] = {}
    for key in keys:
        for column in key.columns:
            tables.setdefault(column, set()).add(key.table)
    count = Counter(column for key in keys for column in key.columns)
    if not count:
        return None
    column, times = max(count.items(), key=lambda one: (one[1], one[0]))
    if times < MOST * len(keys) or len(tables[column]) < TABLES:
        return None
    setting = f"scope = {value([column])}"
    return f"A guess, since {times} of {len(keys)} keys contain it. If it is the tenant's column, say so:\n{setting}"
