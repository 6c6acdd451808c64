"""Bridge files for tests, demo and benchmarks: real SQLite files in the schema that WhatsApp bridges write.

>>> bridge = BridgeFile(folder)                                   # or journal_mode="wal"
>>> bridge.post(LAWLEY, "DR1752104", sender="27820000001", at=some_time)
>>> bridge.learn_lid("98765432109876", "27820000001")
>>> BridgeSource("bridge", bridge.messages_path, bridge.whatsapp_path, groups)

Each call is one committed transaction, as the bridge's own are.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Self

LAWLEY = "120363000000000001@g.us"
MOHADIN = "120363000000000002@g.us"
VELO_TEST = "120363000000000003@g.us"
PRIVATE_CHAT = "27820000098@s.whatsapp.net"
SAST = timezone(timedelta(hours=2))
MORNING = datetime(2025, 12, 2, 8, 0, tzinfo=SAST)

SCHEMA = """
create table chats (jid text primary key, name text, last_message_time timestamp);
create table messages (
    id text, chat_jid text, sender text, content text, timestamp timestamp, is_from_me boolean,
    media_type text, filename text, url text, media_key blob, file_sha256 blob, file_enc_sha256 blob,
    file_length integer, primary key (id, chat_jid), foreign key (chat_jid) references chats(jid)
);
"""
# The other family of bridges, as far as a reader is concerned.
UNIX_SCHEMA = """
create table chats (jid text primary key, kind text not null, name text, last_message_ts integer);
create table messages (
    rowid integer primary key autoincrement, chat_jid text not null, chat_name text, msg_id text not null,
    sender_jid text, sender_name text, ts integer not null, from_me integer not null, text text, media_type text,
    media_caption text, filename text, mime_type text, media_key blob, file_sha256 blob, file_length integer,
    revoked integer not null default 0, deleted_for_me integer not null default 0, deleted_at integer,
    edited integer not null default 0, edited_ts integer not null default 0, unique (chat_jid, msg_id)
);
create index idx_messages_chat_ts on messages (chat_jid, ts);
"""
LID_SCHEMA = "create table whatsmeow_lid_map (lid text primary key, pn text unique not null)"

STORE_CHAT = "insert or replace into chats (jid, name, last_message_time) values (?, ?, ?)"
STORE = """
insert or replace into messages (id, chat_jid, sender, content, timestamp, is_from_me, media_type, filename,
    url, media_key, file_sha256, file_enc_sha256, file_length) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
STORE_AT = STORE.replace("(id,", "(rowid, id,").replace("(?,", "(?, ?,", 1)
LEARN = "insert or replace into whatsmeow_lid_map (lid, pn) values (?, ?)"


