"""A shop with a number of its own, and those who work in it."""

from __future__ import annotations

import pytest

from tallybook.core import channel_accounts, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tests import world
from tests.channels.whatsapp.bodies import NUMBER
from tests.channels.whatsapp.test_received import SEAL
from tests.world import Someone


@pytest.fixture
async def shop(db: Database, business: Business) -> Business:
    """A business with a number of its own."""
    new = NewAccount("whatsapp", NUMBER, token="a-token-of-the-tests")
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, people.command_line(business.id), new))
    return business


@pytest.fixture
async def bia(db: Database, shop: Business) -> Someone:
    """A lead, who may write rules."""
    return await db.run("add", lambda conn: world.bia(conn, shop))


@pytest.fixture
async def duma(db: Database, shop: Business) -> Someone:
    """Somebody who answers customers."""
    values = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, shop, **values))
