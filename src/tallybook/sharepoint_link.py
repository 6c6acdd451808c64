"""SharePoint as the settings and the projects file name it: who writes where, when, and for which business."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time
from typing import Any

import structlog

from .app import App
from .channels.sharepoint.access import Credentials
from .channels.sharepoint.client import Graph, Place, connected
from .channels.sharepoint.types import SharePointAway, SharePointError
from .core import businesses
from .core.businesses import Business
from .core.db import PROD
from .core.errors import Conflict, WrongSetup
from .core.jobs import Held
from .core.schedules import Schedule
from .core.work import RetryLater
from .monitor.service.sharepoint import Order, Report, Sync
from .monitor.service.sharepoint_nights import SYNC, night_of, nightly_of
from .projects_file import read_projects_file
from .settings import Settings

__all__ = ["SYNC", "business_of", "library", "run_job", "schedules", "sync"]

MINUTE, HOUR = 60.0, 3600.0
SCHEDULE = "schedule"

log = structlog.get_logger(__name__)


def schedules(settings: Settings, business: Business | None, at: time) -> list[Schedule]:
    """The nightly sync of a business, where SharePoint is set up and this is production; nothing elsewhere."""
    if settings.env != PROD or not settings.has_sharepoint or business is None:
        return []
    return [Schedule(nightly_of(business), SYNC, business.time_zone, daily_at=at)]


@asynccontextmanager
async def library(settings: Settings) -> AsyncIterator[Graph]:
    """The list and folder that the settings name. Raises WrongSetup where they do not, and outside production."""
    if settings.env != PROD:
        raise WrongSetup(f"Only production writes to SharePoint; this is {settings.env}.")
    tenant, client, site = settings.sharepoint_tenant, settings.sharepoint_client_id, settings.sharepoint_site
    if not (tenant and client and site):
        raise WrongSetup(
            "SharePoint is not set up. Set TALLYBOOK_SHAREPOINT_TENANT, TALLYBOOK_SHAREPOINT_CLIENT_ID and "
            "TALLYBOOK_SHAREPOINT_SITE, with a secret or a certificate."
        )
    credentials = Credentials(
        tenant,
        client,
        settings.sharepoint_client_secret,
        settings.sharepoint_certificate,
        settings.sharepoint_authority,
    )
    place = Place(settings.graph_api_url, site, settings.sharepoint_list, settings.sharepoint_folder)
    async with connected(place, credentials) as graph:
        yield graph


async def business_of(app: App) -> Business:
    """The business whose days are written: the one that the projects file speaks of."""
    config = app.settings.config
    name = read_projects_file(config).monitor.business if config.exists() else None
    return await app.db.run("find business", lambda conn: businesses.of_file(conn, name))


async def sync(app: App, order: Order) -> Report:
    """Brings SharePoint up to date at once, as ``tallybook monitor sync-sharepoint`` does."""
    async with library(app.settings) as graph:
        return await Sync(app.db, await business_of(app), graph).run(order)


async def run_job(app: App, held: Held) -> None:
    """The job of a night, or of a day that somebody asked for. What failed comes again for hours, then next night."""
    try:
        async with library(app.settings) as graph:
            business = await business_of(app)
            if held.job.business_id not in {None, business.id}:
                raise WrongSetup("SharePoint is set up for another business.")
            report = await Sync(app.db, business, graph).run(order_of(held.job.args, business), held.finish)
    except (SharePointAway, SharePointError, Conflict) as error:
        asked = error.retry_after if isinstance(error, SharePointAway) else None
        pause = max(min(HOUR, MINUTE * 2.0 ** (held.job.attempts - 1)), asked or 0.0)
        raise RetryLater(error.message, pause) from error
    log.info(
        "SharePoint is up to date",
        day=report.day.isoformat(), written=report.written, unchanged=report.unchanged, conflicts=report.conflicts,
    )  # fmt: skip


def order_of(args: dict[str, Any], business: Business) -> Order:
    """What a job asks for: a day that somebody named, or the night of the moment at which it was due."""
    if "day" in args:
        return Order(date.fromisoformat(args["day"]), str(args.get("asked_by", "")))
    due = datetime.fromisoformat(args["due"]) if "due" in args else datetime.now(UTC)
    return Order(night_of(due, business.zone), SCHEDULE, nightly=True)
