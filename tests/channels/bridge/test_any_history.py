"""The promise: whatever a bridge did between two polls, in any order, the books then hold what the file holds."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.channels.bridge.books import Books, source_of
from tests.channels.bridge.bridge_file import LAWLEY, MOHADIN, PRIVATE_CHAT, BridgeFile

HISTORIES = int(os.environ.get("TALLYBOOK_TEST_HISTORIES", "8"))


class Bridge:
    """A bridge that does something at random; its file is small and the reader's overlap smaller still."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.dice = random.Random(seed)
        self.file = BridgeFile(folder)
        self.file.execute("pragma synchronous = off")
        self.said = 0

    def act(self) -> None:
        acts = [self.post, self.post, self.history, self.deliver_again, self.drop_tail, self.drop_any, self.vacuum]
        self.dice.choice([*acts, self.edit_the_last, self.keep_backup, self.restore])()

    def post(self) -> None:
        self.said += 1
        chat = self.dice.choice([LAWLEY, MOHADIN, PRIVATE_CHAT])
        self.file.post(chat, f"said {self.said}", id=f"M{self.said}")

    def history(self) -> None:
        for _ in range(self.dice.randrange(60)):
            self.post()

    def deliver_again(self) -> None:
        self.said += 1
        self.file.post(LAWLEY, f"said {self.said}", id=f"M{self.dice.randrange(1, self.said + 1)}")

    def drop_tail(self) -> None:
        last = "(select max(rowid) from messages)"
        self.file.execute(f"delete from messages where rowid > {last} - ?", (self.dice.randrange(80),))

    def drop_any(self) -> None:
        self.file.execute("delete from messages where rowid % ? = 1", (self.dice.randrange(2, 9),))

    def vacuum(self) -> None:
        self.file.vacuum()

    def edit_the_last(self) -> None:
        self.said += 1
        self.file.execute(
            "update messages set content = ? where rowid = (select max(rowid) from messages)", (f"said {self.said}",)
        )

    def keep_backup(self) -> None:
        shutil.copyfile(self.file.messages_path, self.folder / "backup.db")

    def restore(self) -> None:
        if (self.folder / "backup.db").exists():
            self.file.close()
            shutil.copyfile(self.folder / "backup.db", self.folder / "restored.db")
            (self.folder / "restored.db").replace(self.file.messages_path)
            self.file = BridgeFile(self.folder)

    def holds(self) -> dict[tuple[str, str], str]:
        rows = self.file.connection.execute(
            "select chat_jid, id, content from messages where chat_jid <> ?", (PRIVATE_CHAT,)
        )
        return {(chat, message_id): text for chat, message_id, text in rows.fetchall()}


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_after_every_poll_the_books_hold_what_the_file_holds(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallybook.channels.bridge.ranges.OVERLAP", 20)
    monkeypatch.setattr("tallybook.channels.bridge.reader.OVERLAP", 20)
    monkeypatch.setattr("tallybook.channels.bridge.ranges._STEP", 35)
    monkeypatch.setattr("tallybook.channels.bridge.reader.BATCH", 7)
    monkeypatch.setattr("tallybook.channels.bridge.reader._ADVANCE", 10)
    bridge = Bridge(tmp_path, seed)
    books = Books(source_of(bridge.file))
    for _ in range(40):
        for _ in range(bridge.dice.randrange(4)):
            bridge.act()
        if bridge.dice.random() < 0.15:  # the reader is started again, and knows no more than its position
            books.source = source_of(bridge.file)
        await books.poll()
        stored = {message: one.text for message, one in books.stored.items()}
        assert {message: text for message, text in bridge.holds().items() if stored.get(message) != text} == {}
    bridge.file.close()
