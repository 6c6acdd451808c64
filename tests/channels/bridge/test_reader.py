"""The promise: the configured groups' messages are handed over as they were said, and cheaply."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tallybook.channels.bridge.reader import BridgeSource
from tallybook.core.channel import Position
from tests.channels.bridge.books import Books, fill, source_of
from tests.channels.bridge.bridge_file import LAWLEY, MOHADIN, MORNING, PRIVATE_CHAT, BridgeFile, UnixBridgeFile, at


async def test_a_message_is_handed_over_as_it_was_said(bridge: BridgeFile, books: Books) -> None:
    message_id = bridge.post(LAWLEY, "DR1752104", sender="27820000001", at=at(8, 12))
    assert await books.poll() == ["DR1752104"]
    message = books.stored[LAWLEY, message_id]
    assert (message.channel, message.account, message.chat) == ("bridge", "main", LAWLEY)
    assert (message.sender.phone, message.said_at) == ("+27820000001", at(8, 12))
    assert (message.from_us, message.deleted, message.media) == (False, False, None)


async def test_only_the_configured_groups_are_handed_over(bridge: BridgeFile, books: Books) -> None:
    bridge.post(PRIVATE_CHAT, "for nobody's eyes")
    bridge.post(LAWLEY, "DR1752104")
    bridge.post("120363000000000077@g.us", "another group")
    assert await books.poll() == ["DR1752104"]


async def test_one_id_in_two_chats_is_two_messages(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "in Lawley", id="SAME")
    bridge.post(MOHADIN, "in Mohadin", id="SAME")
    await books.poll()
    assert books.texts() == {"in Lawley", "in Mohadin"}


async def test_an_unchanged_row_is_not_handed_over_at_every_poll(bridge: BridgeFile, books: Books) -> None:
    fill(bridge, 500)
    await books.poll()
    for n in range(5):
        bridge.post(LAWLEY, f"new {n}")
        assert await books.poll() == [f"new {n}"]


async def test_other_chats_move_the_position_now_and_then_without_a_message(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "first")
    await books.poll()
    fill(bridge, 500, chat=PRIVATE_CHAT)
    assert await books.poll() == []
    assert books.position.seen == 1
    fill(bridge, 2_500, chat=PRIVATE_CHAT, first=1_000)
    assert await books.poll() == []
    assert books.position.seen == 3_001


async def test_the_batches_are_small_and_their_progress_reaches_the_total(bridge: BridgeFile, books: Books) -> None:
    fill(bridge, 12_345)
    readings = [reading async for reading in books.source.read(Position())]
    assert [len(reading.incomings) for reading in readings] == [5_000, 5_000, 2_345]
    assert [reading.done for reading in readings] == [5_000, 10_000, 12_345]
    assert {reading.total for reading in readings} == {12_345}


async def test_huge_gaps_between_row_numbers_cost_nothing(bridge: BridgeFile, books: Books) -> None:
    for rowid in (5, 10**9, 2**62):
        bridge.post(LAWLEY, f"row {rowid}", rowid=rowid)
    assert len(await books.poll()) == 3


async def test_captions_edits_and_tombstones_are_read_where_the_file_has_them(tmp_path: Path) -> None:
    bridge = UnixBridgeFile(tmp_path)
    source = BridgeSource("main", bridge.messages_path, None, lambda: frozenset({LAWLEY}))
    books = Books(source)
    for message_id, text, caption in (("A", None, "DR1752104 done"), ("B", "oops", ""), ("C", "fine", "")):
        bridge.post(LAWLEY, text, id=message_id, caption=caption)
    assert await books.poll() == ["DR1752104 done", "oops", "fine"]
    photo = books.stored[LAWLEY, "A"]
    assert photo.media is not None
    assert photo.media.type == "image"
    assert photo.said_at == MORNING
    bridge.edit(LAWLEY, "C", "fine now")
    bridge.revoke(LAWLEY, "B")
    bridge.delete_for_me(LAWLEY, "A")
    await books.poll()
    assert books.stored[LAWLEY, "C"].text == "fine now"
    assert books.stored[LAWLEY, "B"].deleted
    assert not books.stored[LAWLEY, "A"].deleted
    await source.aclose()
    bridge.close()


async def test_our_own_messages_are_marked_as_ours(bridge: BridgeFile, books: Books) -> None:
    bridge.learn_lid("98765432109876", "27820000090")
    bridge.post(LAWLEY, "flagged", id="A", from_me=True)
    bridge.post(LAWLEY, "our sender", id="B", sender="27820000090@s.whatsapp.net")
    bridge.post(LAWLEY, "our LID", id="C", sender="98765432109876")
    bridge.post(LAWLEY, "somebody else", id="D")
    await books.poll()
    assert {key[1]: one.from_us for key, one in books.stored.items()} == {"A": True, "B": True, "C": True, "D": False}


async def test_a_reader_that_was_closed_can_be_used_again(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "one")
    await books.poll()
    await books.source.aclose()
    bridge.post(LAWLEY, "two")
    assert await books.poll() == ["two"]


async def test_the_reader_writes_nothing_into_the_file(tmp_path: Path) -> None:
    with BridgeFile(tmp_path / "store") as bridge:
        fill(bridge, 10)
    before = bridge.messages_path.read_bytes()
    await Books(source_of(bridge)).poll()
    assert bridge.messages_path.read_bytes() == before
    assert sqlite3.connect(bridge.messages_path).execute("pragma integrity_check").fetchone() == ("ok",)


async def test_an_idle_poll_opens_nothing_and_reads_no_row(
    bridge: BridgeFile, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bridge, 10)
    await books.poll()
    opened: list[object] = []
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *given, **options: (opened.append(given), connect(*given, **options))[1]
    )
    assert await books.poll() == []
    assert opened == []
    bridge.post(LAWLEY, "new")
    assert await books.poll() == ["new"]
    assert opened
