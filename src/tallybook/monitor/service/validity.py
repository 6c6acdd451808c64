"""The lists of valid drop numbers: which drops a project may post."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.monitor import rules
from tallybook.monitor.store import validity as store

MAX_BYTES = 50_000_000
DROP_NAMES = ("drop_number", "drop number", "drop", "dr", "dr nr", "dr number")
PROJECT_NAMES = ("project", "site", "area")


class Entry(msgspec.Struct, frozen=True, order=True):
    """One line of a list: this drop is valid for this project."""

    drop_number: str
    project: str


class Imported(msgspec.Struct, frozen=True):
    added: int
    known: int


def read_list(file: Path, project: str | None) -> list[Entry]:
    """The entries of a CSV file with a header. ``project`` stands in where the file has no column for it.

    Raises Invalid with the line that cannot be used; nothing is imported then.
    """
    if not file.is_file():
        raise Invalid(f"There is no file {file}.")
    if file.stat().st_size > MAX_BYTES:
        raise Invalid(f"{file} is larger than {MAX_BYTES // 1_000_000} MB.")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return _entries(csv.DictReader(lines), file, project)
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is not a CSV file in UTF-8 (byte {error.start}).") from error


def _entries(lines: csv.DictReader[str], file: Path, project: str | None) -> list[Entry]:
    columns = {name.strip().lower(): name for name in lines.fieldnames or ()}
    drop_column = next((columns[name] for name in DROP_NAMES if name in columns), None)
    project_column = next((columns[name] for name in PROJECT_NAMES if name in columns), None)
    if drop_column is None:
        raise Invalid(f"{file} has no column drop_number in its first line; it has: {', '.join(columns) or 'nothing'}.")
    if project_column is None and project is None:
        raise Invalid(f"{file} has no column project; name the project with --project.")
    found = set()
    for line in lines:
        drop = rules.normalised(line[drop_column] or "")
        name = ((line[project_column] or "").strip() if project_column else "") or project
        if not drop:
            continue
        if len(drop) > rules.MAX_DROP_LENGTH or not name:
            raise Invalid(f"{file} line {lines.line_num}: “{drop[:40]}” needs a project and at most 20 characters.")
        found.add(Entry(drop, name))
    return sorted(found)


async def add(conn: Conn, business: Business, entries: Sequence[Entry]) -> Imported:
    """Adds entries to the lists, in key order; those that are there stay as they are."""
    added = await store.add(conn, business.id, [(entry.drop_number, entry.project) for entry in entries])
    return Imported(added, len(entries) - added)
