"""The background process: watches the bridge, runs jobs and schedules, says that it lives, and stops gracefully."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, time
from functools import partial

import psycopg
import structlog
from prometheus_client import start_http_server
from psycopg_pool import PoolTimeout

from .app import App, Watching
from .core import deliveries, jobs, outbox, receive, retention, schedules, wakeups
from .core.db import Conn
from .core.heartbeats import beat
from .core.jobs import Held
from .core.schedules import Schedule
from .core.sending import Post
from .monitor import jobs as monitor_jobs

RETENTION = "core.retention"
BEAT_SECONDS = 5.0
AGAIN_SECONDS = 2.0

log = structlog.get_logger()


async def work(app: App, stop: asyncio.Event) -> None:
    """Works until ``stop`` is set. Starts and goes on while the database is away; no fault of one task ends another."""
    wake = {topic: asyncio.Event() for topic in (jobs.TOPIC, receive.TOPIC, outbox.TOPIC)}
    handlers = {RETENTION: partial(_sweep, stop), monitor_jobs.RECONCILE: partial(_reconcile, app)}
    tasks: dict[str, Callable[[], Awaitable[None]]] = {
        "bridge": lambda: monitor_jobs.Keeper(app.db, Watching(app).current).run(stop),
        "jobs": lambda: jobs.run_jobs(app.db, handlers, stop, wake[jobs.TOPIC]),
        "deliveries": lambda: deliveries.process_loop(app.db, app.channels, stop, wake[receive.TOPIC]),
        "outbox": lambda: outbox.run_outbox(app.db, Post(app.senders), stop, wake[outbox.TOPIC]),
        "schedules": lambda: _run_schedules(app, stop),
        "wake-ups": lambda: wakeups.listen(app.db, app.settings.direct_database_url, wakeups.waking(wake), stop),
        "heartbeat": lambda: _beat(app, stop),
    }
    with _metrics(app.settings.worker_metrics_port):
        await _together(app, tasks, stop)


async def _together(app: App, tasks: Mapping[str, Callable[[], Awaitable[None]]], stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        for name, start in tasks.items():
            group.create_task(_kept_going(app, name, start, stop), name=name)


@contextmanager
def _metrics(port: int) -> Iterator[None]:
    """Shows the worker's counters to whoever watches this machine, while the block lasts."""
    if not port:
        yield
        return
    server, thread = start_http_server(port, addr="127.0.0.1")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def _kept_going(app: App, name: str, start: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Starts a task again after a fault, which is logged: what fails is late on the health page, never gone."""
    while not stop.is_set():
        try:
            await start()
        except (psycopg.OperationalError, PoolTimeout) as error:
            if not app.db.is_away:
                log.warning("A background task was interrupted; trying again", task=name, error=type(error).__name__)
        except Exception:
            log.exception("A background task failed and is started again", task=name)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), AGAIN_SECONDS)


async def _run_schedules(app: App, stop: asyncio.Event) -> None:
    zone = await app.db.run("time zone", _zone)
    known = [
        *monitor_jobs.schedules(zone),
        Schedule("core.retention nightly", RETENTION, zone, daily_at=time(3, 10)),
    ]
    await app.db.run("declare schedules", lambda conn: schedules.declare(conn, known))
    await schedules.run_schedules(app.db, stop)


FIRST_ZONE = "select time_zone from businesses order by id limit 1"


async def _zone(conn: Conn) -> str:
    row = await (await conn.execute(FIRST_ZONE)).fetchone()
    return str(row[0]) if row else "UTC"


async def _sweep(stop: asyncio.Event, held: Held) -> None:
    await retention.sweep(held.db, datetime.now(UTC), stop)
    await held.db.run("finish retention", held.finish)


async def _reconcile(app: App, held: Held) -> None:
    """Reads the whole of the bridge's file again: an edit of an old row shows only there."""
    watch = await Watching(app).current()
    if watch is not None:
        try:
            changed = await monitor_jobs.scan(held.db, watch, full=True)
        finally:
            await watch.bridge.aclose()
        log.info("The bridge's file was read again from its beginning", changed=changed)
    await held.db.run("finish reconciliation", held.finish)


async def _beat(app: App, stop: asyncio.Event) -> None:
    details = {"says": "Working.", "host": socket.gethostname(), "process": os.getpid()}
    while not stop.is_set():
        await app.db.run("beat", lambda conn: beat(conn, "worker", details))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), BEAT_SECONDS)
