"""Where in a text its drop numbers stand, and where what looks like one is somebody's phone. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

USUAL_DROP = re.compile(r"(?<!\w)DR:?[ \u00a0]?[0-9]{6,8}(?!\w)", re.IGNORECASE)
# A project's own pattern may be so wide that it takes a telephone number for a drop.
_DIALLED = re.compile(r"(?<!\w)(?:\+|0)[0-9][0-9 ().-]{5,}[0-9]")
_DIGITS_ALONE = re.compile(r"[0-9 ().+-]+")
LONGEST_DROP_OF_DIGITS = 8


def drop_places(text: str, patterns: Sequence[re.Pattern[str]]) -> list[tuple[int, int]]:
    """From where to where each stands, in order; two may overlap. ``patterns`` are the projects' own."""
    usual = [match.span() for match in USUAL_DROP.finditer(text)]
    dialled = [match.span() for match in _DIALLED.finditer(text)]
    own = [match for pattern in patterns for match in pattern.finditer(text) if match[0]]
    return sorted(usual + [match.span() for match in own if not _may_be_a_phone(match, dialled)])


def _may_be_a_phone(match: re.Match[str], dialled: Sequence[tuple[int, int]]) -> bool:
    """Whether what a project's own pattern found is digits alone, and too many, or some of a longer number's."""
    found, text = match[0], match.string
    if not _DIGITS_ALONE.fullmatch(found):
        return False
    start, end = match.span()
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    many = sum(character.isdigit() for character in found) > LONGEST_DROP_OF_DIGITS
    within = any(begins < end and start < ends for begins, ends in dialled)
    return many or within or any(character.isdigit() or character == "+" for character in around)
