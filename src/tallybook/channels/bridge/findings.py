"""What a bridge's file holds and what it cannot tell: for the health page and the alerts."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from tallybook.core.identity import resolve

from .clock import instant
from .columns import CHAT_TIMES, Row, columns, fetch, table
from .lids import LidMap
from .ranges import Range, Ranges
from .rows import plain, unkeyable
from .snapshot import guarded, look

# A chat's time is also raised by reactions and by things that are stored a moment later.
UNRECORDED_AFTER = timedelta(hours=1)
_SCAN_AGAIN_SECONDS = 600.0

NEWEST_TIMES = "select chat_jid, timestamp from messages order by rowid desc limit 500"
NEWEST_UNIX_TIMES = "select chat_jid, ts from messages order by rowid desc limit 500"
CHAT_ACTIVITY = "select jid, last_message_time from chats where jid in (select value from json_each(:groups))"
CHAT_UNIX_ACTIVITY = "select jid, last_message_ts from chats where jid in (select value from json_each(:groups))"


class GroupFinding(msgspec.Struct, frozen=True):
    """A configured group: its rows, its newest message, and when the bridge last saw it active.

    ``unrecorded``: the chat was active over an hour after its newest row, so the bridge saw something and stored none.
    """

    chat: str
    rows: int = 0
    newest_at: datetime | None = None
    active_at: datetime | None = None

    @property
    def unrecorded(self) -> bool:
        if self.active_at is None:
            return False
        return self.newest_at is None or self.active_at - self.newest_at > UNRECORDED_AFTER


class Findings(msgspec.Struct, frozen=True):
    """What the file says of itself. Counts are of the configured groups and at most ten minutes old.

    ``newest_at`` is the newest message of the last 500 rows of any chat: the bridge's sign of life. ``senders`` counts
    messages by how their sender is spelled (``phone``, ``phone jid``, ``lid``, ``lid jid``, ``other``). ``problems``
    are sentences for people.
    """

    journal_mode: str
    newest_at: datetime | None
    groups: list[GroupFinding]
    senders: dict[str, int]
    media_rows: int
    drops_captions: bool
    unkeyable_rows: int
    unreadable_times: int
    known_lids: int
    problems: list[str]


class _Tally:
    """What a pass over the file counts."""

    def __init__(self, chats: frozenset[str]) -> None:
        self.rows = Counter[str]()
        self.newest: dict[str, datetime] = {}
        self.senders = Counter[object]()
        self.media = 0
        self.media_with_text = 0
        self.has_captions = False
        self.unkeyable = 0
        self.too_long = 0
        self.unreadable = 0
        self.chats = chats

    def add(self, found: Range) -> None:
        at = found.at
        self.has_captions = bool(at.caption)
        for row in found.rows:
            if unkeyable(row[at.id]):
                self.unkeyable += 1
                self.too_long += bool(row[at.id])
            self.rows[plain(row[at.chat])] += 1
            self.senders[row[at.sender]] += 1
            self._add_time(plain(row[at.chat]), instant(row[at.said_at]))
            if at.media_type and row[at.media_type]:
                self.media += 1
                self.media_with_text += bool(row[at.content])

    def _add_time(self, chat: str, said_at: datetime | None) -> None:
        if said_at is None:
            self.unreadable += 1
        elif chat not in self.newest or self.newest[chat] < said_at:
            self.newest[chat] = said_at


class Survey:
    """Goes over the whole file at most every ten minutes, in short reads; the newest times are read at each call."""

    def __init__(self, path: Path, lids: LidMap) -> None:
        self._path = path
        self._lids = lids
        self._guard = threading.Lock()
        self._tally: _Tally | None = None
        self._taken = 0.0

    def findings(self, chats: frozenset[str], clock: Callable[[], float] = time.monotonic) -> Findings:
        """Blocks, for seconds at a million rows where the count is due. Raises SourceUnreadable."""
        with self._guard:
            tally = self._tally
            if tally is None or tally.chats != chats or clock() - self._taken > _SCAN_AGAIN_SECONDS:
                tally = self._tally = self._count(chats)
                self._taken = clock()
        newest, active = guarded(self._path, lambda connection: _times(connection, chats))
        lids = self._lids.refresh()
        groups = [
            GroupFinding(chat, tally.rows[chat], _later(tally.newest.get(chat), newest.get(chat)), active.get(chat))
            for chat in sorted(chats)
        ]
        drops_captions = tally.media > 0 and not tally.has_captions and tally.media_with_text == 0
        return Findings(
            journal_mode="wal" if look(self._path).wal else "rollback",
            newest_at=newest.get(""),
            groups=groups,
            senders=_spellings(tally.senders, lids),
            media_rows=tally.media,
            drops_captions=drops_captions,
            unkeyable_rows=tally.unkeyable,
            unreadable_times=tally.unreadable,
            known_lids=len(lids),
            problems=_problems(tally, groups, drops_captions, self._lids.problem),
        )

    def _count(self, chats: frozenset[str]) -> _Tally:
        tally, low, ranges = _Tally(chats), 0, Ranges(self._path)
        while True:
            found = ranges.after(low, chats)
            tally.add(found)
            low = found.high
            if low >= found.last:
                return tally


Times = dict[str, datetime]


def _times(connection: sqlite3.Connection, chats: frozenset[str]) -> tuple[Times, Times]:
    """Give the newest times of the last rows by chat (of all chats under ""), and each chat's last activity."""
    at = columns(connection)
    newest: Times = {}
    for chat, said in fetch(connection, NEWEST_UNIX_TIMES if at.unix_times else NEWEST_TIMES, {}):
        if said_at := instant(said):
            for name in {"", plain(chat)} & (chats | {""}):
                newest[name] = max(newest.get(name, said_at), said_at)
    return newest, _activity(connection, chats)


def _activity(connection: sqlite3.Connection, chats: frozenset[str]) -> Times:
    names = table(connection, "chats")
    column = next((name for name in CHAT_TIMES if name in names), None)
    if column is None or "jid" not in names:
        return {}
    statement = CHAT_ACTIVITY if column == CHAT_TIMES[0] else CHAT_UNIX_ACTIVITY
    rows: list[Row] = fetch(connection, statement, {"groups": json.dumps(sorted(chats))})
    return {chat: active_at for chat, value in rows if (active_at := instant(value))}


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


def _spellings(senders: Mapping[object, int], lids: Mapping[str, str]) -> dict[str, int]:
    counts = Counter[str]()
    for raw, rows in senders.items():
        who = resolve(plain(raw), lids)
        kind = "lid" if who.lid else "phone" if who.phone else "other"
        counts[f"{kind} jid" if "@" in who.raw and kind != "other" else kind] += rows
    return dict(counts)


def _problems(tally: _Tally, groups: list[GroupFinding], drops_captions: bool, lids: str | None) -> list[str]:
    said = []
    if drops_captions:
        said.append(
            f"This bridge drops captions: none of {tally.media} photos and files has any text. "
            "A drop number written under a photo cannot be seen."
        )
    if nameless := tally.unkeyable - tally.too_long:
        said.append(f"{nameless} rows have no message id and were left out.")
    if tally.too_long:
        said.append(f"{tally.too_long} rows have a message id that is too long and were left out.")
    if tally.unreadable:
        said.append(f"{tally.unreadable} rows have a time that cannot be read; a neighbouring row's time was taken.")
    if lids:
        said.append(lids)
    said += [
        f"Group {one.chat} was active but its newest messages are not in the file." for one in groups if one.unrecorded
    ]
    return said
