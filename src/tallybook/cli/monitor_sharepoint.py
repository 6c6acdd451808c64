"""``monitor sync-sharepoint``: a day on SharePoint, at once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
import typer

from tallybook import sharepoint_link
from tallybook.app import App
from tallybook.core.db import PROD
from tallybook.core.errors import WrongSetup
from tallybook.monitor.service import sharepoint_nights
from tallybook.monitor.service.sharepoint import Order, Report

from .opening import Env, Json, opened, run, say, settings_of

COMMAND_LINE = "command line"


def sync_sharepoint(
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day, such as 2026-01-31; today if left out.")
    ] = None,
    prepare: Annotated[bool, typer.Option("--prepare", help="Make the list where it is not there yet.")] = False,
    end: Annotated[bool, typer.Option("--end", help="Say that no more nights are wanted: health is content.")] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Write a day to SharePoint: an item for each project, and the day's workbook. Harmless to repeat."""
    if end:
        run(_end(env))
        say({"ended": True}, "No more nights are wanted; the record says so.", as_json=as_json)
        return
    if prepare:
        made = run(_prepare(env))
        say({"made": made}, "The list is made." if made else "The list is there, as it should be.", as_json=as_json)
        return

    async def work() -> Report:
        _refuse_others(env)
        async with opened(env) as application:
            return await sharepoint_link.sync(application, await _order(application, date))

    report = run(work())
    say(msgspec.to_builtins(report), lambda: _told(report), as_json=as_json)


def _refuse_others(env: str | None) -> None:
    """Before anything is read, so that it says only this."""
    asked = settings_of(env).env
    if asked != PROD:
        raise WrongSetup(f"Only production writes to SharePoint; this is {asked}.")


async def _order(application: App, date: datetime | None) -> Order:
    business = await sharepoint_link.business_of(application)
    return Order(date.date() if date else datetime.now(business.zone).date(), COMMAND_LINE)


async def _prepare(env: str | None) -> bool:
    async with sharepoint_link.library(settings_of(env)) as library:
        return await library.prepare()


async def _end(env: str | None) -> None:
    async with opened(env) as application:
        business = await sharepoint_link.business_of(application)
        await application.db.run("end the nights", lambda conn: sharepoint_nights.end(conn, business, COMMAND_LINE))


def _told(report: Report) -> str:
    written = f"{report.day}: {report.written} written, {report.unchanged} as they were."
    if not report.conflicts:
        return written
    return f"{written} {report.conflicts} changed by a person there and left alone: decide at /wa-monitor/sharepoint."
