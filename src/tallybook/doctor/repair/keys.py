"""Statements that build, attach and drop keys, each harmless when it is run again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tallybook.doctor.contract import NaturalKey, Nulls
from tallybook.doctor.resolving import shortened

from .types import Family, Pace, Reference, Shape, Statement, Unique
from .words import SHOWN, held, literal, name, part

CAST = re.compile(
    r"::(character varying|double precision|bit varying|time(stamp)? with(out)? time zone|(\"?\w+\"?\.)?\"?\w+\"?)"
    r"(\(\d+(,\d+)?\))?(\[\])*"
)

ONE_ROW = ("(true)",)  # what a key without columns is made over: all rows are the same


def as_unique(key: NaturalKey, called: str) -> Unique:
    """The index that would hold a declared key. A key without columns holds one row at most."""
    same, columns = key.nulls is Nulls.SAME, key.columns or ONE_ROW
    return Unique(called, "i", columns, key.where, immediate=True, valid=True, nulls_same=same, definition="")


def alike(one: str | None, other: str | None) -> bool:
    """Whether two predicates or expressions are the same but for case, blanks, parentheses and types of constants."""
    return _bare(one) == _bare(other)


def _bare(text: str | None) -> str:
    return re.sub(r"[\s()\"]", "", CAST.sub("", (text or "").lower()))


def _bare_all(columns: Sequence[str]) -> set[str]:
    return {_bare(one) for one in columns}


def same_columns(unique: Unique, columns: Sequence[str]) -> bool:
    """Whether an index is over these columns, in whatever order."""
    return _bare_all(unique.columns) == _bare_all(columns or ONE_ROW)


def holds(unique: Unique, key: NaturalKey) -> bool:
    """Whether an index is the key: over the same rows, by the same rule, and fit for ON CONFLICT."""
    usable = unique.kind != "x" and unique.valid and (unique.immediate or not key.immediate)
    nulls = unique.nulls_same == (key.nulls is Nulls.SAME)
    return usable and nulls and same_columns(unique, key.columns) and alike(unique.where, key.where)


def covers(one: Unique, other: Unique) -> bool:
    """Whether an index refuses all that another one does, and can be relied on."""
    rows = one.where is None or alike(one.where, other.where)
    return (
        one.kind != "x" and one.valid and one.immediate and _bare_all(one.columns) <= _bare_all(other.columns) and rows
    )


def too_much(unique: Unique, key: NaturalKey, declared: Sequence[NaturalKey]) -> bool:
    """Whether an index stands where the key belongs without being it, or refuses rows that the key allows."""
    if unique.kind in {"p", "x"} or any(holds(unique, one) for one in declared):
        return False
    if same_columns(unique, key.columns):
        narrower = unique.where is not None and not alike(unique.where, key.where)
        return not narrower
    return _bare_all(unique.columns) < _bare_all(key.columns) and (
        unique.where is None or alike(unique.where, key.where)
    )


def free_name(shape: Shape, key: NaturalKey) -> str:
    """The key's own name, or another where something else bears it."""
    plain = [column for column in key.columns if not column.startswith("(")]
    wanted = key.name or shortened("_".join([shape.table, *plain, "key"]))
    taken = {one.name for one in shape.uniques}
    return next(one for one in (wanted, *(shortened(wanted, f"_{at}") for at in range(2, 99))) if one not in taken)


def valid_index(schema: str, index: str) -> str:
    """A condition: that the index is there and usable."""
    return (
        f"exists (select from pg_index where indexrelid = to_regclass({literal(name(schema, index))}) and indisvalid)"
    )


def unusable_index(full_name: str) -> str:
    """A condition: that the index, which is named with its schema, is there and its building was killed or failed."""
    return f"exists (select from pg_index where indexrelid = to_regclass({literal(full_name)}) and not indisvalid)"


def has_constraint(table: str, constraint: str, more: str = "") -> str:
    """A condition: that the table has the constraint."""
    return (
        f"exists (select from pg_constraint where conrelid = {literal(table)}::regclass "
        f"and conname = {literal(constraint)}{more})"
    )


def build(shape: Shape, unique: Unique) -> Statement:
    """Builds the index of a key without standing in any writer's way."""
    parts = ", ".join(f"({one})" if one.startswith("(") else part(one) for one in unique.columns)
    nulls = " nulls not distinct" if unique.nulls_same else ""
    where = f" where {unique.where}" if unique.where else ""
    return Statement(
        f"create unique index concurrently {name(unique.name)} on {shape.name} ({parts}){nulls}{where}",
        f"select not {valid_index(shape.schema, unique.name)}", Pace.LONG, name(shape.schema, unique.name),
    )  # fmt: skip


