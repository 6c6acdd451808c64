"""The tables of the system before this one, read as they are: from a database or from CSV files. Nothing is changed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from .errors import WrongSetup

LOOK_INTO = "set search_path to {schema}"
IN_UTC = "set time zone 'UTC'"
READ_ONLY = "set default_transaction_read_only to on"
TABLES = """
select c.relname::text, exists (
    select from pg_attribute a where a.attrelid = c.oid and a.attname = %(sign)s::text and not a.attisdropped)
from pg_class c where c.relnamespace = to_regnamespace(current_schema()) and c.relkind in ('r', 'p', 'v') order by 1
"""
Rows = dict[str, list[dict[str, Any]]]


async def rows_of(
    url: str, schema: str, read: Mapping[str, LiteralString], sign: str = "business_id"
) -> tuple[Rows, list[str]]:
    """The old tables' rows by table, and the names of tables beside them.

    ``read`` is how each table is read; ``sign`` is a column that only tables of ours have. Raises WrongSetup where the
    schema holds none of the tables, or tables of our own.
    """
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute(READ_ONLY)
        await conn.execute(IN_UTC)
        await conn.execute(sql.SQL(LOOK_INTO).format(schema=sql.Identifier(schema)))
        there: dict[str, bool] = dict(await (await conn.execute(TABLES, {"sign": sign})).fetchall())
        ours = sorted(name for name in read if there.get(name))
        if ours:
            raise WrongSetup(
                f"The schema {schema} holds tables of this product, not of the old one: {', '.join(ours)}."
            )
        if not there.keys() & read.keys():
            raise WrongSetup(f"The schema {schema} holds none of the old tables ({', '.join(read)}).")
        rows: Rows = {}
        for table, statement in read.items():
            if table in there:
                rows[table] = [row[0] for row in await (await conn.execute(statement)).fetchall()]
        return rows, sorted(there.keys() - read.keys())


def rows_of_files(folder: Path, names: tuple[str, ...]) -> tuple[Rows, list[str]]:
    """The same from CSV files with a head, each called as its table; an empty field says nothing. Raises WrongSetup."""
    there = {one.stem: one for one in sorted(folder.glob("*.csv"))}
    if not there.keys() & set(names):
        raise WrongSetup(f"The folder {folder} holds none of the files {', '.join(f'{name}.csv' for name in names)}.")
    rows: Rows = {}
    for name in names:
        if name not in there:
            continue
        try:
            with there[name].open(encoding="utf-8-sig", newline="") as file:
                rows[name] = [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]
        except (UnicodeDecodeError, csv.Error) as error:
            raise WrongSetup(f"{there[name].name} cannot be read: save it as CSV in UTF-8.") from error
    return rows, sorted(there.keys() - set(names))
