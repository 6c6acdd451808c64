"""Whoever is killed with everything done but the commit has done nothing, and the next one does it, once."""

from __future__ import annotations

import asyncio
import sys

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests.channels.whatsapp.bodies import said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows, until
from tests.inbox.automated import OUTBOX, fire, rule, written
from tests.world import Someone

# A worker that has done all of it, says so, and never comes to the commit.
WORKER = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from tallybook.core import businesses, db
from tallybook.inbox.service import automation_firing

async def hang(*_):
    print("done", flush=True)
    await asyncio.Event().wait()

def after(module, name):
    real = getattr(module, name)
    async def then_hang(*given, **named):
        await real(*given, **named)
        await hang()
    setattr(module, name, then_hang)

async def main():
    after(automation_firing, "do")
    async with db.open_database(sys.argv[1], "prod") as database:
        (business,) = await database.run("list", businesses.every)
        now = datetime.now(UTC) + timedelta(minutes=float(sys.argv[2]))
        await automation_firing.fire_due(database, business, now)

asyncio.run(main())
"""


async def kill_one(database_url: str, db: Database, minutes: float) -> None:
    """A worker in a process of its own, killed where it has done everything but the commit."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, database_url, str(minutes), stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    while (line := await asyncio.wait_for(worker.stdout.readline(), 60)) != b"done\n":
        assert line, "the worker ended before it had done anything"
    worker.kill()
    await worker.wait()

    async def gone() -> bool:
        return await rows(db, "select pid from pg_stat_activity where state = 'idle in transaction'") == []

    await until(gone)


async def test_who_is_killed_before_the_commit_has_done_nothing_and_another_does_it_once(
    db: Database, shop: Business, bia: Someone, database_url: str
) -> None:
    await rule(db, bia, {"on": "any"}, actions={"text": "Hello", "assign_to": bia.account_id})
    await come(db, said(written("Hi")))
    await kill_one(database_url, db, 2)
    assert await rows(db, OUTBOX) == []
    assert await rows(db, "select count(*)::int from automation_runs") == [(0,)]
    assert await rows(db, "select assigned_to from whatsapp_conversation") == [(None,)]
    await asyncio.gather(*(fire(db, shop, after=120) for _ in range(8)))
    assert len(await rows(db, OUTBOX)) == 1
