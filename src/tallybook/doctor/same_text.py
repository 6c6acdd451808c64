"""Puts what a person declared and what the database has into one spelling, so that they can be compared.

The server does it: it plans a query of both, without running it, and writes them out alike. A declared predicate is
somebody's own text; it is sent as one statement (more than one is refused), is never run, and may only read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import errors, sql
from psycopg.rows import tuple_row

from .catalog import Catalog, Index, Table
from .contract import Contract, NaturalKey
from .looking import Clock, looking
from .predicates import bare, conjuncts, plain, unquoted
from .resolving import Names

Conn = psycopg.AsyncConnection[Any]
# Seconds that one text may take to be planned, and the tables that are asked after in one transaction.
AT_MOST = 2.0
AT_ONCE = 25
PATH = "select set_config('search_path', quote_ident(%(schema)s) || ', ' || current_setting('search_path'), true)"
# The server would say, but not now, or not to us.
NO_ANSWER = (errors.LockNotAvailable, errors.QueryCanceled, errors.InsufficientPrivilege)
# Each text ends with its line, so that a comment in it hides nothing else.
PLAN: LiteralString = "explain (verbose, costs off, format json) select {texts} from only {table}"
NAME = re.compile(r'\w+|"[^"]+"')


class Spelling:
    """One spelling of each text of each table. ``unclear`` are declared texts that the server did not understand.

    ``unsure`` are tables whose texts were compared without the server's help, since our role may not read them.
    """

    def __init__(self) -> None:
        self.unclear: dict[tuple[str, str], str] = {}
        self.unsure: set[str] = set()
        self._texts: dict[tuple[str, str], str] = {}
        self._implied: dict[tuple[str, str], set[str]] = {}

    def learn(self, table: Table, texts: Mapping[str, str]) -> None:
        """Takes the server's spelling of a table's texts."""
        name = re.escape(table.name)
        prefix = re.compile(rf"(?<![\w.\"])(?:\"{name}\"|{name})\.")
        for text, spelt in texts.items():
            self._texts[table.full_name, text] = prefix.sub("", spelt)

    def not_understood(self, table: Table, key: NaturalKey) -> list[str]:
        """Those of the key's texts in which the server saw no sense."""
        return [text for text in texts(key) if (table.full_name, text) in self.unclear]

    def implies(self, table: Table, one: str, other: str) -> None:
        """Takes the server's word that a row within the first predicate is within the second one."""
        self._implied.setdefault((table.full_name, one), set()).add(other)

    def column(self, table: Table, text: str) -> str:
        """A key's column: its name, or its expression in the common spelling."""
        if not text.startswith("("):
            return text
        spelt = bare(self._of(table, text))
        return unquoted(spelt) if NAME.fullmatch(spelt) and table.column(unquoted(spelt)) else spelt

    def where(self, table: Table, text: str | None) -> frozenset[str]:
        """What must all be true for a predicate to be, each in the common spelling, with all that this implies."""
        if text is None:
            return frozenset()
        implied = (self._parts(table, one) for one in self._implied.get((table.full_name, text), ()))
        return self._parts(table, text).union(*implied)

    def _parts(self, table: Table, text: str) -> frozenset[str]:
        if (table.full_name, text) in self._texts or table.full_name not in self.unsure:
            return conjuncts(self._of(table, text))
        return frozenset(plain(one) for one in conjuncts(text))

    def written(self, table: Table, text: str) -> str:
        """A declared predicate for a statement: as it stands, and without a comment that would hide what follows."""
        if "--" not in text and "/*" not in text:
            return text
        return self._texts.get((table.full_name, text), f"{text}\n")

    def _of(self, table: Table, text: str) -> str:
        if (spelt := self._texts.get((table.full_name, text))) is not None:
            return spelt
        return plain(text) if table.full_name in self.unsure else text


async def spelling(conn: Conn, contract: Contract, catalog: Catalog, clock: Clock) -> Spelling:
    """The common spelling of all texts of the tables for which the contract has an expression or a predicate.

    Where nothing was declared as a text, the server's own spelling is common enough, and nobody is asked.
    """
    found = Spelling()
    asked: list[Asked] = []
    for one in _asked(contract, catalog):
        if one.table.may_read:
            asked.append(one)
        else:
            found.unsure.add(one.table.full_name)
    for start in range(0, len(asked), AT_ONCE):
        await _spell(conn, found, asked[start : start + AT_ONCE], clock)
    return found


