"""The time of a record of a server's log, which is written in the server's own zone, by its letters."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

WRITTEN = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{1,6}))? (\S+)")
OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")
# Hours east of Greenwich, as the server itself reads these letters unless told otherwise.
LETTERS = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "MET": 1, "EET": 2, "EEST": 3,
    "SAST": 2, "CAT": 2, "EAT": 3, "IST": 2, "IDT": 3, "MSK": 3, "PKT": 5, "SGT": 8, "HKT": 8, "AWST": 8, "JST": 9,
    "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "BRT": -3, "ART": -3, "AST": -4, "ADT": -3, "EST": -5,
    "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip


def moment(text: str) -> datetime | None:
    """When it was recorded, to the microsecond; None where that is no time.

    A zone whose letters are not known counts as UTC: the order holds, since one server writes one zone.
    """
    match = WRITTEN.fullmatch(text)
    if match is None:
        return None
    try:
        at = datetime.fromisoformat(match[1])
    except ValueError:
        return None
    return at.replace(microsecond=int((match[2] or "").ljust(6, "0")), tzinfo=_zone(match[3]))


def _zone(letters: str) -> timezone:
    if offset := OFFSET.fullmatch(letters):
        east = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return timezone(east if offset[1] == "+" else -east)
    hours = LETTERS.get(letters, 0)
    return timezone(timedelta(hours=hours), letters) if hours else UTC
