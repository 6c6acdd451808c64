"""A table with what was declared of it and what the database has on it, side by side. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .catalog import Catalog, Index, Table
from .conflict import conflicts
from .contract import Apart, Contract, NaturalKey
from .holding import Rule, columns_of, no_stricter, one_row_at_most, rule_of_index, rule_of_key, together
from .predicates import contradict, held_to_one, literal
from .remedies import making, names_for
from .resolving import Names
from .same_text import Spelling


class Subject(msgspec.Struct, frozen=True):
    """One table. ``called`` is its name in sentences; ``pins`` are columns that checks hold to one value.

    ``parts`` are indexes that partitions have by themselves. ``sure`` tells that the server itself put declared and
    live texts into one spelling. ``made`` are the statements that would make each of ``keys``. ``named`` are the
    constraints that statements name after ON CONSTRAINT.
    """

    table: Table
    called: str
    keys: tuple[tuple[NaturalKey, Rule], ...]
    apart: tuple[Apart, ...]
    indexes: tuple[tuple[Index, Rule], ...]
    pins: frozenset[str]
    sure: bool
    parts: tuple[tuple[Index, Rule], ...] = ()
    made: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()

    def making(self, key: NaturalKey) -> str:
        """What makes one of the declared keys."""
        return next(made for (one, _), made in zip(self.keys, self.made, strict=True) if one is key)

    def refuses(self, index: Index, key: NaturalKey) -> bool:
        """Whether the index refuses whatever the declared key does."""
        return no_stricter(_rule_of(key, self.keys), _rule_of(index, self.indexes))

    def apart_from(self, index: Index, key: NaturalKey) -> bool:
        """Whether the index covers none of the rows that the declared key is about, as far as can be seen."""
        return contradict(_rule_of(key, self.keys).needs, _rule_of(index, self.indexes).needs)

    def held_together(self, key: Rule) -> bool:
        """Whether several finished indexes hold the key between them."""
        sound = [rule for one, rule in self.indexes if one.valid and one.ready and one.equal and one.unique]
        return together(sound, key)

    def singleton(self, index: Index, rule: Rule, key: Rule) -> bool:
        """Whether the index lets one row in at most, of those that the key is about."""
        return index.equal and one_row_at_most(rule, key, self.pins)


def _rule_of(what: NaturalKey | Index, rules: Sequence[tuple[NaturalKey | Index, Rule]]) -> Rule:
    return next(rule for one, rule in rules if one is what)


def subjects(contract: Contract, catalog: Catalog, spelling: Spelling, names: Names) -> list[Subject]:
    """Every table that was looked at, except parts of others for which nothing was declared by their own name."""
    keys: dict[str, list[NaturalKey]] = {}
    apart: dict[str, list[Apart]] = {}
    for key in contract.keys:
        for table in names.of(key.table):
            keys.setdefault(table.full_name, []).append(key)
    for one in contract.apart:
        for table in names.of(one.table):
            apart.setdefault(table.full_name, []).append(one)
    indexes = catalog.indexes_by_table()
    pins, parts = _pins(catalog), _of_parts(catalog, indexes, set(keys))
    looked_at = [one for one in catalog.tables if not (one.locked or (one.is_partition and one.full_name not in keys))]
    sound = {one.full_name: _sound(keys.get(one.full_name, ()), one, spelling) for one in looked_at}
    made, named = _made(catalog, looked_at, sound, spelling), _named(contract, names)
    found = []
    for table in looked_at:
        name = table.full_name
        of = columns_of(table)
        found.append(
            Subject(
                table=table,
                called=names.shown(table),
                keys=tuple((key, rule_of_key(key, of, spelling)) for key in sound[name]),
                apart=tuple(apart.get(name, ())),
                indexes=tuple(
                    (one, rule_of_index(one, of, spelling)) for one in indexes.get((table.schema, table.name), ())
                ),
                pins=frozenset(pins.get(name, ())) | _constants(table),
                sure=name not in spelling.unsure,
                parts=tuple((one, rule_of_index(one, of, spelling)) for one in parts.get(name, ())),
                made=made[name],
                named=named.get(name, frozenset()),
            )
        )
    return found


def _sound(keys: Sequence[NaturalKey], table: Table, spelling: Spelling) -> list[NaturalKey]:
    """The keys whose columns are there and whose texts are understood."""
    return [key for key in keys if not missing(key, table) and not spelling.not_understood(table, key)]


def _made(
    catalog: Catalog, tables: Sequence[Table], keys: Mapping[str, list[NaturalKey]], spelling: Spelling
) -> dict[str, tuple[str, ...]]:
    """By each table: the statements that would make its keys, all by names of their own."""
    taken: dict[str, set[str]] = {}
    for one in catalog.relations:
        taken.setdefault(one.schema, set()).add(one.name)
    found: dict[str, tuple[str, ...]] = {}
    for schema in {table.schema for table in tables}:
        here = [table for table in tables if table.schema == schema]
        called = iter(names_for([key for table in here for key in keys[table.full_name]], taken.get(schema, ())))
        for table in here:
            spelt = [
                msgspec.structs.replace(key, where=key.where and spelling.written(table, key.where))
                for key in keys[table.full_name]
            ]
            found[table.full_name] = tuple(making(key, table, next(called)) for key in spelt)
    return found


def _named(contract: Contract, names: Names) -> dict[str, frozenset[str]]:
    """By each table: the constraints that statements name."""
    found: dict[str, frozenset[str]] = {}
    for upsert in contract.upserts:
        for one in conflicts(upsert.statement) if "constraint" in upsert.statement.lower() else ():
            for table in names.of(f"{one.schema}.{one.table}" if one.schema else one.table) if one.constraint else ():
                found[table.full_name] = found.get(table.full_name, frozenset()) | {str(one.constraint)}
    return found


def _of_parts(
    catalog: Catalog, indexes: Mapping[tuple[str, str], list[Index]], declared: set[str]
) -> dict[str, list[Index]]:
    """By each whole: the indexes of its partitions that are no share of one of its own."""
    found: dict[str, list[Index]] = {}
    for table in catalog.tables:
        if table.part_of in declared and table.full_name not in declared:
            mine = [index for index in indexes.get((table.schema, table.name), ()) if not index.attached]
            found.setdefault(table.part_of or "", []).extend(mine)
    return found


def missing(key: NaturalKey, table: Table) -> list[str]:
    """The columns that a key names and the table does not have."""
    return [column for column in key.columns if not column.startswith("(") and table.column(column) is None]


def _pins(catalog: Catalog) -> dict[str, set[str]]:
    """The columns of each table that a check holds to one value."""
    found: dict[str, set[str]] = {}
    for check in catalog.checks:
        found.setdefault(f"{check.schema}.{check.table}", set()).update(held_to_one(check.definition))
    return found


def _constants(table: Table) -> frozenset[str]:
    """Generated columns that are the same in every row."""
    return frozenset(one.name for one in table.columns if one.generated and one.default and literal(one.default))
