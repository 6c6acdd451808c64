"""A file's rows, range by range, each range one short guarded read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, TypeVar

from .columns import Columns, Row, columns, fetch
from .snapshot import Stamp, guarded, look

T = TypeVar("T")

OVERLAP = 5_000
_STEP = 50_000
_SMALLEST_STEP = 500

SCHEMA_VERSION = "pragma schema_version"
LAST_ROW = "select coalesce(max(rowid), 0) from messages"
END_OF_RANGE = """
select max(rowid) from (select rowid from messages where rowid > :low order by rowid limit :step)
"""
# The plus sign keeps an index on the chat out of it: the range of row numbers is what makes the read short.
ROWS_OF_GROUPS = """
select rowid, * from messages
where rowid > :low and rowid <= :high and +chat_jid in (select value from json_each(:groups))
order by rowid
"""
ROW_AT = "select rowid, id, chat_jid from messages where rowid <= :at order by rowid desc limit 1"
UNIX_ROW_AT = "select rowid, msg_id, chat_jid from messages where rowid <= :at order by rowid desc limit 1"


class Anchor(NamedTuple):
    """A row and the message that stood in it; row 0 where the file is shorter than the overlap."""

    row: int = 0
    key: str = ""


class Range(NamedTuple):
    """Rows ``low < rowid <= high`` of the wanted groups, and the state of the file in the same snapshot."""

    identity: str
    last: int
    high: int
    anchor: Anchor
    modified: datetime
    at: Columns
    rows: list[Row]


class State(NamedTuple):
    """Whose file it is, its last row, and whether a remembered anchor still stands."""

    identity: str
    last: int
    anchored: bool


class Ranges:
    """Reads ranges in big steps while the file is quiet and in small ones while the bridge is writing.

    A big step needs the file to stand still for some 50 ms, a small one for 1 ms, which even a writer that commits all
    the time leaves between two commits. Only when that fails too is a lock taken, and then for that 1 ms.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._step = _STEP

    def after(self, low: int, groups: frozenset[str]) -> Range:
        """Read the rows that follow row ``low``, as many as a step allows. Blocks; raises SourceUnreadable."""
        wanted = json.dumps(sorted(groups))
        return self._read(lambda stamp, connection: _range(stamp, connection, low, (self._step, wanted)))

    def state(self, anchor: Anchor) -> State:
        """Look at the file as a whole. Blocks; raises SourceUnreadable."""
        return self._read(lambda stamp, connection: _state(stamp, connection, anchor))

    def _read(self, query: Callable[[Stamp, sqlite3.Connection], T]) -> T:
        step = self._step
        # The stamp is taken within the guard: where the read is kept, nothing came between.
        result = guarded(self.path, lambda connection: query(look(self.path), connection), disturbed=self._go_smaller)
        if self._step == step:
            self._step = min(step * 2, _STEP)
        return result

    def _go_smaller(self) -> None:
        self._step = max(self._step // 4, _SMALLEST_STEP)


def _range(stamp: Stamp, connection: sqlite3.Connection, low: int, limits: tuple[int, str]) -> Range:
    at = columns(connection)
    step, groups = limits
    last = _last(connection)
    high = last
    if last - low > step:
        high = connection.execute(END_OF_RANGE, {"low": low, "step": step}).fetchone()[0] or last
    rows = fetch(connection, ROWS_OF_GROUPS, {"low": low, "high": high, "groups": groups})
    anchor = _anchor(connection, at, high - OVERLAP)
    modified = datetime.fromtimestamp(stamp.modified_ns / 1e9, UTC)
    return Range(_identity(stamp, connection), last, high, anchor, modified, at, rows)


def _state(stamp: Stamp, connection: sqlite3.Connection, anchor: Anchor) -> State:
    at = columns(connection)
    now = _anchor(connection, at, anchor.row)
    # A row that is gone was moved or deleted, and its number is not used again unless the last row is gone too.
    anchored = now.row != anchor.row or now.key == anchor.key
    return State(_identity(stamp, connection), _last(connection), anchored)


def _last(connection: sqlite3.Connection) -> int:
    last: int = connection.execute(LAST_ROW).fetchone()[0]
    return last


def _anchor(connection: sqlite3.Connection, at: Columns, row: int) -> Anchor:
    found = fetch(connection, UNIX_ROW_AT if at.unix_ids else ROW_AT, {"at": row}) if row > 0 else []
    if not found:
        return Anchor()
    number, message, chat = found[0]
    # Hashed, since it may be a message of a chat that is none of our business.
    words = f"{chat}\0{message}"
    return Anchor(number, blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest())


def _identity(stamp: Stamp, connection: sqlite3.Connection) -> str:
    """Tell one file from another: its place on disk and its schema's version, which VACUUM raises too."""
    version = connection.execute(SCHEMA_VERSION).fetchone()[0]
    return f"{stamp.device}:{stamp.inode}:{version}"
