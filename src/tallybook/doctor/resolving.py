"""Which live tables a contract means, and how a table is called in sentences and in statements."""

from __future__ import annotations

import re

from .catalog import Catalog, Table
from .predicates import pieces, unquoted

LONGEST = 63  # bytes of a name in PostgreSQL
SIMPLE = re.compile(r"[a-z_][a-z0-9_$]*")
# Words that SQL keeps for itself, so that a name must be quoted.
WORDS = (
    "all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation "
    "column concurrently constraint create cross current_catalog current_date current_role current_schema current_time "
    "current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze "
    "from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like "
    "limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary "
    "references returning right select session_user similar some symmetric system_user table tablesample then to "
    "trailing true union unique user using variadic verbose when where window with"
)
RESERVED = frozenset(WORDS.split())


class Names:
    """The live tables by what people call them."""

    def __init__(self, catalog: Catalog) -> None:
        self._by_name: dict[str, list[Table]] = {}
        for table in catalog.tables:
            self._by_name.setdefault(table.name, []).append(table)
        self._by_full_name = {table.full_name: table for table in catalog.tables}
        self._several = len({table.schema for table in catalog.tables}) > 1

    def of(self, name: str) -> list[Table]:
        """The tables of a contract's name: one with its schema, or that of each schema which has it."""
        named = self._by_full_name.get(name)
        return [named] if named else self._by_name.get(name, [])

    def shown(self, table: Table) -> str:
        """The table as a sentence calls it: with its schema only where several were looked at."""
        return table.full_name if self._several else table.name


def quoted(*names: str) -> str:
    """A name as a statement has it, with its schema."""
    return ".".join(
        name if SIMPLE.fullmatch(name) and name not in RESERVED else '"' + name.replace('"', '""') + '"'
        for name in names
    )


def shortened(name: str, end: str = "") -> str:
    """A name with an end to it, cut before that where PostgreSQL would cut it, so that it is found again by it."""
    return name.encode()[: LONGEST - len(end.encode())].decode(errors="ignore") + end


def without_quotes(text: str) -> str:
    """An expression whose names are quoted only where they must be."""
    return "".join(quoted(unquoted(piece)) if piece.startswith('"') else piece for piece in pieces(text))


def listed(columns: tuple[str, ...]) -> str:
    """Columns as a statement has them in its parentheses."""
    return ", ".join(column if column.startswith("(") else quoted(column) for column in columns)
