"""The promise: no row is lost or stops the others because something in it is odd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.channels.bridge.clock import instant
from tallybook.channels.bridge.reader import BridgeSource
from tallybook.channels.bridge.rows import content_hash, plain
from tests.channels.bridge.books import Books, source_of
from tests.channels.bridge.bridge_file import LAWLEY, MORNING, BridgeFile, at

SIX_UTC = datetime(2025, 12, 2, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "spelled",
    [
        "2025-12-02 08:00:00+02:00",
        "2025-12-02T08:00:00+02:00",
        "2025-12-02 06:00:00Z",
        "2025-12-02T06:00:00.000Z",
        "2025-12-02 08:00:00.000000000+02:00",
        "2025-12-02 06:00:00",
        "2025-12-02 08:00:00 +0200 SAST",
        "2025-12-02 06:00:00 +0000 UTC",
        "2025-12-02 08:00:00 +0200 +0200 m=+12.5",
        "2025-12-02 01:00:00 -0500 EST",
        " 2025-12-02 08:00:00 +0200 SAST ",
        1764655200,
        1764655200000,
        1764655200.0,
        "1764655200",
    ],
)
def test_every_spelling_of_a_time_is_the_same_instant(spelled: object) -> None:
    assert instant(spelled) == SIX_UTC


def test_fractions_of_a_second_are_kept_to_the_microsecond() -> None:
    assert instant("2025-12-02 08:00:00.123456789+02:00") == SIX_UTC + timedelta(microseconds=123_456)
    assert instant("2025-12-02 08:00:00.5 +0200 SAST") == SIX_UTC + timedelta(microseconds=500_000)


@pytest.mark.parametrize(
    "spelled", [None, "", "yesterday", "0001-01-01 00:00:00+00:00", 0, -1, b"2025", "2025-13-02 08:00:00", 1e300, "nan"]
)
def test_what_is_no_time_is_none(spelled: object) -> None:
    assert instant(spelled) is None


@given(
    moment=st.datetimes(min_value=datetime(2010, 1, 1), max_value=datetime(2100, 1, 1)),
    minutes=st.integers(-14 * 60, 14 * 60),
    separator=st.sampled_from(" T"),
)
def test_a_time_is_read_as_it_was_written_whatever_the_offset(moment: datetime, minutes: int, separator: str) -> None:
    said = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert instant(said.isoformat(sep=separator)) == said


@given(value=st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.binary()))
def test_any_value_at_all_gets_a_time_or_none_and_a_text_without_nul(value: object) -> None:
    said = instant(value)
    assert said is None or said.tzinfo is not None
    assert "\0" not in plain(value)


@given(first=st.tuples(st.text(), st.text(), st.booleans()), second=st.tuples(st.text(), st.text(), st.booleans()))
def test_the_hash_tells_two_contents_apart(first: tuple[str, str, bool], second: tuple[str, str, bool]) -> None:
    clean = [(text, kind.replace("\0", ""), deleted) for text, kind, deleted in (first, second)]
    assert (content_hash(*clean[0]) == content_hash(*clean[1])) == (clean[0] == clean[1])
    assert len(content_hash(*clean[0])) == 16


@pytest.fixture
def bridge(tmp_path: Path) -> BridgeFile:
    return BridgeFile(tmp_path)


async def test_rows_of_nothing_but_nulls_are_skipped_and_their_neighbours_read(bridge: BridgeFile) -> None:
    bridge.execute("insert into messages (id, chat_jid) values (null, ?)", (LAWLEY,))
    bridge.execute("insert into messages (id, chat_jid, content) values ('', ?, 'no id')", (LAWLEY,))
    bridge.execute("insert into messages (id) values ('no chat')")
    bridge.execute("insert into messages (id, chat_jid) values ('bare', ?)", (LAWLEY,))
    bridge.post(LAWLEY, None, id="no text", sender=None, media_type=None)
    bridge.post(LAWLEY, "DR1752104", id="whole")
    books = Books(source_of(bridge))
    await books.poll()
    assert {external_id for _, external_id in books.stored} == {"bare", "no text", "whole"}
    assert (await books.source.report()).unkeyable_rows == 2


async def test_a_time_that_cannot_be_read_is_taken_from_the_neighbours_and_counted(bridge: BridgeFile) -> None:
    bridge.post(LAWLEY, "first of all", at="garbled")
    bridge.post(LAWLEY, "at eight", at=at(8))
    bridge.post(LAWLEY, "after eight", at=None)
    bridge.post(LAWLEY, "at nine", at=at(9))
    books = Books(source_of(bridge))
    await books.poll()
    times = {one.text: one.said_at for one in books.stored.values()}
    assert times == {"first of all": at(8), "at eight": at(8), "after eight": at(8), "at nine": at(9)}
    assert (await books.source.report()).unreadable_times == 2


async def test_where_no_time_can_be_read_at_all_the_file_s_own_is_taken(bridge: BridgeFile) -> None:
    bridge.post(LAWLEY, "DR1752104", at="garbled")
    books = Books(source_of(bridge))
    await books.poll()
    (message,) = books.stored.values()
    assert message.said_at.timestamp() == pytest.approx(bridge.messages_path.stat().st_mtime, abs=1)


async def test_text_that_is_not_utf8_or_holds_nul_is_mended_and_stops_nobody(bridge: BridgeFile) -> None:
    bridge.execute("insert into messages (id, chat_jid, content) values ('A', ?, cast(x'4452ff31' as text))", (LAWLEY,))
    bridge.post(LAWLEY, "be\0fore", id="B")
    bridge.post(LAWLEY, "שלום 👋", id="C")
    books = Books(source_of(bridge))
    await books.poll()
    texts = {key[1]: one.text for key, one in books.stored.items()}
    assert texts == {"A": "DR\ufffd1", "B": "be\ufffdfore", "C": "שלום 👋"}


async def test_values_of_another_type_than_the_column_s_are_read_as_text(bridge: BridgeFile) -> None:
    bridge.execute(
        "insert into messages (id, chat_jid, content, sender) values (x'41', ?, 1752104, 27820000001)", (LAWLEY,)
    )
    books = Books(source_of(bridge))
    await books.poll()
    (message,) = books.stored.values()
    assert (message.external_id, message.text, message.sender.phone) == ("A", "1752104", "+27820000001")


async def test_a_photo_comes_with_what_the_file_says_of_it(bridge: BridgeFile) -> None:
    bridge.post(LAWLEY, "", media_type="image", at=MORNING)
    books = Books(source_of(bridge))
    await books.poll()
    media = next(iter(books.stored.values())).media
    assert media is not None
    assert (media.type, media.sha256, media.size) == ("image", b"\x01" * 32, 4096)


async def test_columns_in_another_order_and_some_more_are_no_matter(tmp_path: Path) -> None:
    with BridgeFile(tmp_path) as bridge:
        bridge.execute("drop table messages")
        bridge.execute("create table messages (extra, is_from_me, Timestamp, content, SENDER, chat_jid, id, caption)")
        values = ("x", 0, "2025-12-02 08:00:00+02:00", "", "27820000001", LAWLEY, "A", "DR1752104 below the photo")
        bridge.execute("insert into messages values (?, ?, ?, ?, ?, ?, ?, ?)", values)
        books = Books(BridgeSource("main", bridge.messages_path, None, lambda: frozenset({LAWLEY})))
        assert await books.poll() == ["DR1752104 below the photo"]
