"""Everything that health looks at, the modules' own checks included: each looked at by itself.

What cannot be looked at is said to be so. It must not be missing: whoever tells alarms would take it for well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import psycopg
import structlog
from msgspec.structs import replace

from . import rota_snapshot
from .app import App
from .core import arrivals, businesses, doctor_runs, health, spool
from .core.businesses import Business
from .core.db import Conn, is_transient
from .core.health import DATABASE_WAIT, UNSEEN, Check, HealthReport
from .core.spool import SpoolStatus
from .inbox.service import answering, copies, hooks, news, responders, scheduled
from .monitor.service import counts, registers, reply_board, rhythm, sharepoint_nights, validity_board
from .triage.service import consistency

Look: TypeAlias = Callable[[Conn, Business, datetime], Awaitable[list[Check]]]
# By the kinds of checks that each makes. An account's check is of its channel's kind.
LOOKS: Mapping[tuple[str, ...], Look] = {
    ("group",): rhythm.checks,
    ("registers",): registers.checks,
    ("day", "shares"): counts.checks,
    ("replies", "replies-failing", "replies-unseen"): reply_board.checks,
    ("sharepoint", "sharepoint-conflicts"): sharepoint_nights.checks,
    ("validity",): validity_board.checks,
    ("whatsapp", "gateway"): arrivals.checks,
    ("decisions",): answering.checks,
    ("responder",): responders.checks,
    ("hooks",): hooks.checks,
    ("scheduled",): scheduled.checks,
    ("copies",): copies.checks,
    ("account", "unreadable"): news.checks,
    ("rota", "rota-group", "rota-topic"): consistency.checks,
}
SPOOL = ("spool", "spool-damaged")

# Seconds for an answer to one look; the server gives up before we do, which leaves the connection whole.
LOOK_WAIT = 10.0
SLOW = "set local statement_timeout = '8s'"
ANSWERS = "select 1"

log = structlog.get_logger()


async def health_report(app: App, now: datetime, business: Business | None = None) -> HealthReport:
    """The core's own checks, the spool, and the modules': one business's, or every business's.

    Answers within seconds, also where the database hangs. What comes of a business is for its admins; anybody else is
    shown ``core.health.plain`` of it.
    """
    found = await health.report(app.db, now, await _spool(app), business.id if business else None)
    await rota_snapshot.refresh(app.settings)
    if is_away(found):
        return health.summed_up([*found.checks, *rota_snapshot.checks(app.settings, now, away=True)])
    try:
        # What the doctor found is the whole installation's.
        doctor = await _looked(app, doctor_runs.NAMES, doctor_runs.checks, now)
        checks = [*doctor, *await _modules(app, now, business)]
    except psycopg.OperationalError:
        away = Check("database", "wrong", health.AWAY)
        others = [check for check in found.checks if check.name != away.name]
        return health.summed_up([away, *others, *rota_snapshot.checks(app.settings, now, away=True)])
    return health.summed_up([*found.checks, *rota_snapshot.checks(app.settings, now, away=False), *checks])


def is_away(found: HealthReport) -> bool:
    """Whether the database could not be looked at, so that of most nothing is known."""
    return any(check.name == "database" and check.state != "ok" for check in found.checks)


async def _modules(app: App, now: datetime, business: Business | None) -> list[Check]:
    if business is None:
        async with app.db.transaction(DATABASE_WAIT) as conn:
            known = await businesses.every(conn)
    else:
        known = [business]
    found: list[Check] = []
    for one in known:
        for kinds, look in LOOKS.items():
            found += await _looked(app, kinds, look, one, now)
    return [replace(check, open=True) for check in found]


async def _looked(
    app: App, kinds: tuple[str, ...], look: Callable[..., Awaitable[list[Check]]], *asked: object
) -> list[Check]:
    """Each look has a transaction of its own, which one that fails takes from no other.

    Raises OperationalError where it is the database that is gone.
    """
    try:
        async with app.db.transaction(LOOK_WAIT) as conn:
            await conn.execute(SLOW)
            return await look(conn, *asked)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said
        log.warning("A part of health cannot be looked at", part=kinds[0], error=type(error).__name__)
        if is_transient(error):
            async with app.db.transaction(DATABASE_WAIT) as conn:
                await conn.execute(ANSWERS)
        return [Check(kinds[0], "wrong", UNSEEN, unseen=kinds)]


async def _spool(app: App) -> Sequence[Check]:
    try:
        return spool_checks(await spool.status(app.settings.spool_dir))
    except OSError as error:
        log.warning("A part of health cannot be looked at", part="spool", error=type(error).__name__)
        return [Check("spool", "wrong", UNSEEN, unseen=SPOOL)]


def spool_checks(status: SpoolStatus) -> list[Check]:
    """What waits is one thing, what is damaged another: neither may hide the other. Pure."""
    facts: dict[str, str | int | float] = {"bytes": status.bytes, "quarantined": status.quarantined}
    if status.records == 0 and status.quarantined == 0:
        return [Check("spool", "ok", "Empty.", None, facts)]
    says = f"{status.records} records wait on disk for the database; {status.quarantined} are damaged and kept apart."
    waiting = Check("spool", "late" if status.records else "ok", says, status.oldest_at, facts)
    return [waiting, *([replace(waiting, name="spool-damaged", state="wrong")] if status.quarantined else [])]
