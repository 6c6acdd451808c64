"""Runs of conversation within a thread: each begins when a customer writes, and ends once.

One begins in the statement that files (store/filing.TRACK) and ends here, under the lock that filing takes: a message
comes either before the end and is of this run, or after it and is of the next, whoever and however many end it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import structlog

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox.session_types import Ended, Session
from tallybook.inbox.store import sessions as store
from tallybook.inbox.store.sessions import Current, End

from .filing import TOPIC
from .session_ends import end, ended

AT_ONCE = 200  # threads of a transaction
SHOWN = 20  # runs of conversation of a thread

log = structlog.get_logger()


async def end_silent(db: Database, business: Business, idle: timedelta, now: datetime) -> int:
    """Ends every conversation whose customer has been silent for so long; how many.

    May be repeated, and run by several at once: each takes what nobody else holds.
    """
    total = 0
    while True:
        found, count = await db.run("end silent conversations", partial(_some_silent, business, now - idle, now))
        total += count
        if found < AT_ONCE:
            break
    if total:
        ended.labels(Ended.SILENCE).inc(total)
        log.info("Conversations ended", business=business.id, ended=total)
    return total


async def _some_silent(business: Business, before: datetime, now: datetime, conn: Conn) -> tuple[int, int]:
    held = await store.hold_silent(conn, business.id, before, AT_ONCE)
    count = await end(conn, business, held, End(now, Ended.SILENCE))
    if held:
        await wake_up(conn, TOPIC, business.id)
    return len(held), count


async def of_thread(conn: Conn, business_id: int, conversation_id: int) -> tuple[Current, list[Session]]:
    """How the conversation of a thread stands, and the latest of those that are over. Raises NotFound."""
    current = await store.current(conn, business_id, conversation_id)
    if current is None:
        raise NotFound("There is no such conversation.")
    return current, await store.over(conn, business_id, conversation_id, SHOWN)
