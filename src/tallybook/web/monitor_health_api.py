"""How the monitor goes, for programs, in the shape that the dashboard before this one had."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
import psycopg
from litestar import get
from psycopg_pool import PoolTimeout

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.health import Check, HealthReport, plain
from tallybook.health_report import health_report
from tallybook.monitor.service import reviews
from tallybook.monitor.types import Filters

from .answers import Ok, ok
from .needs import Asked, TheApp

SLOW_MS = 2000.0
RECENT = timedelta(days=1)
Status = Literal["up", "down", "degraded", "stale"]
STATUS: dict[str, Status] = {"ok": "up", "late": "stale", "wrong": "down"}
OVERALL: dict[str, Literal["healthy", "degraded", "down"]] = {"ok": "healthy", "late": "degraded", "wrong": "down"}


class One(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    status: Status
    details: str
    latency_ms: float | None = None
    error: str | None = None


class Health(msgspec.Struct, frozen=True):
    """``vps`` is what runs on the machines, ``database`` the database, ``api`` two questions asked just now."""

    overall_status: Literal["healthy", "degraded", "down"]
    timestamp: datetime
    checks: dict[str, dict[str, One]]


@get("/api/wa-monitor-health", tags=["Monitor"])
async def monitor_health(request: Asked, app: TheApp) -> Ok[Health]:
    """What runs, how fresh it is and how quickly it answers. ``/health`` says more, to people.

    The drop monitor is that of the environment that is asked: ``drop_monitor_prod``, or ``drop_monitor_dev`` in dev.
    """
    require(request.user, Right.SEE)
    now, business = datetime.now(UTC), request.user.business
    found = await health_report(app, now, business)
    told = found if may(request.user, Right.ADMINISTER) else plain(found)
    checks = {"vps": _machines(told, app), "database": _database(told), "api": {}}
    if checks["database"]["connection"].status == "up":
        checks["database"]["recent_data"] = await _recent(app, business, now)
        checks["api"] = await _answers(app, business, now)
    return ok(Health(OVERALL[found.state], now, checks))


def _machines(found: HealthReport, app: App) -> dict[str, One]:
    worker = _named(found, "worker")
    return {
        "whatsapp_bridge": _named(found, "bridge"),
        f"drop_monitor_{app.settings.env}": worker,
        "log_activity": msgspec.structs.replace(worker, details="By the worker's own signs of life, not by a log."),
    }


def _database(found: HealthReport) -> dict[str, One]:
    connection = _named(found, "database")
    # A process refuses to start on a database without the tables of its release.
    return {"connection": connection, "table_exists": One(connection.status, "Checked at each start.")}


def _named(found: HealthReport, name: str) -> One:
    check = next((one for one in found.checks if one.name == name), None)
    if check is None:
        return One("down", "Nothing is known of it.")
    return _one(check)


def _one(check: Check) -> One:
    latency = check.facts.get("latency_ms")
    return One(
        STATUS[check.state],
        check.says,
        float(latency) if isinstance(latency, int | float) else None,
        check.says if check.state == "wrong" else None,
    )


async def _recent(app: App, business: Business, now: datetime) -> One:
    day = now.astimezone(business.zone).date()
    filters = Filters(first_day=day - RECENT, last_day=day)
    drops = await app.db.run("count recent", lambda conn: reviews.count(conn, business, filters))
    return One("up" if drops else "degraded", f"{drops} drops posted since yesterday.")


async def _answers(app: App, business: Business, now: datetime) -> dict[str, One]:
    return {
        "get_drops": await _timed(app, lambda conn: reviews.listed(conn, business, Filters())),
        "get_daily_drops": await _timed(app, lambda conn: reviews.day(conn, business, now)),
    }


async def _timed(app: App, work: Callable[[Conn], Awaitable[object]]) -> One:
    began = time.perf_counter()
    try:
        await app.db.run("time an answer", work)
    except (psycopg.Error, PoolTimeout):
        return One("down", "It did not answer.", None, "The database did not answer.")
    took = round((time.perf_counter() - began) * 1000, 1)
    return One("degraded" if took > SLOW_MS else "up", "Answered.", took)


HANDLERS = [monitor_health]
