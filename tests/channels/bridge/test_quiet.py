"""An idle poll asks the file alone whether anything happened, and nothing is missed by that."""

from __future__ import annotations

import pytest

from tallybook.channels.bridge import reader
from tests.channels.bridge.books import Books, source_of
from tests.channels.bridge.bridge_file import LAWLEY, MOHADIN, BridgeFile


async def test_a_source_is_quiet_once_it_was_read_and_until_something_is_committed(
    bridge: BridgeFile, books: Books
) -> None:
    assert not await books.source.quiet()
    bridge.post(LAWLEY, "DR1752104")
    await books.poll()
    assert await books.source.quiet()
    assert await books.source.quiet()
    message = bridge.post(LAWLEY, "DR1752105")
    assert not await books.source.quiet()
    assert await books.poll() == ["DR1752105"]
    bridge.edit(LAWLEY, message, "DR1752106")
    assert not await books.source.quiet()
    assert await books.poll() == ["DR1752106"]
    assert await books.source.quiet()


async def test_a_batch_that_was_not_stored_leaves_no_quiet(bridge: BridgeFile, books: Books) -> None:
    await books.poll()
    bridge.post(LAWLEY, "DR1752104")
    readings = books.source.read(books.position)
    await anext(readings)
    await readings.aclose()  # as when storing it failed
    assert not await books.source.quiet()
    assert await books.poll() == ["DR1752104"]


async def test_another_group_ends_the_quiet(bridge: BridgeFile) -> None:
    wanted = {LAWLEY}
    source = source_of(bridge)
    source._groups = lambda: frozenset(wanted)
    books = Books(source)
    bridge.post(MOHADIN, "DR1752104")
    await books.poll()
    assert await source.quiet()
    wanted.add(MOHADIN)
    assert not await source.quiet()
    assert await books.poll() == ["DR1752104"]
    await source.aclose()


async def test_the_callers_position_is_asked_for_again_after_a_while(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have gone back: its database may have been restored from a backup."""
    await books.poll()
    monkeypatch.setattr(reader, "QUIET_SECONDS", 0.0)
    assert not await books.source.quiet()
