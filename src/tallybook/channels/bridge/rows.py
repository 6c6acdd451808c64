"""A row of the bridge's table becomes an Incoming. Pure; about 3 µs a row, since files hold a million of them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import NamedTuple

from tallybook.core.identity import resolve
from tallybook.core.messages import Identity, Incoming, Media

from .clock import instant
from .columns import Columns, Row

# WhatsApp's own ids have some 32 characters and its texts at most 65,536. PostgreSQL takes 2,704 bytes as a key.
MAX_ID = 400
MAX_TEXT = 1_000_000
MAX_WORD = 1_000
LARGEST = 2**63 - 1  # bytes that a bigint can count; SQLite keeps what is larger as a fraction
_NUL = "\0"
_YES = frozenset({"1", "true", "t", "yes"})


def content_hash(text: str, media_type: str, deleted: bool) -> bytes:
    """Sixteen bytes that tell an edit or a taking-back from a re-delivery.

    The file name is left out: bridges make it of the second in which they processed the message, so it changes when
    the same message is delivered again. So is the sender, who may be spelled differently the next time.
    """
    words = f"{deleted:d}{media_type}\0{text}"
    return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=16).digest()


# A message (id, chat) as it was last handed over: its row's number and hash. Not the other way about: a row that holds
# again what it held before may be news, where the message was meanwhile handed over from another row.
Known = Mapping[tuple[object, object], tuple[int, int]]


class Context(NamedTuple):
    """What a range's rows are read against: the messages handed over before, and the file's own time."""

    known: Known
    modified: datetime


class Reader:
    """Turns rows into Incomings, knowing whose file it is, who we are and which LIDs are known."""

    def __init__(self, account: str, own_numbers: Iterable[str], lids: Mapping[str, str]) -> None:
        self._account = account
        self._lids = lids
        self._senders: dict[object, Identity] = {}
        self._chats: dict[object, str] = {}
        self._own = {self.sender(number).key for number in own_numbers}

    def sender(self, raw: object) -> Identity:
        """Resolve a sender once; a group has a hundred of them and a quarter of a million messages."""
        known = self._senders.get(raw)
        if known is None:
            known = self._senders[raw] = resolve(plain(raw)[:MAX_WORD], self._lids)
        return known

    def incomings(self, rows: list[Row], at: Columns, context: Context) -> list[tuple[int, Incoming]]:
        """Turn rows, in file order, into (row number, Incoming).

        Rows that cannot be keyed, without id or chat or with one that is too long, are left out; findings count them.
        """
        read = []
        known, id_at, chat_at, said_at = context.known, at.id, at.chat, at.said_at
        for place, row in enumerate(rows):
            if (
                unkeyable(row[id_at])
                or not row[chat_at]
                or (known and known.get((row[id_at], row[chat_at])) == (row[0], hash(row)))
            ):
                continue
            said = instant(row[said_at]) or _nearest(rows, place, at) or context.modified
            # One zone for all: times of one zone object are compared and printed several times as fast.
            read.append((row[0], self._incoming(row, at, said.astimezone(UTC))))
        return read

    def _incoming(self, row: Row, at: Columns, said_at: datetime) -> Incoming:
        # Each call saved here is a tenth of a second at a million messages.
        sender = self._senders.get(row[at.sender]) or self.sender(row[at.sender])
        chat = self._chats.get(row[at.chat]) or self._chats.setdefault(row[at.chat], plain(row[at.chat]))
        text = plain(row[at.content] or (row[at.caption] if at.caption else ""))[:MAX_TEXT]
        media_type = plain(row[at.media_type])[:MAX_WORD] if at.media_type and row[at.media_type] else ""
        deleted = _deleted(row, at) if at.revoked or at.deleted_at else False
        return Incoming(
            "bridge",
            self._account,
            chat,
            plain(row[at.id]),
            chat,
            sender,
            said_at,
            text,
            content_hash(text, media_type, deleted),
            from_us=sender.key in self._own or _true(row[at.from_me]),
            deleted=deleted,
            media=_media(row, at, media_type) if media_type else None,
        )


def plain(value: object) -> str:
    """Give a value as text. SQLite columns hold any type; PostgreSQL's text holds no NUL character."""
    if type(value) is not str:
        if value is None:
            return ""
        value = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return value.replace(_NUL, "\ufffd") if _NUL in value else value


def unkeyable(message_id: object) -> bool:
    """Tell whether a row has no id, or one that is too long for a key."""
    if type(message_id) is str:
        return not 0 < len(message_id) <= MAX_ID
    return not message_id or len(plain(message_id)) > MAX_ID


def _nearest(rows: list[Row], place: int, at: Columns) -> datetime | None:
    """Take the time of the row before, else of the next readable one: a doubtful time can be mended, a loss cannot."""
    around = itertools.chain(reversed(rows[:place]), rows[place + 1 :])
    return next((found for row in around if (found := instant(row[at.said_at]))), None)


def _true(value: object) -> bool:
    """Read a flag: a number, or a word in files that a script has touched."""
    return value.strip().lower() in _YES if type(value) is str else bool(value)


def _deleted(row: Row, at: Columns) -> bool:
    """Tell whether the author took it back. A time alone may also mean "deleted on this phone", where a flag exists."""
    if at.revoked:
        return _true(row[at.revoked])
    return bool(at.deleted_at and row[at.deleted_at])


def _media(row: Row, at: Columns, media_type: str) -> Media:
    digest = row[at.sha256] if at.sha256 else None
    size = None
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        size = int(row[at.size]) if at.size else None
    return Media(
        type=media_type,
        filename=plain(row[at.filename])[:MAX_WORD] if at.filename else "",
        sha256=digest if isinstance(digest, bytes) and 0 < len(digest) <= MAX_WORD else None,
        size=size if size is not None and 0 <= size <= LARGEST else None,
    )
