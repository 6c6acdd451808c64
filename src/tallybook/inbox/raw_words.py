"""What of a raw delivery is of one customer: told apart from what is of others, by the ids they are known by. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec


def apart(body: bytes, ids: Collection[str]) -> tuple[bytes, list[Any]]:
    """The body without what is of somebody, and what that was.

    An entry of a list is theirs if a value in it is one of their ids, and nothing smaller than it is. What others say
    of them in a sentence is others'. A body that is theirs as a whole, or that cannot be read, is left empty.
    """
    known = {*ids, *(f"+{one}" for one in ids)}
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return b"", []
    taken: list[Any] = []
    left = _without(told, known, taken)
    if _names(left, known):
        return b"", [told]
    return (msgspec.json.encode(left), taken) if taken else (body, [])


def _without(value: Any, ids: Collection[str], taken: list[Any]) -> Any:
    if isinstance(value, dict):
        return {key: _without(part, ids, taken) for key, part in value.items()}
    if not isinstance(value, list):
        return value
    left = []
    for one in value:
        inner: list[Any] = []
        rest = _without(one, ids, inner)
        if _names(rest, ids):
            taken.append(one)
        else:
            taken += inner
            left.append(rest)
    return left


def _names(value: Any, ids: Collection[str]) -> bool:
    if isinstance(value, dict):
        return any(_names(part, ids) for part in value.values())
    if isinstance(value, list):
        return any(_names(part, ids) for part in value)
    return isinstance(value, str) and (value in ids or value.partition("@")[0] in ids)