class Asked(NamedTuple):
    """A table with the texts that were declared of it, and those that the database has."""

    table: Table
    declared: set[str]
    live: set[str]


def _asked(contract: Contract, catalog: Catalog) -> list[Asked]:
    """The tables of which a text was declared, those of one schema after each other."""
    names = Names(catalog)
    found: dict[str, Asked] = {}
    for key in contract.keys:
        for table in names.of(key.table) if texts(key) else ():
            found.setdefault(table.full_name, Asked(table, set(), set())).declared.update(texts(key))
    for index in catalog.indexes:
        if (of := found.get(f"{index.schema}.{index.table}")) is not None:
            of.live.update(texts(index))
    return sorted((one for one in found.values() if not one.table.locked), key=lambda one: one.table.full_name)


def texts(of: NaturalKey | Index) -> list[str]:
    """What may be spelt in several ways: expressions and the predicate."""
    return [column for column in of.columns if column.startswith("(")] + ([of.where] if of.where else [])


async def _spell(conn: Conn, found: Spelling, asked: list[Asked], clock: Clock) -> None:
    """Asks for all texts of some tables at once, and for each table alone where one of them is not understood."""
    try:
        spelt = await _planned(conn, [(one.table, sorted(one.declared | one.live)) for one in asked], clock)
    except (psycopg.Error, NotUnderstood) as failure:
        if conn.closed:
            raise
        if len(asked) > 1:
            for one in asked:
                await _spell(conn, found, [one], clock)
        elif isinstance(failure, NO_ANSWER):
            found.unsure.add(asked[0].table.full_name)
        else:
            await _one_by_one(conn, found, asked[0], clock)
        return
    for one, texts in zip(asked, spelt, strict=True):
        found.learn(one.table, texts)


async def _one_by_one(conn: Conn, found: Spelling, asked: Asked, clock: Clock) -> None:
    table = asked.table
    for text in sorted(asked.declared):
        try:
            found.learn(table, *await _planned(conn, [(table, [text])], clock))
        except (psycopg.Error, NotUnderstood) as failure:
            if conn.closed:
                raise
            if isinstance(failure, NO_ANSWER):
                found.unsure.add(table.full_name)
            else:
                found.unclear[table.full_name, text] = _first_line(failure)
    live = sorted(asked.live - asked.declared)
    try:
        found.learn(table, *await _planned(conn, [(table, live)], clock))
    except psycopg.Error:
        if conn.closed:
            raise
        found.unsure.add(table.full_name)


class NotUnderstood(Exception):
    """A text reads as more, or as less, than one expression."""


async def _planned(conn: Conn, asked: list[tuple[Table, list[str]]], clock: Clock) -> list[dict[str, str]]:
    """The server's spelling of the texts of each table."""
    found: list[dict[str, str]] = []
    schema = ""
    if clock.left(AT_MOST) <= 0:
        raise errors.QueryCanceled("there is no time left")
    async with looking(conn, clock.left(AT_MOST)), conn.cursor(row_factory=tuple_row) as cursor:
        for table, texts in asked:
            if table.schema != schema:
                await cursor.execute(PATH, {"schema": table.schema}, prepare=False)
                schema = table.schema
            statement = _plan(table, texts)
            # In binary the text goes by the protocol that takes one statement and no more.
            await cursor.execute(statement, binary=True)
            row = await cursor.fetchone()
            output = row[0][0]["Plan"].get("Output", []) if row else []
            if len(output) != len(texts):
                raise NotUnderstood("it is not one expression")
            found.append(dict(zip(texts, output, strict=True)))
    return found


def _plan(table: Table, texts: list[str]) -> sql.Composed:
    return sql.SQL(PLAN).format(
        texts=sql.SQL(", ").join(sql.SQL("(\n{}\n)").format(sql.SQL(text)) for text in texts),
        table=sql.Identifier(table.schema, table.name),
    )


def _first_line(failure: Exception) -> str:
    if isinstance(failure, psycopg.Error) and failure.diag.message_primary:
        return failure.diag.message_primary
    return str(failure).splitlines()[0] if str(failure) else type(failure).__name__
