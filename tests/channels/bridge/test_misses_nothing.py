"""The promise: every message is found, whatever the bridge does to its file."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tallybook.channels.bridge.reader import BridgeSource
from tallybook.core.channel import Position
from tests.channels.bridge.books import Books, fill, source_of
from tests.channels.bridge.bridge_file import LAWLEY, MOHADIN, MORNING, BridgeFile, at


async def test_a_poll_that_finds_nothing_loses_nothing_later(bridge: BridgeFile, books: Books) -> None:
    assert await books.poll() == []
    assert await books.poll() == []
    bridge.post(LAWLEY, "first")
    assert await books.poll() == ["first"]
    before = books.position
    assert await books.poll() == []
    assert books.position == before
    bridge.post(LAWLEY, "second", at=MORNING - timedelta(hours=5))
    assert await books.poll() == ["second"]


async def test_messages_of_the_same_second_are_all_found(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "one")
    assert await books.poll() == ["one"]
    bridge.post(LAWLEY, "two")
    bridge.post(MOHADIN, "three")
    assert await books.poll() == ["two", "three"]


async def test_a_redelivery_that_moves_the_row_is_the_same_message_again(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "DR1", id="A", sender="27820000001")
    bridge.post(LAWLEY, "DR2", id="B")
    await books.poll()
    first = books.stored[LAWLEY, "A"]
    bridge.post(LAWLEY, "DR1", id="A", sender="27820000001@s.whatsapp.net")
    assert await books.poll() == ["DR1"]
    again = books.stored[LAWLEY, "A"]
    assert again.content_hash == first.content_hash
    assert again.sender.key == first.sender.key


async def test_history_that_arrives_hours_late_is_found(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "now", at=at(16))
    await books.poll()
    fill(bridge, 50)
    assert len(await books.poll()) == 50


async def test_a_row_number_used_again_after_a_delete_is_not_taken_for_the_old_message(
    bridge: BridgeFile, books: Books
) -> None:
    bridge.post(LAWLEY, "kept", id="A")
    bridge.post(LAWLEY, "deleted", id="B")
    await books.poll()
    bridge.delete(LAWLEY, "B")
    bridge.post(LAWLEY, "in its place", id="C")
    assert await books.poll() == ["in its place"]


@pytest.mark.parametrize("deleted", [3_000, 7_000])
async def test_even_thousands_of_rows_deleted_and_replaced_between_two_polls_are_noticed(
    bridge: BridgeFile, books: Books, deleted: int
) -> None:
    fill(bridge, 12_000)
    await books.poll()
    bridge.execute("delete from messages where rowid > ?", (12_000 - deleted,))
    fill(bridge, deleted + 10, first=50_000)
    await books.poll()
    assert {f"old {n}" for n in range(50_000, 50_010 + deleted)} <= books.texts()


async def test_that_holds_across_a_restart_of_the_reader(bridge: BridgeFile, books: Books) -> None:
    fill(bridge, 12_000)
    await books.poll()
    bridge.execute("delete from messages where rowid > 5000")
    fill(bridge, 7_010, first=50_000)
    later = Books(source_of(bridge), books.position)
    await later.poll()
    assert {f"old {n}" for n in range(50_000, 57_010)} <= later.texts()


async def test_a_file_that_became_shorter_is_read_from_the_start(bridge: BridgeFile, books: Books) -> None:
    fill(bridge, 20)
    await books.poll()
    bridge.execute("delete from messages where rowid > 5")
    bridge.post(LAWLEY, "new")
    assert "new" in await books.poll()


async def test_vacuum_loses_nothing(bridge: BridgeFile, books: Books) -> None:
    fill(bridge, 6_000)
    await books.poll()
    bridge.execute("delete from messages where rowid % 2 = 0")
    bridge.vacuum()
    bridge.post(LAWLEY, "after the vacuum")
    await books.poll()
    assert "after the vacuum" in books.texts()
    bridge.execute("delete from messages")
    bridge.vacuum()
    bridge.post(LAWLEY, "from row one again")
    assert await books.poll() == ["from row one again"]


async def test_a_replaced_file_is_read_whole(tmp_path: Path, bridge: BridgeFile, books: Books) -> None:
    fill(bridge, 30)
    await books.poll()
    with BridgeFile(tmp_path / "other") as other:
        fill(other, 40, first=1_000)
    bridge.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{bridge.messages_path}{suffix}").unlink(missing_ok=True)
    other.messages_path.replace(bridge.messages_path)
    assert len(await books.poll()) == 40
    assert books.position.seen == 40


async def test_a_backup_written_over_the_file_in_place_is_noticed(tmp_path: Path) -> None:
    with BridgeFile(tmp_path / "store") as bridge:
        fill(bridge, 30)
        books = Books(source_of(bridge))
        await books.poll()
        shutil.copyfile(bridge.messages_path, tmp_path / "backup.db")
        fill(bridge, 20, first=100)
        await books.poll()
    shutil.copyfile(tmp_path / "backup.db", bridge.messages_path)
    with BridgeFile(tmp_path / "store") as bridge:
        fill(bridge, 25, first=200)
        await books.poll()
    assert {f"old {n}" for n in range(200, 225)} <= books.texts()


async def test_a_host_that_changes_its_time_zone_changes_no_instant(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "in Johannesburg", id="A", at=at(8, 0, offset_hours=2))
    bridge.post(LAWLEY, "the same moment in UTC", id="B", at=at(6, 0, offset_hours=0))
    bridge.post(LAWLEY, "earlier, though its clock says later", id="C", at=at(9, 0, offset_hours=5))
    assert len(await books.poll()) == 3
    times = {key[1]: one.said_at for key, one in books.stored.items()}
    assert times["A"] == times["B"] > times["C"]


async def test_an_edit_in_place_is_handed_over_with_another_hash(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "DR175210", id="A")
    fill(bridge, 100)
    await books.poll()
    before = books.stored[LAWLEY, "A"]
    bridge.edit(LAWLEY, "A", "DR1752104")
    assert await books.poll() == ["DR1752104"]
    assert books.stored[LAWLEY, "A"].content_hash != before.content_hash


async def test_an_edit_far_back_is_found_by_the_nightly_reading(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "far back", id="A")
    fill(bridge, 12_000)
    await books.poll()
    bridge.edit(LAWLEY, "A", "corrected")
    await books.poll()
    assert "corrected" not in books.texts()
    assert len(await books.poll(full=True)) == 12_001
    assert "corrected" in books.texts()


async def test_a_group_added_later_brings_its_past_and_one_that_was_away_what_it_missed(bridge: BridgeFile) -> None:
    groups = {LAWLEY}
    source = BridgeSource("main", bridge.messages_path, None, lambda: frozenset(groups))
    books = Books(source)
    fill(bridge, 6_000)
    bridge.post(MOHADIN, "before it was configured", id="M")
    fill(bridge, 6_000, first=10_000)
    await books.poll()
    groups.add(MOHADIN)
    await books.poll()
    assert "before it was configured" in books.texts()
    groups.remove(MOHADIN)
    await books.poll()
    bridge.post(MOHADIN, "while it was away")
    fill(bridge, 6_000, first=20_000)
    books = Books(BridgeSource("main", bridge.messages_path, None, lambda: frozenset(groups)), books.position)
    await books.poll()
    groups.add(MOHADIN)
    await books.poll()
    assert "while it was away" in books.texts()


async def test_what_the_caller_could_not_store_is_handed_over_again(bridge: BridgeFile, books: Books) -> None:
    fill(bridge, 12_000)
    readings = books.source.read(books.position)
    first = await anext(readings)
    second = await anext(readings)  # asking for it confirms the first
    await readings.aclose()
    books.position = first.position
    again = await books.poll()
    assert {one.text for one in second.incomings} <= set(again)
    assert set(again) | {one.text for one in first.incomings} == {f"old {n}" for n in range(12_000)}


async def test_a_caller_whose_database_went_back_is_given_everything_since(bridge: BridgeFile, books: Books) -> None:
    fill(bridge, 100)
    await books.poll()
    books.position = Position()
    assert len(await books.poll()) == 100


async def test_a_whole_reading_that_was_interrupted_goes_on_near_where_it_was(
    bridge: BridgeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallybook.channels.bridge.ranges._STEP", 12_000)
    fill(bridge, 30_000)
    readings = source_of(bridge).read(Position())
    stored = set()
    for _ in range(5):
        reading = await anext(readings)
        stored |= {one.text for one in reading.incomings}
    await readings.aclose()
    later = Books(source_of(bridge), reading.position)
    again = await later.poll()
    assert stored | set(again) == {f"old {n}" for n in range(30_000)}
    assert len(again) < 25_000


async def test_a_file_replaced_in_the_middle_of_a_reading_is_read_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallybook.channels.bridge.ranges._STEP", 6_000)
    with BridgeFile(tmp_path / "a") as first, BridgeFile(tmp_path / "b") as second:
        fill(first, 30_000)
        fill(second, 7_000, first=50_000)
    readings = source_of(first).read(Position())
    await anext(readings)
    second.messages_path.replace(first.messages_path)
    rest = [reading async for reading in readings]
    assert {f"old {n}" for n in range(50_000, 57_000)} <= {one.text for reading in rest for one in reading.incomings}
    assert rest[-1].position.seen == 7_000


async def test_a_row_that_holds_again_what_it_once_held_is_news(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "first", id="A", rowid=1)
    await books.poll()
    bridge.post(LAWLEY, "second", id="A", rowid=2)
    assert await books.poll() == ["second"]
    bridge.post(LAWLEY, "first", id="A", rowid=1)
    assert await books.poll() == ["first"]
