"""The key in a server's detail line, ``Key (a, b)=(1, x) already exists.``, in whatever language the server speaks.

Pure. What stands around the parentheses is words, of which none is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

UNIQUE, EXCLUSION, FOREIGN_KEY = "23505", "23P01", "23503"
# The detail of every other state holds a row, of which anything may look like a key.
WITH_KEY = frozenset({UNIQUE, EXCLUSION, FOREIGN_KEY})
KEY = re.compile(r"[^(]*\((?P<columns>.+?)\)=\((?P<values>.*)\)", re.DOTALL)
# Of periods the row in the way is told too, over the same columns.
BOTH = re.compile(
    r"[^(]*\((?P<columns>.+?)\)=\((?P<values>.*)\).*?\((?P=columns)\)=\((?P<there>.*)\)", re.DOTALL
)  # fmt: skip
BETWEEN_COLUMNS = re.compile(r", (?![^(]*\))")  # the comma of an expression, which has parentheses, is none
BETWEEN_VALUES = ", "
TENANT = "business_id"


class Told(NamedTuple):
    """A key's columns with their values. None stands for those that cannot be told apart: ``together`` they are one."""

    key: Mapping[str, str | None] = MappingProxyType({})
    together: str = ""


def told(sqlstate: str, detail: str, harmless: Collection[str]) -> tuple[Told, Told]:
    """The key that was refused, and of an exclusion the one in the way; both are empty where the server said nothing.

    A value may hold the comma that parts values. It is then a value of a column that is not ``harmless``: of one such
    column it is known whole, of several it is not.
    """
    if sqlstate not in WITH_KEY:
        return Told(), Told()
    if sqlstate == EXCLUSION and (both := BOTH.match(detail)):
        return _parted(both["columns"], both["values"], harmless), _parted(both["columns"], both["there"], harmless)
    one = KEY.match(detail)
    return (_parted(one["columns"], one["values"], harmless) if one else Told()), Told()


def _parted(names: str, values: str, harmless: Collection[str]) -> Told:
    columns = [column.strip('"') for column in BETWEEN_COLUMNS.split(names)]
    parts = values.split(BETWEEN_VALUES)
    if len(parts) < len(columns):
        return Told()
    if len(parts) == len(columns):
        return Told(dict(zip(columns, parts, strict=True)))
    unsure = [place for place, column in enumerate(columns) if column not in harmless] or [
        place for place, column in enumerate(columns) if column != TENANT
    ]
    first, behind = unsure[0] if unsure else 0, len(columns) - 1 - unsure[-1] if unsure else 0
    middle = BETWEEN_VALUES.join(parts[first : len(parts) - behind])
    key: dict[str, str | None] = dict.fromkeys(columns)
    key |= dict(zip(columns[:first], parts, strict=False))
    key |= dict(zip(columns[len(columns) - behind :], parts[len(parts) - behind :], strict=True))
    if first == len(columns) - 1 - behind:
        key[columns[first]] = middle
        return Told(key)
    return Told(key, middle)
