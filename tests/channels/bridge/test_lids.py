"""The promise: a sender known by a LID is found out as soon as the bridge's map learns it, and not before."""

from __future__ import annotations

from tests.channels.bridge.books import Books
from tests.channels.bridge.bridge_file import LAWLEY, BridgeFile

LID = "98765432109876"


async def test_a_lid_with_or_without_its_server_is_resolved_through_the_map(bridge: BridgeFile, books: Books) -> None:
    bridge.learn_lid(LID, "27820000007")
    for message_id, sender in (("A", LID), ("B", f"{LID}@lid"), ("C", f"{LID}:4@lid"), ("D", "27820000007")):
        bridge.post(LAWLEY, "x", id=message_id, sender=sender)
    await books.poll()
    assert {one.sender.phone for one in books.stored.values()} == {"+27820000007"}


async def test_a_lid_that_the_map_learns_later_is_told_once(bridge: BridgeFile, books: Books) -> None:
    bridge.post(LAWLEY, "before", id="A", sender=LID)
    await books.poll()
    assert books.stored[LAWLEY, "A"].sender.phone is None
    assert await books.source.new_lids({}) == {}
    since = books.source.lids
    bridge.learn_lid(LID, "27820000007")
    news = await books.source.new_lids(since)
    assert news == {books.stored[LAWLEY, "A"].sender.lid: "+27820000007"}
    assert await books.source.new_lids(books.source.lids) == {}
    bridge.post(LAWLEY, "after", id="B", sender=LID)
    await books.poll()
    assert books.stored[LAWLEY, "B"].sender.phone == "+27820000007"


async def test_a_lid_that_moves_to_another_phone_is_news(bridge: BridgeFile, books: Books) -> None:
    bridge.learn_lid(LID, "27820000007")
    await books.source.new_lids({})
    since = books.source.lids
    bridge.learn_lid(LID, "27820000008")
    assert await books.source.new_lids(since) == {f"{LID}@lid": "+27820000008"}
    assert since == {LID: "27820000007"}


async def test_a_map_that_goes_away_keeps_what_it_knew(bridge: BridgeFile, books: Books) -> None:
    bridge.learn_lid(LID, "27820000007")
    await books.source.new_lids({})
    bridge.whatsapp_path.rename(bridge.whatsapp_path.with_name("away.db"))
    assert await books.source.new_lids({}) == {f"{LID}@lid": "+27820000007"}
