"""Numbers that are like a drop's: what somebody may have meant who mistyped it. Pure."""

from __future__ import annotations

import re

NEIGHBOURS = 10  # numbers on either side


def neighbours(drop: str) -> list[str]:
    """The numbers just before and after a drop's, written as it is. Pure."""
    prefix, digits = _split(drop)
    number = int(digits or 0)
    around = range(max(number - NEIGHBOURS, 0), number + NEIGHBOURS + 1) if digits else ()
    return [f"{prefix}{one:0{len(digits)}}" for one in around if one != number]


def similar(drop: str) -> list[str]:
    """Numbers that a slip of one finger makes of a drop's: a digit wrong, missing, too many, or two turned. Pure."""
    prefix, digits = _split(drop)
    made: dict[str, None] = {}
    for at in range(len(digits)):
        made |= dict.fromkeys(digits[:at] + other + digits[at + 1 :] for other in "0123456789")
        made[digits[:at] + digits[at + 1 :]] = None
        made[digits[:at] + digits[at + 1 : at + 2] + digits[at] + digits[at + 2 :]] = None
    for at in range(len(digits) + 1 if digits else 0):
        made |= dict.fromkeys(digits[:at] + other + digits[at:] for other in "0123456789")
    return [f"{prefix}{one}" for one in made if one and one != digits]


def _split(drop: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*?)([0-9]{4,18})", drop)
    return (found[1], found[2]) if found else (drop, "")
