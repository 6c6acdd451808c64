"""A TOML file's tables, each key held against a check; every mistake is gathered with its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_HEADER = re.compile(r"\s*\[{1,2}\s*([\w.\s\"'-]+?)\s*\]{1,2}\s*(?:#.*)?")
_KEY = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*=")

# Gives the value as it is kept, or raises ValueError saying what it must be.
Check = Callable[[Any], Any]
# Where something stands: the table's name, which of the tables of that name, and the key ("" for the table itself).
Place = tuple[str, int, str]


class Tables:
    """One file's text and the mistakes found in it, each with its line."""

    def __init__(self, text: str) -> None:
        self._lines = _lines(text)
        self.mistakes: list[tuple[int, str]] = []

    def sorted(self) -> Iterator[tuple[str, str]]:
        for line, what in sorted(self.mistakes):
            yield (f" line {line}" if line else "", what)

    def table(self, parts: dict[str, Any], name: str, checks: Mapping[str, Check]) -> dict[str, Any]:
        table = parts.get(name, {})
        if not isinstance(table, dict):
            self.mistake(f"{name} must be a table, written as [{name}].", ("", 0, name))
            return {}
        return self.checked(table, checks, name, 0)

    def checked(self, table: dict[str, Any], checks: Mapping[str, Check], name: str, number: int) -> dict[str, Any]:
        good = {}
        for key, value in table.items():
            place = (name, number, key)
            if key not in checks:
                nearest = difflib.get_close_matches(key, checks, 1, cutoff=0)[0]
                self.mistake(f"{key} is not known here; the nearest is {nearest}.", place)
                continue
            try:
                _refuse_nul(value)
                good[key] = checks[key](value)
            except ValueError as error:
                self.mistake(f"{key} {error}.", place)
        return good

    def missing(self, key: str, table: str, number: int) -> None:
        self.mistake(f"{key} is missing.", (table, number, ""))

    def mistake(self, what: str, place: Place, other: Place | None = None) -> None:
        self.mistakes.append((self._line(place), what.replace("LINE", str(self._line(other))) if other else what))

    def _line(self, place: Place) -> int:
        table, number, key = place
        parent, _, own = table.rpartition(".")
        # A table written inline or by dotted keys has no header of its own: then the line of what holds it.
        holders = [place, (f"{table}.{key}".strip("."), 0, ""), (table, number, ""), (parent, 0, own), (parent, 0, "")]
        return next((self._lines[one] for one in holders if one in self._lines), 0)


def yes_or_no(value: Any) -> bool:
    """A check: true or false. Raises ValueError."""
    if isinstance(value, bool):
        return value
    raise ValueError("must be true or false")


def _refuse_nul(value: Any) -> None:
    """What no database can hold is good TOML, where it is written as an escape."""
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, str) and "\0" in one:
            raise ValueError("holds a character that cannot be stored (NUL)")


def _lines(text: str) -> dict[Place, int]:
    """Find where each table and key stands. tomllib keeps no positions, and the file's shape is simple."""
    found: dict[Place, int] = {}
    table, number = "", 0
    for line, content in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(content):
            table = re.sub(r"[\s\"']", "", header[1])
            number = sum(1 for name, _, key in found if name == table and not key)
            found[table, number, ""] = line
        elif key := _KEY.match(content):
            found.setdefault((table, number, key[1]), line)
    return found
