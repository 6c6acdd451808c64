"""Behind a pooler in transaction mode everything works as before, though no connection is anybody's own."""

from __future__ import annotations

import asyncio
from functools import partial

from tallybook.core import ingest, login_limits
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.login_limits import Limits
from tallybook.core.messages import Incoming
from tallybook.monitor.store import projects
from tests import world
from tests.monitor.desk import LAWLEY, MARKETING, PROJECTS, desk, said
from tests.pooler import needs_pgbouncer, pooled
from tests.postgres import APP, OWNER, Server

pytestmark = needs_pgbouncer
COUNT = "select count(*) from qa_photo_reviews"
ADD = "insert into businesses (name) values (%(name)s)"
NAMES = "select array_agg(name order by name) from businesses"


async def test_posts_are_filed_once_by_many_who_share_few_connections(postgres: Server, fresh_name: str) -> None:
    async with (
        pooled(postgres, APP, size=3) as address,
        open_database(address.format(database=fresh_name), "prod") as db,
    ):
        business = await db.run("add", world.velo_fibre)
        await db.run("mirror", lambda conn: projects.mirror(conn, business.id, PROJECTS))
        batch = [said(group, f"DR{1_700_000 + n}") for n in range(100) for group in (LAWLEY, MARKETING)]
        made = await asyncio.gather(*(_file(db, business, batch[::step]) for step in (1, -1) * 4))
        assert sum(made) == 100
        async with db.transaction() as conn:
            assert await (await conn.execute(COUNT)).fetchone() == (100,)


async def _file(db: Database, business: Business, batch: list[Incoming]) -> int:
    absorbed = await db.run("file", lambda conn: ingest.absorb(conn, business, batch, desk()))
    return sum(len(filed.created) for filed in absorbed.facts)


async def test_two_environments_on_one_connection_do_not_see_each_other(postgres: Server, fresh_name: str) -> None:
    """The schema is set inside each transaction and ends with it."""
    async with pooled(postgres, OWNER, size=1) as address:
        url = address.format(database=fresh_name)
        async with open_database(url, "prod") as prod, open_database(url, "dev") as dev:

            async def add(conn: Conn, name: str) -> None:
                await conn.execute(ADD, {"name": name})

            both = [(db, f"{db.environment} {n}") for n in range(20) for db in (prod, dev)]
            await asyncio.gather(*(db.run("add", partial(add, name=name)) for db, name in both))
            for db in (prod, dev):
                async with db.transaction() as conn:
                    row = await (await conn.execute(NAMES)).fetchone()
                    assert row == (sorted(f"{db.environment} {n}" for n in range(20)),)


async def test_a_lock_ends_with_its_transaction(postgres: Server, fresh_name: str) -> None:
    """Tries to log in take turns by advisory locks: one that outlived its transaction would stop all who follow."""
    async with (
        pooled(postgres, APP, size=2) as address,
        open_database(address.format(database=fresh_name), "prod") as db,
    ):
        begun = await asyncio.gather(
            *(login_limits.begin(db, Limits(b"k" * 32), f"ana{n}", "203.0.113.7") for n in range(12))
        )
        assert len({one.id for one in begun}) == 12
