"""The statements that mend a key where no row stands in the way. Pure."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Container, Sequence

from .catalog import Index, Table
from .contract import NaturalKey
from .resolving import LONGEST, listed, quoted, shortened
from .sql_tokens import tokens

WORD = 20  # letters of a predicate's word within a name
# No unique index can be over these.
WITHOUT_EQUALITY = frozenset({"json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle"})


def making(key: NaturalKey, table: Table, name: str) -> str:
    """The statements that make the key by a name, without shutting writers out where the server can do that.

    A sentence instead, where the server can hold no key over these columns.
    """
    if unequal := [one for one in map(table.column, key.columns) if one and _type(one.type) in WITHOUT_EQUALITY]:
        which = " and ".join(f"{one.name} is of the type {one.type}" for one in unequal)
        return f"Change the type, or declare an expression instead: {which}, which has no equality."
    where, nulls = f" where {key.where}" if key.where else "", " nulls not distinct" if key.nulls == "same" else ""
    full = quoted(table.schema, table.name)
    columns = listed(key.columns) or "(true)"
    plain = key.columns and not where and not any(column.startswith("(") for column in key.columns)
    if table.partitioned_by:
        # The server cannot build a partitioned table's index while it is written.
        add = f"alter table {full} add constraint {quoted(name)} unique{nulls} ({columns});"
        return add if plain else f"create unique index {quoted(name)} on {full} ({columns}){nulls}{where};"
    make = f"create unique index concurrently {quoted(name)} on {full} ({columns}){nulls}{where};"
    attach = f" alter table {full} add constraint {quoted(name)} unique using index {quoted(name)};"
    return make + (attach if plain else "")


def _type(written: str) -> str:
    return written.removesuffix("[]")


def names_for(keys: Sequence[NaturalKey], taken: Container[str]) -> list[str]:
    """A name for each key of one schema, that neither another of them nor anything in ``taken`` bears."""
    alike = Counter(map(key_name, keys))
    given: dict[str, None] = {}
    for key in keys:
        name = key_name(key)
        if alike[name] > 1 and key.where and not key.name:
            name = shortened(name.removesuffix("_key"), f"_{_word(key.where)}_key")
        marks = ("_new", *(f"_{_mark(f'{key.says} {at or str()}')}" for at in range(99)))
        names = (name, *(shortened(name, mark) for mark in marks))
        given[next(one for one in names if one not in taken and one not in given)] = None
    return list(given)


def key_name(key: NaturalKey) -> str:
    """The name that tells the key: the declared one, or one of its table and columns."""
    words = "_".join(column for column in key.columns if not column.startswith("("))
    made = f"{key.table.rpartition('.')[2]}_{words + '_' if words else ''}key"
    return key.name or (made if len(made.encode()) <= LONGEST else shortened(made, f"_{_mark(made)}"))


def _mark(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _word(predicate: str) -> str:
    """What tells one predicate from others: its last constant, else its first name."""
    found = tokens(predicate)
    said = [one.text for one in found if one.kind == "string"][-1:] or [one.identifier for one in found if one.names]
    return re.sub(r"\W+", "_", said[0]).strip("_").lower()[:WORD] if said else _mark(predicate)


def dropping(index: Index) -> str:
    """The statement that takes an index away, with the constraint that it belongs to."""
    if index.kind != "i":
        return f"alter table {quoted(index.schema, index.table)} drop constraint {quoted(index.name)};"
    # The server cannot take a partitioned table's index away while it is written.
    return f"drop index {'' if index.partitioned else 'concurrently '}{quoted(index.schema, index.name)};"


def retiring(index: Index, named: Container[str]) -> str:
    """How an index goes: what relies on it first. ``named`` are the constraints that statements name."""
    first = []
    if index.pointing:
        first.append(f"point {', '.join(index.pointing)} at the declared key")
    if index.replica_identity:
        first.append(f"give {quoted(index.schema, index.table)} another replica identity")
    if index.name in named:
        first.append(f"write the columns where statements say ON CONSTRAINT {index.name}")
    said = " and ".join(first)
    return f"{said[0].upper()}{said[1:]} first, then: {dropping(index)}" if said else dropping(index)
