"""What several tests of answering in groups begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests.channels.bridge.bridge_file import BridgeFile
from tests.channels.bridge.fake_bridge import FakeBridge
from tests.monitor.works import FILE, LAWLEY, MOHADIN, VELO, Works, opened


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BridgeFile]:
    (tmp_path / "tallybook.toml").write_text(FILE, encoding="utf-8")
    with BridgeFile(tmp_path / "store") as file:
        yield file


@pytest.fixture
def fake(file: BridgeFile) -> Iterator[FakeBridge]:
    with FakeBridge(file.messages_path, groups=[LAWLEY, MOHADIN, VELO]) as fake:
        yield fake


@pytest.fixture
async def works(db: Database, business: Business, file: BridgeFile, fake: FakeBridge) -> AsyncIterator[Works]:
    works = await opened(db, business, file, fake)
    yield works
    await works.sender.aclose()
