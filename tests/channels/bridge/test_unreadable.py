"""The promise: a file that cannot be read gets a sentence that says why, and is read as soon as it is mended."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tallybook.channels.bridge import snapshot
from tallybook.channels.bridge.reader import BridgeSource
from tallybook.core.errors import SourceUnreadable
from tests.channels.bridge.books import Books, fill
from tests.channels.bridge.bridge_file import LAWLEY, BridgeFile


def missing(path: Path) -> None:
    path.unlink()


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def some_text(path: Path) -> None:
    path.write_text("drop,date\nDR1752104,2025-12-02\n" * 500)


def encrypted(path: Path) -> None:
    path.write_bytes(random.Random(7).randbytes(4096 * 3))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_within_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def overwritten(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)


def another_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("create table notes (id integer)")


def other_columns(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("create table messages (id text, jid text, body text, timestamp text, is_from_me int)")


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (missing, "There is no file"),
        (a_directory, "is a directory"),
        (a_pipe, "is a directory or a device"),
        (empty, "is empty"),
        (some_text, "is not a SQLite file"),
        (encrypted, "looks encrypted"),
        (cut_short, "damaged or cut short"),
        (cut_within_the_header, "damaged or cut short"),
        (overwritten, "damaged or cut short"),
        (another_database, "has no table 'messages'"),
        (other_columns, "has no column chat_jid, sender, content"),
    ],
)
async def test_the_sentence_names_what_is_wrong_and_the_next_poll_after_mending_works(
    tmp_path: Path, harm: Callable[[Path], None], sentence: str
) -> None:
    with BridgeFile(tmp_path) as bridge:
        fill(bridge, 300)
    kept = bridge.messages_path.read_bytes()
    books = Books(BridgeSource("main", bridge.messages_path, None, lambda: frozenset({LAWLEY})))
    await books.poll()
    harm(bridge.messages_path)
    for _ in range(2):
        with pytest.raises(SourceUnreadable, match=sentence):
            await books.poll(full=True)
    with pytest.raises(SourceUnreadable, match=sentence):
        await books.source.report()
    if bridge.messages_path.is_dir():
        bridge.messages_path.rmdir()
    else:
        bridge.messages_path.unlink(missing_ok=True)
    bridge.messages_path.write_bytes(kept)
    with BridgeFile(tmp_path) as mended:
        mended.post(LAWLEY, "mended", id="M")
    assert "mended" in await books.poll()


async def test_a_locked_file_is_said_to_be_locked_and_read_once_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "BUSY_SECONDS", 0.01)
    with BridgeFile(tmp_path, journal_mode="wal") as bridge:
        bridge.post(LAWLEY, "one")
    holder = sqlite3.connect(bridge.messages_path, isolation_level=None)
    holder.execute("pragma locking_mode = exclusive")
    holder.execute("update messages set content = content")
    books = Books(BridgeSource("main", bridge.messages_path, None, lambda: frozenset({LAWLEY})))
    with pytest.raises(SourceUnreadable, match="locked by another program"):
        await books.poll()
    holder.close()
    assert await books.poll() == ["one"]


def test_no_permission_is_said_to_be_that(tmp_path: Path) -> None:
    denied = PermissionError(13, "Permission denied")
    assert "no permission to read" in snapshot.sentence(tmp_path / "messages.db", denied)


async def test_an_unreadable_session_file_stops_no_message(tmp_path: Path) -> None:
    with BridgeFile(tmp_path) as bridge:
        bridge.post(LAWLEY, "DR1752104", sender="98765432109876")
    bridge.whatsapp_path.write_bytes(b"no database")
    books = Books(BridgeSource("main", bridge.messages_path, bridge.whatsapp_path, lambda: frozenset({LAWLEY})))
    assert await books.poll() == ["DR1752104"]
    assert [one.sender.key for one in books.stored.values()] == ["98765432109876@lid"]
    assert any("is not a SQLite file" in problem for problem in (await books.source.report()).problems)
