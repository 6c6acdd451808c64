from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.channels.bridge.books import Books, source_of
from tests.channels.bridge.bridge_file import BridgeFile


@pytest.fixture(params=["delete", "wal"])
def bridge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BridgeFile]:
    with BridgeFile(tmp_path / "store", journal_mode=request.param) as bridge:
        yield bridge


@pytest.fixture
async def books(bridge: BridgeFile) -> AsyncIterator[Books]:
    books = Books(source_of(bridge))
    yield books
    await books.source.aclose()
