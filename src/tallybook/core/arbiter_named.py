"""Which key a statement of ours named that its table does not have: the server itself says neither (42P10)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Self

import psycopg
from psycopg import errors, sql

NAME = r'(?:"[^"]+"|[\w$]+)'
INSERT = re.compile(
    rf"\binsert\s+into\s+(?:{NAME}\.)?(?P<table>{NAME})"
    r"|\bon\s+conflict\s*(?P<target>\((?:[^()'%]|\((?:[^()'%]|\([^()'%]*\))*\))*\))",
    re.IGNORECASE,
)
NOTE = re.compile(r"(?P<table>[\w$]+) (?P<target>on conflict \([\w$, ()]+\)(?: or \w+ \([\w$, ()]+\))*)")


class Naming(psycopg.AsyncCursor[Any]):
    """A cursor whose 42P10 says as its note which table and which columns it is about; names of the schema alone."""

    async def execute(self, query: Any, *args: Any, **more: Any) -> Self:
        statement = query
        try:
            return await super().execute(statement, *args, **more)
        except errors.InvalidColumnReference as error:
            self._name(error, statement)
            raise

    async def executemany(self, query: Any, *args: Any, **more: Any) -> None:
        try:
            await super().executemany(query, *args, **more)
        except errors.InvalidColumnReference as error:
            self._name(error, query)
            raise

    def _name(self, error: psycopg.Error, query: Any) -> None:
        text = query.as_string(self) if isinstance(query, sql.Composable) else query
        if named := asked(text.decode() if isinstance(text, bytes) else str(text)):
            error.add_note(named)


def asked(statement: str) -> str | None:
    """``drops on conflict (business_id, drop_number)``; of several inserts each target, with the others' tables. Pure.

    None where there is no target, or one with more in it than names.
    """
    table, found = "", []
    for part in INSERT.finditer(statement):
        if part["table"]:
            table = part["table"].strip('"')
        elif part["target"]:
            found.append((table, " ".join(part["target"].replace('"', "").split())))
    if not found:
        return None
    (first, target), *others = dict.fromkeys(found)
    named = f"{first} on conflict {target}" + "".join(f" or {other} {its}" for other, its in others)
    return named if NOTE.fullmatch(named) else None


def target(columns: Iterable[str]) -> str:
    """The columns after ON CONFLICT, as what a statement named is called."""
    return f"on conflict ({', '.join(columns)})"


def told(error: psycopg.Error) -> tuple[str | None, str | None]:
    """The table and the target, as ``on conflict (a, b)``, of an error that such a cursor met; None where unknown."""
    notes: Iterable[str] = getattr(error, "__notes__", ())
    found = next(filter(None, map(NOTE.fullmatch, notes)), None)
    return (found["table"], found["target"]) if found else (None, None)
