"""The background process: watches the bridge, runs jobs and schedules, says that it lives, and stops gracefully."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import partial
from typing import Any

import psycopg
import structlog
from prometheus_client import start_http_server

from . import (
    customer_files,
    doctor_link,
    photo_link,
    report_link,
    rota_snapshot,
    server_log_link,
    sharepoint_link,
    summary_link,
    template_link,
    typing_link,
)
from .alerting import Alerting
from .app import App, Watching, inbox_files
from .channels.webhook_out.calls import Caller
from .channels.webhook_out.reading import Reader
from .core import businesses, deliveries, doctor_runs, jobs, outbox, receive, retention, schedules, wakeups
from .core.businesses import Business
from .core.db import Conn
from .core.errors import WrongSetup
from .core.heartbeats import beat
from .core.jobs import Held
from .core.outcomes import Became
from .core.schedules import Schedule
from .core.sending import Post
from .core.withdrawing import Claimed, Moot, NotNow
from .inbox import automation_jobs, broadcast_jobs, hook_jobs, search_jobs, session_jobs
from .inbox import jobs as inbox_jobs
from .inbox.answer_types import Bot
from .inbox.service import (
    automation_causes,
    blocking,
    broadcasts,
    consent,
    erasing,
    hooks,
    leaving_late,
    media,
    outcomes,
    signs,
    withdrawing,
)
from .inbox.service import filing as inbox_filing
from .monitor import jobs as monitor_jobs
from .monitor import register_jobs, statistics_jobs, validity_jobs
from .monitor.reply_types import Manner
from .monitor.service import feedback
from .monitor.service.importing import DECIDE
from .projects_file import MonitorEntry, read_projects_file
from .slack_desk.homes import Homes
from .slack_link import sockets as slack_sockets
from .told_channels import places_of
from .triage import calendar_jobs, status_jobs
from .triage import jobs as triage_jobs
from .triage.service import doing as triage_doing
from .triage.service import outcomes as triage_outcomes
from .triage.service.consistency import Rooms
from .triage.service.schedules import Schedules
from .triage.service.telling import CHANNEL

RETENTION = "core.retention"
TOPICS = (
    jobs.TOPIC, receive.TOPIC, outbox.TOPIC, inbox_filing.TOPIC, hooks.TOPIC,
    broadcasts.TOPIC, media.WAKE, automation_causes.TOPIC, triage_doing.TOPIC,
)  # fmt: skip
BEAT_SECONDS = 5.0
AGAIN_SECONDS = 2.0
LOOK_SECONDS = 10.0

log = structlog.get_logger()


async def work(app: App, stop: asyncio.Event) -> None:
    """Works until ``stop`` is set. Starts and goes on while the database is away; no fault of one task ends another."""
    wake, rotas = {topic: asyncio.Event() for topic in TOPICS}, Schedules()
    handlers: dict[str, jobs.Handler] = {
        RETENTION: partial(_sweep, stop),
        monitor_jobs.RECONCILE: partial(_reconcile, app, stop),
        register_jobs.CHECK: register_jobs.check,
        statistics_jobs.WHOLE: statistics_jobs.check,
        DECIDE: partial(validity_jobs.decide, partial(_manner, app)),
        photo_link.FETCH: partial(photo_link.run_job, app),
        sharepoint_link.SYNC: partial(sharepoint_link.run_job, app),
        doctor_runs.EXAMINE: partial(doctor_link.run_job, app),
        report_link.SEND: partial(report_link.run_job, app),
        session_jobs.SUMMARISE: session_jobs.handler(partial(summary_link.summarise, app)),
        template_link.SYNC: partial(template_link.run_job, app),
        media.SWEEP: partial(_sweep_files, app, stop),
        erasing.KIND: partial(erasing.run_job, customer_files.erased(app.settings)),
        **_of_rotas(app, rotas),
    }
    files = inbox_files(app.settings, app.db, app.seal)
    calendar, show = Calendar(app), Homes(places_of(app.settings)).show
    post = Post(app.senders, tell=partial(_hear, rotas), stands=_stands)
    tasks: dict[str, Callable[[], Awaitable[None]]] = {
        "bridge": lambda: monitor_jobs.Keeper(app.db, Watching(app).current).run(stop),
        "jobs": lambda: jobs.run_jobs(app.db, handlers, stop, wake[jobs.TOPIC]),
        "files": lambda: jobs.run_jobs(app.db, {media.FETCH: files.run_job}, stop, wake[media.WAKE]),
        "deliveries": lambda: deliveries.process_loop(app.db, app.channels, stop, wake[receive.TOPIC]),
        "outbox": lambda: outbox.run_outbox(app.db, post, stop, wake[outbox.TOPIC]),
        "decisions": lambda: inbox_jobs.keep_deciding(
            app.db, partial(_bot, app), stop, wake[inbox_filing.TOPIC], app.model, partial(typing_link.show, app)
        ),
        "automation": lambda: automation_jobs.keep_firing(app.db, stop, wake[automation_causes.TOPIC]),
        "broadcasts": lambda: broadcast_jobs.keep_broadcasting(app.db, stop, wake[broadcasts.TOPIC]),
        "hooks": lambda: hook_jobs.Teller(app.db, app.seal, Caller()).run(stop, wake[hooks.TOPIC]),
        "slack": lambda: slack_sockets.keep_open(app, stop),
        "search": lambda: search_jobs.keep_reading(app.db, stop, wake[inbox_filing.TOPIC]),
        "conversations": lambda: session_jobs.keep_ending(app.db, partial(summary_link.manner, app), stop),
        "schedules": lambda: calendar.run(stop),
        "wake-ups": lambda: wakeups.listen(app.db, app.settings.direct_database_url, wakeups.waking(wake), stop),
        "doctor": lambda: doctor_link.watch(app, stop),
        "server log": lambda: server_log_link.keep_reading(app, stop),
        "heartbeat": lambda: _beat(app, stop),
        "alarms": lambda: Alerting(app).run(stop),
        **_counts(app, stop),
        "rota copy": lambda: rota_snapshot.keep(app.db, app.settings, stop, app.remember),
        "rota": lambda: triage_jobs.Announcer(app.db, rotas, show).run(stop, wake[triage_doing.TOPIC]),
    }
    with _metrics(app.settings.worker_metrics_port):
        await _together(app, tasks, stop)


def _counts(app: App, stop: asyncio.Event) -> dict[str, Callable[[], Awaitable[None]]]:
    """What keeps the figures of the day."""
    return {
        "counts": lambda: register_jobs.keep_counting(app.db, stop),
        "statistics": lambda: statistics_jobs.keep_counting(app.db, stop),
        "response rate": lambda: inbox_jobs.keep_rating(app.db, partial(_bot, app), stop),
    }


def _of_rotas(app: App, rotas: Schedules) -> dict[str, jobs.Handler]:
    return {
        triage_jobs.CHECK: partial(triage_jobs.check, rotas, _rooms(app)),
        calendar_jobs.FOLLOW: calendar_jobs.Follower(app.seal, Reader(), rotas).run_job,
        status_jobs.LOOK: status_jobs.Looker(_profiles(app)).run_job,
    }


async def _together(app: App, tasks: Mapping[str, Callable[[], Awaitable[None]]], stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        for name, start in tasks.items():
            group.create_task(_kept_going(app, name, start, stop), name=name)


@contextmanager
def _metrics(port: int) -> Iterator[None]:
    """Shows the worker's counters to whoever watches this machine, while the block lasts. Raises WrongSetup."""
    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, addr="127.0.0.1")
    except OSError as error:
        raise WrongSetup(
            f"The worker's port {port} cannot be had ({error.strerror}); "
            "choose another with TALLYBOOK_WORKER_METRICS_PORT."
        ) from error
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
        except psycopg.OperationalError as error:
            if not app.db.is_away:
                log.warning("A background task was interrupted; trying again", task=name, error=type(error).__name__)
        except Exception:
            log.exception("A background task failed and is started again", task=name)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), AGAIN_SECONDS)