def attach(shape: Shape, unique: Unique) -> Statement:
    """Makes a constraint of the index, which takes a moment."""
    return Statement(
        f"alter table {shape.name} add constraint {name(unique.name)} unique using index {name(unique.name)}",
        f"select not {has_constraint(shape.name, unique.name)}",
    )


def sign(shape: Shape, unique: Unique, run: str) -> Statement:
    """Writes on the index whose it is, so that it is known again under another name."""
    return Statement(
        f"comment on index {name(shape.schema, unique.name)} is {literal(_signature(run))}",
        f"select {valid_index(shape.schema, unique.name)}",
    )


def rename(shape: Shape, called: str, wanted: str, run: str) -> Statement:
    """Gives an index of ours, and the constraint on it, another name, where nothing else bears that."""
    ours, free = literal(name(shape.schema, called)), literal(name(shape.schema, wanted))
    return Statement(
        f"alter index {name(shape.schema, called)} rename to {name(wanted)}",
        f"select to_regclass({free}) is null and "
        f"coalesce(obj_description(to_regclass({ours}), 'pg_class'), '') = {literal(_signature(run))}",
    )


def _signature(run: str) -> str:
    return f"built by tallybook doctor, run {run}"


def drop(shape: Shape, unique: Unique, pointing: Sequence[Reference]) -> list[Statement]:
    """Drops a key; foreign keys that rely on it find the other one in the same transaction, and are validated after."""
    if unique.constraint is None:
        there = f"select to_regclass({literal(name(shape.schema, unique.name))}) is not null"
        if not pointing:
            text = f"drop index concurrently {name(shape.schema, unique.name)}"
            return [Statement(text, there, Pace.LONG)]
        gone = f"drop index {name(shape.schema, unique.name)}"
    else:
        there = f"select {has_constraint(shape.name, unique.name)}"
        gone = f"alter table {shape.name} drop constraint {name(unique.name)}"
        if not pointing:
            return [Statement(gone, there)]
    off = "".join(f"    alter table {one.table} drop constraint {name(one.name)};\n" for one in pointing)
    on = "".join(
        f"    alter table {one.table} add constraint {name(one.name)} {_unvalidated(one.definition)};\n"
        for one in pointing
    )
    swap = f"do $doctor$ begin\n{off}    {gone};\n{on}end $doctor$"
    return [Statement(swap, there), *(validate(one.table, one.name) for one in pointing)]


def validate(table: str, constraint: str) -> Statement:
    """Holds old rows against a constraint, which stands in no writer's way."""
    return Statement(
        f"alter table {table} validate constraint {name(constraint)}",
        f"select {has_constraint(table, constraint, ' and not convalidated')}",
        Pace.LONG,
    )


def _unvalidated(definition: str) -> str:
    return definition if definition.endswith("NOT VALID") else f"{definition} not valid"


def build_again(schema: str, index: str, definition: str) -> Statement:
    """Builds an index by the statement that had made it, without standing in any writer's way."""
    return Statement(
        re.sub(r"\ACREATE UNIQUE INDEX ", "create unique index concurrently ", definition),
        f"select not {valid_index(schema, index)}", Pace.LONG, name(schema, index),
    )  # fmt: skip


def rebuild(shape: Shape, unique: Unique) -> list[Statement]:
    """Builds a dropped key again as it was: the index first, while others write, then the constraint."""
    if unique.kind == "x":
        text = f"alter table {shape.name} add constraint {name(unique.name)} {unique.constraint}"
        return [Statement(text, f"select not {has_constraint(shape.name, unique.name)}")]
    statements = [build_again(shape.schema, unique.name, unique.definition)]
    if unique.constraint is not None:
        kind = "primary key" if unique.kind == "p" else "unique"
        late = re.search(r"\) (DEFERRABLE.*)\Z", unique.constraint)
        text = (
            f"alter table {shape.name} add constraint {name(unique.name)} {kind} using index {name(unique.name)}"
            f"{' ' + late[1] if late else ''}"
        )
        statements.append(Statement(text, f"select not {has_constraint(shape.name, unique.name)}"))
    return statements


def freedom_used(shape: Shape, unique: Unique) -> str:
    """A query for rows, as jsonb, that a dropped key would refuse now."""
    parts = ", ".join(part(column) for column in unique.columns)
    return f"""select to_jsonb(t) from only {shape.name} t where ({parts}) in (
        select {parts} from only {shape.name} where {held(unique)} group by {parts} having count(*) > 1)
    limit {SHOWN}"""


def stand_in(family: Family, old: Unique, others: Sequence[Unique]) -> tuple[list[Reference], list[Reference]]:
    """The foreign keys that rely on an index: those that another may carry, and those that none can."""
    relying = [one for one in family.references if one.to_table == family.root and one.index == old.name]
    carried = [
        one for one in relying
        if any(other.plain and other.valid and same_columns(other, one.to_columns) for other in others)
    ]  # fmt: skip
    return carried, [one for one in relying if one not in carried]