class BridgeFile:
    """A bridge's ``messages.db`` and ``whatsapp.db`` in ``folder``, written the way the bridge writes them."""

    def __init__(self, folder: Path, journal_mode: str = "delete", timeout: float = 5.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.messages_path = folder / "messages.db"
        self.whatsapp_path = folder / "whatsapp.db"
        self._ids = itertools.count(1)
        new = not self.messages_path.exists()
        self.connection = _open(self.messages_path, journal_mode, timeout)
        self._session = _open(self.whatsapp_path, journal_mode, timeout)
        if new:
            self.connection.executescript(f"begin; {SCHEMA} commit;")
            self._session.execute(LID_SCHEMA)

    def post(
        self,
        chat: str,
        text: str | None,
        *,
        id: str | None = None,
        sender: str | None = "27820000001",
        at: datetime | str | int | None = MORNING,
        from_me: bool = False,
        media_type: str | None = "",
        rowid: int | None = None,
    ) -> str:
        """Store a message (a known id is re-delivered: the row is replaced and moves to the end) and give its id.

        ``at`` is written as the bridge's driver does, local time and offset; text and numbers are written as given.
        """
        message_id = f"3EB0{next(self._ids):016X}" if id is None else id
        row = _row((message_id, chat, sender, text, at, from_me, media_type))
        self._begin()
        self.connection.execute(STORE_CHAT, (chat, chat, row[4]))
        self.connection.execute(*((STORE, row) if rowid is None else (STORE_AT, (rowid, *row))))
        self.connection.execute("commit")
        return message_id

    def post_many(self, posts: Iterable[tuple[str, str, str, str, datetime]]) -> None:
        """Store many (id, chat, sender, text, at) in one transaction, as a history sync does."""
        self._begin()
        self.connection.executemany(STORE, (_row((*post, False, "")) for post in posts))
        self.connection.execute("commit")

    def edit(self, chat: str, id: str, text: str) -> None:
        """Change a message's text in place; its row stays where it is."""
        self.connection.execute("update messages set content = ? where chat_jid = ? and id = ?", (text, chat, id))

    def delete(self, chat: str, id: str) -> None:
        """Remove a message's row."""
        self.connection.execute("delete from messages where chat_jid = ? and id = ?", (chat, id))

    def learn_lid(self, lid: str, phone: str) -> None:
        """Let the session learn whose LID it is; both are bare digits."""
        self._session.execute(LEARN, (lid, phone))

    def execute(self, sql: str, parameters: tuple[object, ...] = ()) -> None:
        """Run any statement on the messages file."""
        self.connection.execute(sql, parameters)

    def vacuum(self) -> None:
        self.connection.execute("vacuum")

    def close(self) -> None:
        """Close both files, as a bridge that stops does."""
        self.connection.close()
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> None:
        self.connection.execute("begin immediate")


class UnixBridgeFile:
    """The other family's file: unix times, captions, edits in place and tombstones. WAL, as that bridge has it."""

    def __init__(self, folder: Path, journal_mode: str = "wal") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.messages_path = folder / "wacli.db"
        self.connection = _open(self.messages_path, journal_mode, 5.0)
        self.connection.executescript(f"begin; {UNIX_SCHEMA} commit;")

    def post(self, chat: str, text: str | None, *, id: str, caption: str = "", at: datetime = MORNING) -> str:
        """Store a message; with a caption it is a photo."""
        self.connection.execute(
            "insert into messages (chat_jid, msg_id, sender_jid, ts, from_me, text, media_type, media_caption)"
            " values (?, ?, ?, ?, 0, ?, ?, ?)",
            (chat, id, "27820000001@s.whatsapp.net", int(at.timestamp()), text, "image" if caption else None, caption),
        )
        return id

    def edit(self, chat: str, id: str, text: str) -> None:
        self.connection.execute(
            "update messages set text = ?, edited = 1, edited_ts = ts + 60 where chat_jid = ? and msg_id = ?",
            (text, chat, id),
        )

    def revoke(self, chat: str, id: str) -> None:
        """Take a message back, for everybody."""
        self.connection.execute("update messages set revoked = 1 where chat_jid = ? and msg_id = ?", (chat, id))

    def delete_for_me(self, chat: str, id: str) -> None:
        """Remove a message from the bridge's own phone; the author did not take it back."""
        self.connection.execute(
            "update messages set deleted_for_me = 1, deleted_at = ts + 60 where chat_jid = ? and msg_id = ?", (chat, id)
        )

    def close(self) -> None:
        self.connection.close()


def _open(path: Path, journal_mode: str, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=timeout)
    connection.execute(f"pragma journal_mode = {journal_mode}")
    return connection


def _row(message: tuple[object, ...]) -> tuple[object, ...]:
    message_id, chat, sender, text, at, from_me, media_type = message
    stamp = at.isoformat(sep=" ") if isinstance(at, datetime) else at
    media = (None, "", b"", b"", b"", 0)
    if media_type:
        media = (f"{media_type}_20251202_080000", "https://media.invalid/x", b"key", b"\x01" * 32, b"\x02" * 32, 4096)
    return (message_id, chat, sender, text, stamp, from_me, media_type, *media)


def at(hour: int, minute: int = 0, offset_hours: int = 2) -> datetime:
    """A time on the morning of the seeds' day, in the wall clock of a host so many hours east of UTC."""
    return datetime(
        2025, 12, 2, hour, minute, tzinfo=UTC if not offset_hours else timezone(timedelta(hours=offset_hours))
    )
