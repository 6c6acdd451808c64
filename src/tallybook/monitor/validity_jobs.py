"""Background work on validity: what was held is decided after each import, every minute, and when a worker starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from tallybook.core import businesses, log
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.jobs import Held
from tallybook.core.schedules import Schedule

from .reply_types import Manner
from .service import desks, held
from .service.filing import Desk, log_lines
from .service.importing import DECIDE
from .store import validity as list_store

EVERY_SECONDS = 60
logger = structlog.get_logger()
MannerOf = Callable[[], Awaitable[Manner]]


def schedules() -> list[Schedule]:
    """The beat that decides what an import's own job could not see, as it was held while the import ended."""
    return [Schedule("monitor.decide-held every minute", DECIDE, every_seconds=EVERY_SECONDS)]


async def decide(manner_of: MannerOf, job: Held) -> None:
    """Decides every business's held posts, or those of the business that the job is for. May be repeated.

    With ``marketing`` in its args it also brings marketing's notes up to date: an activation that was being filed while
    an import ended had read the list as it was before.
    """
    manner = await manner_of()
    tag = log.tag(job.db.environment)
    for business in await job.db.run("list businesses", businesses.every):
        if job.job.business_id not in {None, business.id}:
            continue
        if job.job.args.get("marketing"):
            await job.db.run("note marketing", partial(list_store.note_marketing, business_id=business.id))
        desk = await job.db.run("read desk", partial(_desk, business=business, manner=manner))
        filed = await held.decide_all(job.db, business, desk)
        log.lines(line for part in filed for line in log_lines(part, tag))
    await job.db.run("finish deciding", job.finish)


async def _desk(conn: Conn, business: Business, manner: Manner) -> Desk:
    desk = await desks.desk_of(conn, business)
    return Desk(desk.projects, desk.zone, manner)
