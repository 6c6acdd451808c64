"""The report of the day: made of the statistics, and left for those whom the projects file names."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from datetime import UTC, date, datetime

import msgspec
from babel import dates

from .app import App
from .core import businesses, outbox
from .core.alarm_letters import ACCOUNT, MAIL
from .core.businesses import Business
from .core.db import Conn
from .core.jobs import Held
from .core.messages import Outgoing
from .core.schedules import Schedule
from .monitor.service import report_texts
from .monitor.service.report import Report, of_day
from .monitor.service.sharepoint_nights import night_of
from .monitor.service.statistics_picture import picture
from .projects_file import MonitorEntry, read_projects_file
from .report_file import ReportEntry
from .words import words

SEND = "monitor.report"


class Letter(msgspec.Struct, frozen=True):
    """A report as it is sent. ``picture`` is PNG."""

    day: date
    subject: str
    text: str
    picture: bytes


def schedules(entry: ReportEntry, time_zone: str) -> list[Schedule]:
    """The report at its time, where anybody gets it."""
    return [Schedule("monitor.report nightly", SEND, time_zone, daily_at=entry.at)] if entry.to else []


async def letter(app: App, day: date | None = None) -> Letter:
    """The report of a day, today's if it is not named, of the business that the projects file speaks of."""
    name = _monitor(app).business

    async def read(conn: Conn) -> Report:
        business = await businesses.of_file(conn, name)
        return await of_day(conn, business, day or datetime.now(UTC).astimezone(business.zone).date())

    report = await app.db.run("read report", read)
    return await asyncio.to_thread(written, report)


def written(report: Report) -> Letter:
    """A report in words and as a picture. Some hundred milliseconds of work: not for an event loop. Pure."""
    say = words(report.business.locale).gettext
    return Letter(report.day, report_texts.subject(report), report_texts.text(report, say), drawn(report))


def drawn(report: Report) -> bytes:
    points = report.found.points
    days = [dates.format_date(one.first, "d MMM", report.business.locale) for one in points]
    return picture(points, report_texts.caption(report), days)


async def run_job(app: App, held: Held) -> None:
    """The job of a night: everybody gets the report once, whatever happens to whoever makes it."""
    monitor = _monitor(app)
    business = await app.db.run("find business", lambda conn: businesses.of_file(conn, monitor.business))
    made = await letter(app, day_of(held, business))

    async def put(conn: Conn) -> None:
        for outgoing in letters(made, monitor.report.to):
            await outbox.put(conn, business.id, outgoing)
        await held.finish(conn)

    await app.db.run("leave report", put)


def letters(made: Letter, to: Sequence[str]) -> list[Outgoing]:
    """The e-mails of a report, each known by its day and its reader. Pure."""
    body = {
        "subject": made.subject, "text": made.text, "picture": base64.b64encode(made.picture).decode(),
        "picture_name": f"drops-{made.day}.png",
    }  # fmt: skip
    return [Outgoing(MAIL, ACCOUNT, one, f"report:{made.day}:{one}", dict(body)) for one in to]


def day_of(held: Held, business: Business) -> date:
    """The day of the night at which a job was due, however late it runs."""
    due = held.job.args.get("due")
    return night_of(datetime.fromisoformat(due) if due else datetime.now(UTC), business.zone)


def _monitor(app: App) -> MonitorEntry:
    config = app.settings.config
    return read_projects_file(config).monitor if config.exists() else MonitorEntry()
