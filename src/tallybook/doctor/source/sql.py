"""Reads .sql files: scripts, migrations, dumps, and the query files of code generators."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .text import Piece

# The rows of a dump are no statements, and hold any character.
_ROWS = re.compile(r"(^copy\s[^;]*from stdin;\n)(.*?)(^\\\.$)", re.IGNORECASE | re.MULTILINE | re.DOTALL)
# Orders to psql end with their line.
_ORDER = re.compile(r"^\\.*$", re.MULTILINE)
_GENERATED = re.compile(r"\bsqlc\.n?arg\(\s*'?(\w+)'?\s*\)")


def read(text: str) -> Iterator[Piece]:
    """The file without what is no SQL; its statements are cut apart later."""
    without_rows = _ROWS.sub(lambda found: found[1] + "\n" * found[2].count("\n"), text)
    yield Piece(1, _GENERATED.sub(r"@\1", _ORDER.sub("", without_rows)))
