"""JSON as PostgreSQL can hold it: no NUL character and no half of a surrogate pair. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

REPLACEMENT = "\ufffd"
# What might stand for one of the two; a text without these is whole as it is.
_DOUBTFUL = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_HALVES = re.compile(r"[\ud800-\udfff]")


def storable(text: str) -> str:
    """The same JSON with what cannot be stored replaced; as it came where nothing needs to be.

    Raises ValueError for what is no JSON, RecursionError where it is nested too deeply.
    """
    if not _DOUBTFUL.search(text) and not _HALVES.search(text) and "\0" not in text:
        return text
    return json.dumps(_cleaned(json.loads(text)), ensure_ascii=False)


def plain(text: str) -> str:
    """A text without what PostgreSQL cannot hold."""
    return _HALVES.sub(REPLACEMENT, text.replace("\0", REPLACEMENT))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, dict):
        return {plain(name): _cleaned(one) for name, one in value.items()}
    return value
