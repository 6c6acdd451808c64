"""A WhatsApp bridge's two files, written as the bridge writes them: one commit for each message."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec

SCHEMA = """
create table if not exists chats (jid text primary key, name text, last_message_time timestamp);
create table if not exists messages (
    id text, chat_jid text, sender text, content text, timestamp timestamp, is_from_me boolean, media_type text,
    filename text, url text, media_key blob, file_sha256 blob, file_enc_sha256 blob, file_length integer,
    primary key (id, chat_jid), foreign key (chat_jid) references chats(jid)
);
"""
LIDS = "create table if not exists whatsmeow_lid_map (lid text primary key, pn text unique not null)"

BEGIN = "begin immediate"
COMMIT = "commit"
STORE_CHAT = "insert or replace into chats (jid, name, last_message_time) values (?, ?, ?)"
STORE = """
insert or ignore into messages (id, chat_jid, sender, content, timestamp, is_from_me, media_type, filename, url,
    media_key, file_sha256, file_enc_sha256, file_length) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
EDIT = "update messages set content = ? where chat_jid = ? and id = ?"
COUNT = "select count(*) from messages where id >= ? and id < ?"
LEARN = "insert or ignore into whatsmeow_lid_map (lid, pn) values (?, ?)"


class Said(msgspec.Struct, frozen=True):
    """A message of a chat. ``sender`` is bare digits, of a phone or of a LID; a photo has no text."""

    id: str
    chat: str
    sender: str
    text: str
    at: datetime
    photo: bool = False


class BridgeFile:
    """``messages.db`` and ``whatsapp.db`` in a folder; made where they are not there yet."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.messages_path = folder / "messages.db"
        self._messages = sqlite3.connect(self.messages_path, isolation_level=None)
        self._session = sqlite3.connect(folder / "whatsapp.db", isolation_level=None)
        self._messages.executescript(SCHEMA)
        self._session.execute(LIDS)

    def post(self, said: Said) -> None:
        """Store one message, in a commit of its own, as it comes in."""
        self.post_many([said])

    def post_many(self, said: Iterable[Said]) -> None:
        """Store many in one commit, as a history sync does. A message that is there already stays as it is."""
        rows = [_row(one) for one in said]
        self._messages.execute(BEGIN)
        self._messages.executemany(STORE_CHAT, {row[1]: (row[1], row[1], row[4]) for row in rows}.values())
        self._messages.executemany(STORE, rows)
        self._messages.execute(COMMIT)

    def edit(self, said: Said) -> None:
        """Change a message's text in place."""
        self._messages.execute(EDIT, (said.text, said.chat, said.id))

    def learn(self, lid: str, phone: str) -> None:
        """Let the bridge learn whose LID it is; both are bare digits."""
        self._session.execute(LEARN, (lid, phone))

    def count(self, prefix: str) -> int:
        """How many messages have an id that begins so."""
        found: int = self._messages.execute(COUNT, (prefix, f"{prefix}~")).fetchone()[0]
        return found

    def close(self) -> None:
        self._messages.close()
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _row(said: Said) -> tuple[object, ...]:
    at = said.at.isoformat(sep=" ", timespec="seconds")
    media: tuple[object, ...] = ("", "", "", None, None, None, 0)
    if said.photo:
        media = (
            "image",
            f"image_{said.at:%Y%m%d_%H%M%S}.jpg",
            "https://media.invalid/x",
            b"k",
            b"h" * 32,
            b"e" * 32,
            9,
        )
    return (said.id, said.chat, said.sender, said.text, at, False, *media)