@dataclass
class Calendar:
    """The schedules, by the zones of the businesses whose they are; looked at again every ten seconds."""

    app: App
    entry: MonitorEntry = field(default_factory=MonitorEntry)
    business: Business | None = None
    known: list[Schedule] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Declares what is due when, and makes the jobs that are due, until ``stop`` is set."""
        while not stop.is_set():
            await self._look()
            await _at_most(LOOK_SECONDS, stop, partial(schedules.run_schedules, self.app.db))

    async def _look(self) -> None:
        zones = await self.app.db.run("time zones", self._zones)
        nightly = sharepoint_link.schedules(self.app.settings, self.business, self.entry.sharepoint.at)
        known = [*known_schedules(*zones), *nightly, *report_link.schedules(self.entry.report, zones[0])]
        if known != self.known:
            await self.app.db.run("declare schedules", lambda conn: schedules.declare(conn, known))
            self.known = known

    async def _zones(self, conn: Conn) -> tuple[str, str]:
        """The zone of the business that the projects file names, and that of the first business."""
        file = self.app.settings.config
        with suppress(WrongSetup):  # told by the watch; until it is mended, what was read last goes on
            self.entry = read_projects_file(file).monitor if file.exists() else MonitorEntry()
        known = await businesses.every(conn)
        first = known[0] if known else None
        self.business = next((one for one in known if one.name == self.entry.business), first)
        zone_of_first = first.time_zone if first else "UTC"
        return self.business.time_zone if self.business else zone_of_first, zone_of_first


def known_schedules(monitor_zone: str, first_zone: str) -> list[Schedule]:
    """Everything that is due by the clock."""
    return [
        *monitor_jobs.schedules(monitor_zone),
        *register_jobs.schedules(monitor_zone),
        *statistics_jobs.schedules(monitor_zone),
        *validity_jobs.schedules(),
        *template_link.schedules(),
        *triage_jobs.schedules(),
        *calendar_jobs.schedules(),
        *status_jobs.schedules(),
        Schedule("core.retention nightly", RETENTION, first_zone, daily_at=time(3, 10)),
        *doctor_link.schedules(first_zone),
        Schedule("inbox.files nightly", media.SWEEP, first_zone, daily_at=time(3, 40)),
    ]


async def _at_most(
    seconds: float, stop: asyncio.Event, work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]
) -> None:
    """Lets work go on until ``stop`` is set or the time is over; either way it ends by itself."""
    over = asyncio.Event()
    working = asyncio.create_task(work(over))
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, told}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        over.set()
        told.cancel()
        await working


async def _hear(rotas: Schedules, conn: Conn, business_id: int, became: Sequence[Became]) -> None:
    """Each module hears what became of what it sent, and knows its own."""
    await feedback.told(conn, business_id, became)
    await outcomes.told(conn, business_id, became)
    await triage_outcomes.told(conn, rotas, business_id, became)


def _rooms(app: App) -> Rooms | None:
    """Slack, where it can be asked what it shows."""
    sender = app.senders.get(CHANNEL)
    return sender if isinstance(sender, Rooms) else None


def _profiles(app: App) -> status_jobs.Profiles | None:
    """Slack, where it can be asked how people are."""
    sender = app.senders.get(CHANNEL)
    return sender if isinstance(sender, status_jobs.Profiles) else None


async def _stands(conn: Conn, business_id: int, claimed: Claimed) -> str | NotNow | Moot | None:
    """Why a message of the inbox no longer stands, or waits; None where it leaves, or is no message of the inbox."""
    if why := await blocking.stands(conn, business_id, claimed) or await leaving_late.stands(
        conn, business_id, claimed
    ):
        return why
    if why := await signs.stands(conn, business_id, claimed):
        return why
    if moot := await triage_outcomes.stands(conn, business_id, claimed):
        return moot
    if says := await broadcasts.stands(conn, business_id, claimed):
        return says
    return await consent.stands(conn, business_id, claimed) or await withdrawing.stands(conn, business_id, claimed)


async def _sweep(stop: asyncio.Event, held: Held) -> None:
    await retention.sweep(held.db, datetime.now(UTC), stop)
    await held.db.run("finish retention", held.finish)


async def _sweep_files(app: App, stop: asyncio.Event, held: Held) -> None:
    await media.sweep(held.db, customer_files.folder(app.settings), stop)
    await held.db.run("finish the sweep of files", held.finish)


async def _reconcile(app: App, stop: asyncio.Event, held: Held) -> None:
    """Reads the whole of the bridge's file again: an edit of an old row shows only there. Begun anew after a stop."""
    watch = await Watching(app).current()
    if watch is not None:
        try:
            changed = await monitor_jobs.scan(held.db, watch, full=True, stop=stop)
        finally:
            await watch.bridge.aclose()
        log.info("The bridge's file was read again from its beginning", changed=changed)
    await held.db.run("finish reconciliation", held.finish)


async def _manner(app: App) -> Manner:
    """How the projects file says that groups are answered; not at all while there is a mistake in it."""
    file = app.settings.config
    try:
        return read_projects_file(file).monitor.replies.manner if file.exists() else Manner()
    except WrongSetup:
        return Manner(enabled=False)


async def _bot(app: App) -> Bot:
    """What the projects file lets the inbox's bot do; nothing while there is a mistake in it."""
    file = app.settings.config
    try:
        return read_projects_file(file).bot if file.exists() else Bot()
    except WrongSetup:
        return Bot()


async def _beat(app: App, stop: asyncio.Event) -> None:
    details = {"says": "Working.", "host": socket.gethostname(), "process": os.getpid()}
    while not stop.is_set():
        await app.db.run("beat", lambda conn: beat(conn, "worker", details))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), BEAT_SECONDS)
