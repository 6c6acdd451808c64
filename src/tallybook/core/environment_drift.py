"""How the schemas of two environments differ, each difference a sentence that says what comes of it. Pure.

What is harmless is not told: another name of the same key, another order of the columns within an index, the order of
columns in a table into which nobody copies with ``select *``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from . import keys
from .environment_catalogue import Column, Index, Made, Table

# People's own SQL copies these with ``insert … select *``, which goes by the order of the columns.
COPIED_BY_STAR = frozenset({
    "qa_photo_reviews", "marketing_activations", "valid_drop_numbers", "invalid_drop_submissions",
})  # fmt: skip


def drift(production: Sequence[Table], other: Sequence[Table], name: str) -> list[str]:
    """One sentence for each difference between production's schema and the one of the environment ``name``."""
    here, there = {table.name: table for table in production}, {table.name: table for table in other}
    found = [f"The table {table} is missing in {name}." for table in here if table not in there]
    found += [f"The table {table} is in {name} alone." for table in there if table not in here]
    for pair in ((ours, there[table]) for table, ours in here.items() if table in there):
        for differences in (_columns, _keys, _rules, _plain_indexes, _triggers, _rewrites, _rights):
            found += differences(*pair, name)
    return found


def _columns(here: Table, there: Table, name: str) -> list[str]:
    ours, theirs = {one.name: one for one in here.columns}, {one.name: one for one in there.columns}
    found = [f"The column {here.name}.{one} is missing in {name}." for one in ours if one not in theirs]
    found += [f"The column {here.name}.{one} is in {name} alone." for one in theirs if one not in ours]
    for one, column in ours.items():
        if one in theirs and (said := _column(column, theirs[one], name)):
            found.append(f"The column {here.name}.{one} {said}.")
    both = ours.keys() & theirs.keys()
    order = [[one.name for one in table.columns if one.name in both] for table in (here, there)]
    if here.name in COPIED_BY_STAR and order[0] != order[1]:
        first = next(pair for pair in zip(*order, strict=True) if pair[0] != pair[1])
        found.append(
            f"The columns of {here.name} stand in another order in {name}, from {first[0]} on, where {name} has "
            f"{first[1]}: INSERT … SELECT * between them would put values into the wrong columns."
        )
    return found


def _column(ours: Column, theirs: Column, name: str) -> str | None:
    if ours.type != theirs.type:
        return f"is {ours.type} in production and {theirs.type} in {name}"
    if ours.nullable != theirs.nullable:
        return f"must be filled in {name if ours.nullable else 'production'} alone"
    if ours.default != theirs.default:
        return f"has the default {ours.default or 'nothing'} in production and {theirs.default or 'nothing'} in {name}"
    if ours.collation != theirs.collation:
        usual = "default"
        return f"has the collation {ours.collation or usual} in production and {theirs.collation or usual} in {name}"
    return None


def _keys(here: Table, there: Table, name: str) -> list[str]:
    """A key is what it holds: its columns in any order, under any name, as a constraint or as an index."""
    ours, theirs = _held(here), _held(there)
    found = []
    for key, index in ours.items():
        if key not in theirs:
            found.append(
                f"Production allows one row of {here.name} per {_said(index)}; {name} does not hold to it, so that "
                f"{_same(here.name, index)} may be counted twice there."
            )
    for key, index in theirs.items():
        if key not in ours:
            found.append(
                f"In {name} there may be one row of {here.name} per {_said(index)}, by {index.name}, which production "
                f"does not ask for: {name} refuses what production takes."
            )
    return found


def _held(table: Table) -> Mapping[object, Index]:
    return {
        (frozenset(one.columns), one.where, one.nulls_alike, one.deferrable): one
        for one in table.indexes
        if one.unique and one.usable
    }


def _said(index: Index) -> str:
    text = f"({', '.join(index.columns)})"
    return f"{text} where {index.where}" if index.where else text


def _same(table: str, index: Index) -> str:
    known = (key.same for key in keys.NATURAL_KEYS if (key.table, set(key.columns)) == (table, set(index.columns)))
    return next(known, "the same thing")


def _rules(here: Table, there: Table, name: str) -> list[str]:
    ours, theirs = ({rule.definition: rule for rule in table.rules} for table in (here, there))
    found = [
        f"In production {here.name} is held to {ours[one].name}, {one}, and in {name} it is not."
        for one in ours
        if one not in theirs
    ]
    found += [
        f"In {name} {here.name} is held to {theirs[one].name}, {one}, and in production it is not."
        for one in theirs
        if one not in ours
    ]
    for one in ours.keys() & theirs.keys():
        if ours[one].valid != theirs[one].valid:
            where = name if ours[one].valid else "production"
            found.append(f"In {where} the rows that {here.name} had were never held to {ours[one].name}, {one}.")
    return found


def _plain_indexes(here: Table, there: Table, name: str) -> list[str]:
    """These change no row; a missing one only makes its environment slower."""

    def kinds(indexes: Iterable[Index]) -> dict[object, Index]:
        return {(frozenset(one.columns), one.where, one.method): one for one in indexes if not one.unique}

    ours, theirs = kinds(here.indexes), kinds(there.indexes)
    found = [
        f"The index {ours[one].name} on {here.name} {_said(ours[one])} is missing in {name}, which is slower for it."
        for one in ours
        if one not in theirs
    ]
    found += [
        f"The index {theirs[one].name} on {here.name} {_said(theirs[one])} is in {name} alone."
        for one in theirs
        if one not in ours
    ]
    return found


def _triggers(here: Table, there: Table, name: str) -> list[str]:
    ours, theirs = _made(here.triggers), _made(there.triggers)
    found = [f"The trigger {one} on {here.name} does not fire in {name}." for one in ours if one not in theirs]
    found += [f"The trigger {one} on {here.name} fires in {name} alone." for one in theirs if one not in ours]
    return found + [
        f"The trigger {one} on {here.name} does something else in {name} than in production."
        for one in ours
        if one in theirs and ours[one] != theirs[one]
    ]


def _rewrites(here: Table, there: Table, name: str) -> list[str]:
    ours, theirs = _made(here.rewrites), _made(there.rewrites)
    return [
        f"The rule {one} makes something else of what is written to {here.name} in {name} than in production."
        for one in sorted(ours.keys() | theirs.keys())
        if ours.get(one) != theirs.get(one)
    ]


def _rights(here: Table, there: Table, name: str) -> list[str]:
    found: list[str] = []
    if here.row_security != there.row_security:
        where = name if there.row_security else "production"
        found.append(f"In {where} alone row security decides who sees which row of {here.name}.")
    found += [
        f"The role of {name} has no right to {right} on {here.name}, as production's has. "
        f"Mend it with: tallybook env create {name}"
        for right in here.rights
        if right not in there.rights
    ]
    return found


def drift_of_functions(production: Sequence[Made], other: Sequence[Made], name: str) -> list[str]:
    """One sentence for each function that is missing, or does something else."""
    ours, theirs = _made(production), _made(other)
    found = [f"The function {one} is missing in {name}." for one in ours if one not in theirs]
    found += [f"The function {one} is in {name} alone." for one in theirs if one not in ours]
    return found + [
        f"The function {one} does something else in {name} than in production."
        for one in ours
        if one in theirs and ours[one] != theirs[one]
    ]


def _made(given: Iterable[Made]) -> dict[str, str]:
    return {one.name: one.does for one in given}
