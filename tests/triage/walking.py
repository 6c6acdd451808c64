"""A worker of its own that walks through hand-overs, one a day, from where the state is; to be killed on its way."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timedelta

from tallybook.core.db import open_database
from tallybook.triage.jobs import Announcer
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import states

DAY = timedelta(days=1)


async def walk(url: str, business_id: int, team_id: int, until: datetime) -> None:
    """Looks at every hand-over up to ``until``; says when it begins."""
    async with open_database(url, "prod") as db:
        announcer = Announcer(db, Schedules())
        state = await db.run("read", lambda conn: states.read(conn, business_id, team_id))
        now = state.at or until
        sys.stdout.write("walking\n")
        sys.stdout.flush()
        while now < until:
            now += DAY
            await announcer.look(now)


if __name__ == "__main__":
    asyncio.run(walk(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), datetime.fromisoformat(sys.argv[4])))
