"""Statements that make in one schema what stands in another, or drop it where it stands. Pure."""

from __future__ import annotations

import re

from .catalog import Index, Kind, Table
from .contract import NaturalKey, Nulls
from .resolving import quoted

NAME = r'(?:"(?:[^"]|"")*"|[^\s."]+)'
# An index of a whole and all its parts has ONLY: made on the whole alone it is not valid until each part has it.
ON = re.compile(rf"(\ACREATE UNIQUE INDEX {NAME} ON )(?:ONLY )?{NAME}(?:\.{NAME})?(?= USING )")


def without_schema(text: str, schema: str) -> str:
    """A definition without the schema in which it stands, which differs between two environments by its nature."""
    return _replaced(text, schema, "")


def moved(text: str, schema: str, to: str) -> str:
    """A definition as another schema has it."""
    return _replaced(text, schema, f"{quoted(to)}.")


def _replaced(text: str, schema: str, prefix: str) -> str:
    # What stands in a text, or in another name, only looks like the schema.
    called = "|".join(re.escape(one) for one in dict.fromkeys((schema, quoted(schema), f'"{schema}"')))
    token = rf"""'(?:[^']|'')*'|(?<![\w".])(?:{called})\.|"(?:[^"]|"")*\""""
    return re.sub(token, lambda found: prefix if found[0].endswith(".") else found[0], text)


def full(table: Table) -> str:
    """The table as a statement has it."""
    return quoted(table.schema, table.name)


def made(index: Index, table: Table) -> str:
    """The statement that makes on another table what this index is on its own."""
    definition = moved(index.definition, index.schema, table.schema)
    if index.kind is not Kind.BARE:
        return f"alter table {full(table)} add {definition}"
    return ON.sub(lambda found: found[1] + full(table), definition)


def gone(index: Index) -> str:
    """The statement that drops an index, or the constraint that stands on it."""
    if index.kind is Kind.BARE:
        return f"drop index {quoted(index.schema, index.name)}"
    return f"alter table {quoted(index.schema, index.table)} drop constraint {quoted(index.name)}"


def key_of(table: str, index: Index) -> NaturalKey:
    """The key that an index holds, in words that mean the same in another schema."""
    return NaturalKey(
        table=table,
        columns=tuple(without_schema(column, index.schema) for column in index.columns),
        where=without_schema(index.where, index.schema) if index.where else None,
        nulls=Nulls.SAME if index.nulls_same else Nulls.DISTINCT,
    )
