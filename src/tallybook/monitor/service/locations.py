"""Where drops are: read from somebody's list, CSV or XLSX, with a column each for the drop, latitude and longitude."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.sheet_cells import word
from tallybook.core.sheets import Cell, Row, Sheet, read_sheets
from tallybook.monitor import rules
from tallybook.monitor.store import locations as store
from tallybook.monitor.store.locations import Location

HEADER_WITHIN = 20  # rows
BATCH = 5000
NAMES: Mapping[str, frozenset[str]] = {
    "drop": frozenset({"dr", "drnr", "drno", "drnumber", "drop", "dropnr", "dropno", "dropnumber", "dropid"}),
    "latitude": frozenset({"lat", "latitude", "y", "gpslat", "gpslatitude"}),
    "longitude": frozenset({"long", "lon", "lng", "longitude", "x", "gpslong", "gpslongitude"}),
}


class Read(msgspec.Struct, frozen=True):
    """What a file says. ``unread`` holds the numbers of rows that cannot be used."""

    locations: list[Location]
    unread: list[int]


class Imported(msgspec.Struct, frozen=True):
    """What came of a list."""

    new: int
    moved: int
    same: int
    unread: list[int]


def read(data: bytes) -> Read:
    """The places in a file; of a drop that is named twice, the last. Raises Invalid where no header is found. Pure."""
    found: dict[str, Location] = {}
    unread: list[int] = []
    headed = False
    for sheet in read_sheets(data):
        begun = _header(sheet)
        if begun is None:
            continue
        headed = True
        after, columns = begun
        for row in sheet.rows[after:]:
            one = _location(row, columns)
            if one is None:
                unread.append(row.number)
            else:
                found[one.drop_number] = one
    if not headed:
        raise Invalid("The list has no header with a drop, a latitude and a longitude: call them drop, lat and long.")
    return Read(list(found.values()), unread)


def _header(sheet: Sheet) -> tuple[int, dict[str, int]] | None:
    """How many rows stand before the list's own, and which column is what."""
    for place, row in enumerate(sheet.rows[:HEADER_WITHIN]):
        words = [re.sub(r"[^a-z]", "", word(cell).lower()) for cell in row.cells]
        columns = {
            name: next(column for column, said in enumerate(words) if said in known)
            for name, known in NAMES.items()
            if any(said in known for said in words)
        }
        if len(columns) == len(NAMES):
            return place + 1, columns
    return None


def _location(row: Row, columns: Mapping[str, int]) -> Location | None:
    def cell(name: str) -> Cell:
        return row.cells[columns[name]] if columns[name] < len(row.cells) else ""

    drop = rules.normalised(word(cell("drop")))
    latitude, longitude = _degrees(cell("latitude"), 90), _degrees(cell("longitude"), 180)
    if not drop or len(drop) > rules.MAX_DROP_LENGTH or latitude is None or longitude is None:
        return None
    if not latitude and not longitude:  # what programs write where they know nothing
        return None
    return Location(drop, latitude, longitude)


def _degrees(cell: Cell, most: int) -> float | None:
    try:
        value = float(word(cell).replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and -most <= value <= most else None


async def keep(conn: Conn, business: Business, given: Read) -> Imported:
    """Writes the places of a list down. May be repeated."""
    new = moved = 0
    for part in _parts(given.locations):
        added, changed = await store.keep(conn, business.id, part)
        new, moved = new + added, moved + changed
    return Imported(new, moved, len(given.locations) - new - moved, given.unread)


def _parts(found: Sequence[Location]) -> list[Sequence[Location]]:
    ordered = sorted(found, key=lambda one: one.drop_number)
    return [ordered[at : at + BATCH] for at in range(0, len(ordered), BATCH)]
