from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.receive import Bounds, Receiver, receiving
from tallybook.demo.slack.server import FakeSlack
from tallybook.slack_link.door import SlackDoor
from tests.slack_desk.office import Office, knocking, open_office

PATIENCE = 0.2


@pytest.fixture
async def receiver(db: Database, tmp_path: Path) -> AsyncIterator[Receiver]:
    """What keeps bodies, impatiently."""
    async with receiving(db, tmp_path / "spool", 10_000_000, Bounds(patience=PATIENCE, look_again=0.05)) as receiver:
        yield receiver


@pytest.fixture
async def office(db: Database, business: Business, receiver: Receiver) -> AsyncIterator[Office]:
    async with FakeSlack() as slack:
        slack.teller.pauses = (0.0, 0.0, 0.0)
        office = await open_office(db, business, slack)
        slack.teller.door = knocking(SlackDoor(db, office.sender, receiver, within=1.5))
        yield office
        await office.sender.aclose()
