"""Which columns a bridge's file has, and how its rows are fetched.

Two families of bridges are known. One writes ``messages(id, chat_jid, sender, content, timestamp, is_from_me, …)`` with
local times as text; the other ``messages(msg_id, chat_jid, sender_jid, text, ts, from_me, media_caption, revoked, …)``
with unix times. Forks add columns of the second to the first. So each column is looked for under all its names, and a
file is refused only where one is missing that nothing can replace.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from tallybook.core.errors import SourceUnreadable

Row = tuple[Any, ...]

TABLE_COLUMNS = "select name from pragma_table_info(:name)"

NEEDED = {
    "id": ("id", "msg_id"),
    "chat": ("chat_jid",),
    "sender": ("sender", "sender_jid"),
    "content": ("content", "text"),
    "said_at": ("timestamp", "ts"),
    "from_me": ("is_from_me", "from_me"),
}
OPTIONAL = {
    "caption": ("media_caption", "caption"),
    "media_type": ("media_type",),
    "filename": ("filename",),
    "sha256": ("file_sha256",),
    "size": ("file_length",),
    "revoked": ("revoked", "is_revoked", "is_deleted", "deleted"),
    "deleted_at": ("deleted_at", "revoked_at"),
}
CHAT_TIMES = ("last_message_time", "last_message_ts")


class Columns(NamedTuple):
    """Where each field stands in a fetched row; 0, the row number's place, where the file has no such column.

    ``unix_ids`` and ``unix_times`` say that the file has the second family's names for a message's id and time.
    """

    unix_ids: bool
    unix_times: bool
    id: int
    chat: int
    sender: int
    content: int
    said_at: int
    from_me: int
    caption: int
    media_type: int
    filename: int
    sha256: int
    size: int
    revoked: int
    deleted_at: int


def columns(connection: sqlite3.Connection) -> Columns:
    """Find the columns of ``messages``. Raises SourceUnreadable naming what is missing."""
    names = table(connection, "messages")
    if not names:
        raise SourceUnreadable(
            "The bridge's file has no table 'messages': it is another file, or the bridge has not set it up yet."
        )
    # The row number comes first in what is fetched; where a file names a column rowid, that is the same number.
    places = {name.lower(): place for place, name in enumerate(names, start=1)}
    missing = [spellings[0] for spellings in NEEDED.values() if not any(name in places for name in spellings)]
    if missing:
        raise SourceUnreadable(
            f"The bridge's table 'messages' has no column {', '.join(missing)}: was the bridge built anew with other "
            "column names? Nothing can be read until it writes them again.",
            missing=missing,
        )
    wanted = NEEDED | OPTIONAL
    found = {field: next((places[name] for name in wanted[field] if name in places), 0) for field in wanted}
    return Columns(unix_ids="id" not in places, unix_times="timestamp" not in places, **found)


def table(connection: sqlite3.Connection, name: str) -> list[str]:
    """The names of a table's columns, in their order; empty where there is no such table."""
    return [row[0] for row in connection.execute(TABLE_COLUMNS, {"name": name}).fetchall()]


def fetch(connection: sqlite3.Connection, statement: str, parameters: dict[str, object]) -> list[Row]:
    """Fetch all rows at once. Text that is not UTF-8 is read with its bad bytes replaced, never an error."""
    try:
        return connection.execute(statement, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if "decode to UTF-8" not in str(error):
            raise
        # A decoder written in Python costs every row of the range, so only a range that needs it pays.
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        return connection.execute(statement, parameters).fetchall()
