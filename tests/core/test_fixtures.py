"""The tests' own ground: each test finds an empty database, whatever the one before it left behind."""

from __future__ import annotations

import psycopg
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, open_database
from tests import world
from tests.postgres import Server

COUNT = "select count(*), min(id) from businesses"


@pytest.mark.parametrize("again", [1, 2])
async def test_what_is_committed_is_gone_by_the_next_test(db: Database, business: Business, again: int) -> None:
    async with db.transaction() as conn:
        assert await (await conn.execute(COUNT)).fetchone() == (1, 1)


@pytest.mark.parametrize("again", [1, 2])
async def test_a_rolled_back_test_leaves_nothing(conn: Conn, business: Business, again: int) -> None:
    await world.kinneret_tours(conn)
    row = await (await conn.execute(COUNT)).fetchone()
    assert row is not None
    assert row[0] == 2


async def test_a_fresh_database_has_only_its_own_rows(db: Database, fresh_db: Database, business: Business) -> None:
    async with fresh_db.transaction() as conn:
        assert await (await conn.execute(COUNT)).fetchone() == (1, business.id)
    async with db.transaction() as conn:
        assert await (await conn.execute(COUNT)).fetchone() == (0, None)


async def test_the_application_roles_see_only_their_own_schema(database_url: str, dev_url: str) -> None:
    for url, other in ((database_url, "dev"), (dev_url, "public")):
        async with await psycopg.AsyncConnection.connect(url) as conn:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await conn.execute(f"select * from {other}.messages".encode())


async def test_a_killed_server_comes_back_with_what_was_committed(server: Server) -> None:
    async with open_database(server.url(), "prod") as database:
        kept = await database.run("add", world.velo_fibre)
        server.kill()
        assert not server.running
        server.start()
        async with database.transaction() as conn:
            assert await (await conn.execute(COUNT)).fetchone() == (1, kept.id)
        server.stop()
