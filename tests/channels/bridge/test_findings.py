"""The promise: the health page knows what the file holds, how fresh it is and what it cannot tell."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tallybook.channels.bridge.findings import Findings
from tests.channels.bridge.books import fill, source_of
from tests.channels.bridge.bridge_file import LAWLEY, MOHADIN, MORNING, PRIVATE_CHAT, BridgeFile, at


@pytest.fixture
def bridge(tmp_path: Path) -> BridgeFile:
    return BridgeFile(tmp_path)


async def report(bridge: BridgeFile) -> Findings:
    return await source_of(bridge).report()


async def test_groups_are_counted_with_their_newest_message(bridge: BridgeFile) -> None:
    bridge.post(LAWLEY, "one", at=at(8))
    bridge.post(LAWLEY, "late history", at=at(7))
    bridge.post(PRIVATE_CHAT, "somebody else's", at=at(9))
    found = await report(bridge)
    lawley, mohadin = found.groups
    assert (lawley.chat, lawley.rows, lawley.newest_at) == (LAWLEY, 2, at(8))
    assert (mohadin.chat, mohadin.rows, mohadin.newest_at) == (MOHADIN, 0, None)
    assert found.newest_at == at(9)
    assert "somebody else's" not in repr(found)
    assert PRIVATE_CHAT not in repr(found)


async def test_freshness_is_read_at_every_call_though_the_count_is_not(bridge: BridgeFile) -> None:
    source = source_of(bridge)
    bridge.post(LAWLEY, "one", at=at(8))
    await source.report()
    bridge.post(LAWLEY, "two", at=at(9))
    found = await source.report()
    assert found.newest_at == found.groups[0].newest_at == at(9)


@pytest.mark.parametrize(("mode", "said"), [("delete", "rollback"), ("wal", "wal")])
async def test_the_journal_mode_is_named(tmp_path: Path, mode: str, said: str) -> None:
    with BridgeFile(tmp_path / mode, journal_mode=mode) as bridge:
        assert (await report(bridge)).journal_mode == said


async def test_a_bridge_that_drops_captions_is_told_from_one_whose_photos_have_text(bridge: BridgeFile) -> None:
    assert not (await report(bridge)).drops_captions
    bridge.post(LAWLEY, "", media_type="image")
    bridge.post(LAWLEY, "", media_type="image")
    found = await report(bridge)
    assert found.drops_captions
    assert found.media_rows == 2
    assert any("drops captions" in problem for problem in found.problems)
    bridge.post(LAWLEY, "DR1752104", media_type="image")
    assert not (await report(bridge)).drops_captions


async def test_a_file_with_captions_of_its_own_does_not_drop_them(bridge: BridgeFile) -> None:
    bridge.execute("alter table messages add column caption text")
    bridge.post(LAWLEY, "", media_type="image")
    assert not (await report(bridge)).drops_captions


async def test_the_spellings_of_senders_are_counted(bridge: BridgeFile) -> None:
    for sender in (
        "27820000001",
        "27820000001",
        "27820000001@s.whatsapp.net",
        "98765432109876",
        "1234567@lid",
        "",
        None,
    ):
        bridge.post(LAWLEY, "x", sender=sender)
    assert (await report(bridge)).senders == {"phone": 2, "phone jid": 1, "lid": 1, "lid jid": 1, "other": 2}


async def test_a_chat_that_was_active_without_a_row_is_reported(bridge: BridgeFile) -> None:
    bridge.post(LAWLEY, "one", at=at(8))
    assert not (await report(bridge)).groups[0].unrecorded
    later = (at(8) + timedelta(hours=3)).isoformat(sep=" ")
    bridge.execute("update chats set last_message_time = ? where jid = ?", (later, LAWLEY))
    found = await report(bridge)
    assert found.groups[0].unrecorded
    assert any("was active" in problem for problem in found.problems)


async def test_an_empty_file_is_a_report_too(bridge: BridgeFile) -> None:
    found = await report(bridge)
    assert (found.newest_at, found.senders, found.problems) == (None, {}, [])


async def test_a_file_of_several_ranges_is_counted_whole(bridge: BridgeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallybook.channels.bridge.ranges._STEP", 700)
    fill(bridge, 2_500)
    assert (await report(bridge)).groups[0].rows == 2_500
    assert (await report(bridge)).groups[0].newest_at == MORNING - timedelta(days=30) + timedelta(seconds=2_499)
