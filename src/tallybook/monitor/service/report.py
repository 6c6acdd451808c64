"""The report of a day: each project against its usual, and how the last thirty days stand."""

from __future__ import annotations

from datetime import date, timedelta
from statistics import median

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.store import statistics as store
from tallybook.monitor.store.statistics import Bucket, Figures, Period
from tallybook.monitor.types import Kind

from . import statistics
from .statistics import Statistics

DAYS = 30


class OfDay(msgspec.Struct, frozen=True):
    """A project's day. ``usual`` is the median of the days before on which anything was posted; 0 if there was none."""

    register: Kind
    project: str
    drops: int
    complete: int
    repeated: int
    usual: int


class Report(msgspec.Struct, frozen=True):
    """A day, and the thirty days that end with it."""

    business: Business
    day: date
    projects: list[OfDay]
    found: Statistics

    @property
    def month(self) -> Figures:
        return self.found.total.chosen


async def of_day(conn: Conn, business: Business, day: date) -> Report:
    """What is known of a day now; a late post changes it."""
    period = Period("chosen", day - timedelta(days=DAYS - 1), day)
    found = await statistics.of_period(conn, business, period)
    buckets = await store.trend(conn, business.id, period, weekly=False)
    known = [(one.register, one.project) for one in found.projects]
    return Report(business, day, [_of_day(place, day, buckets) for place in known], found)


def _of_day(place: tuple[Kind, str], day: date, buckets: list[Bucket]) -> OfDay:
    own = [one for one in buckets if (one.register, one.project) == place]
    before = [one.drops for one in own if one.first < day and one.drops]
    now = next((one for one in own if one.first == day), Bucket(*place, day, 0, 0, 0))
    return OfDay(*place, now.drops, now.complete, now.repeated, round(median(before)) if before else 0)
