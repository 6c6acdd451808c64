"""PostgreSQL array literals, passed as parameters of set-wise statements and cast there (``%(names)s::text[]``).

psycopg's own list dumper spends about 4 µs on each element in Python; on a catch-up of a million messages that was
half of all time. These spend about 0.1 µs. The literal is a value bound to a parameter, never a part of the statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from struct import Struct
from typing import cast

from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format


def texts(values: Sequence[str | None]) -> str:
    """A ``text[]`` literal; also for enums and UUIDs given as text."""
    if not values:
        return "{}"
    whole = None not in values
    given = cast("Sequence[str]", values) if whole else [value for value in values if value is not None]
    joined = '","'.join(given)
    # The fast ways hold while nothing needs escaping: then the only quotes are the ones just put there.
    if "\\" in joined or joined.count('"') > 2 * max(len(given) - 1, 0):
        return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"
    if whole:
        return '{"' + joined + '"}'
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"


def numbers(values: Iterable[int | None]) -> str:
    """An ``int[]`` or ``bigint[]`` literal."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def truths(values: Iterable[bool]) -> str:
    """A ``bool[]`` literal."""
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def times(values: Iterable[datetime]) -> str:
    """A ``timestamptz[]`` literal. Times without a zone are refused, since the server would guess one."""
    return _in_zones(list(values), _printed)


def _in_zones(values: Sequence[datetime], printed: Callable[[datetime], str]) -> str:
    if None in [value.tzinfo for value in values]:
        raise ValueError("a time without a zone")
    return '{"' + '","'.join([printed(value) for value in values]) + '"}' if values else "{}"


# A message's time is printed for each table that holds it.
_printed = lru_cache(maxsize=16_384)(datetime.isoformat)


def moments(values: Iterable[datetime]) -> str:
    """A ``timestamptz[]`` literal of times of which none comes twice, which are not remembered as ``times`` does."""
    return _in_zones(list(values), datetime.isoformat)


class Octets(list[bytes]):
    """A ``bytea[]``, sent as it is and not as text."""


class _OctetsDumper(Dumper):
    format = Format.BINARY
    oid = 1001

    def dump(self, obj: Octets) -> bytes:
        parts = [_HEAD.pack(1, 0, 17, len(obj), 1)]
        for one in obj:
            parts += (len(one).to_bytes(4, "big"), one)
        return b"".join(parts)


_HEAD = Struct("!iiIii")
adapters.register_dumper(Octets, _OctetsDumper)


def hexes(values: Iterable[bytes | None]) -> str:
    """A ``bytea[]`` literal."""
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
