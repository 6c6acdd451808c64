"""The tests' own ground: each test finds an empty database, whatever the one before it left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, open_database
from tests import world
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
COUNT = "select count(*), min(id) from businesses"


async def counted(conn: Conn) -> tuple[int, int | None]:
    row = await (await conn.execute(COUNT)).fetchone()
    assert row is not None
    return row[0], row[1]


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
        assert await database.run("count", counted) == (1, kept.id)
        server.stop()


DIES = """
import sys
from pathlib import Path
from tests.postgres import Server
server = Server(Path(sys.argv[1])).copy()
server.start()
print(server.folder, flush=True)
server._process.kill()
server._process.wait()
"""


def test_a_server_that_ends_before_the_tests_do_leaves_no_folder(postgres: Server) -> None:
    command = [sys.executable, "-c", DIES, str(postgres.folder)]
    # Whoever watches the server has the same output, so that this waits for its end too.
    made = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    assert made.stdout
    assert not Path(made.stdout.strip()).exists()
