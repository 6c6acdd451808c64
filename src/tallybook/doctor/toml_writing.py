"""Values as TOML has them, each such that reading gives it back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

# What a text in quotes may not hold as it is.
_ESCAPED = re.compile(r"[\x00-\x1f\x7f\\\"]")
_LINES_ESCAPED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\\]")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
LONG = 100  # characters; a list that is longer has a line for each entry


def value(given: Any) -> str:
    """A text, a yes or no, or a list of texts."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        return _lines(given) if "\n" in given.strip("\n") else f'"{_ESCAPED.sub(_escape, given)}"'
    parts = [f'"{_ESCAPED.sub(_escape, one)}"' for one in given]
    short = f"[{', '.join(parts)}]"
    return short if len(short) <= LONG else "[\n" + "".join(f"    {one},\n" for one in parts) + "]"


def _lines(text: str) -> str:
    """A text of several lines, as it is read by people."""
    body, last = (text[:-1], '\\"') if text.endswith('"') else (text, "")
    inside = _LINES_ESCAPED.sub(_escape, body).replace('"""', '""\\"')
    return f'"""\n{inside}{last}"""'


def _escape(found: re.Match[str]) -> str:
    return _SHORT.get(found[0], f"\\u{ord(found[0]):04x}")


def written(entry: msgspec.Struct) -> Iterator[str]:
    """A line for each field that says something other than what is meant without it."""
    for field in msgspec.structs.fields(entry):
        one = getattr(entry, field.name)
        if field.default is msgspec.NODEFAULT or one != field.default:
            yield f"{field.name} = {value(one)}"
