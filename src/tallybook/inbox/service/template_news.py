"""What WhatsApp tells of a template on its own: approved, paused, changed. Heard in the transaction that files it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from tallybook.core import jobs
from tallybook.core.db import Conn
from tallybook.core.jobs import NewJob
from tallybook.inbox.store import templates as store
from tallybook.inbox.template_types import News

SYNC = "inbox.templates"


async def hear(conn: Conn, business_id: int, news: Sequence[News], now: datetime) -> None:
    """Has templates be as WhatsApp tells; what it does not tell (their words) is read soon."""
    for one in news:
        at = min(one.at, now)  # a moment that is yet to come would hold off all that is told until then
        await store.hear(conn, business_id, msgspec.structs.replace(one, at=at))
    if news:
        await ask(conn, business_id, now)


async def ask(conn: Conn, business_id: int, now: datetime) -> None:
    """Has the templates of a business be read again, once in a minute."""
    key = f"{business_id}:{now.astimezone(UTC):%Y-%m-%dT%H:%M}"
    await jobs.enqueue(conn, [NewJob(SYNC, key, {}, business_id)])
