"""Whether a day was in the registers' own rhythm: each project against its same weekdays, marketing against QA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import median

from prometheus_client import Gauge

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.health import Check
from tallybook.monitor import rules
from tallybook.monitor.store import counts as store
from tallybook.monitor.store import registers as register_store
from tallybook.monitor.store.counts import RegisterDay
from tallybook.monitor.types import Kind

WEEKS = 8
ENOUGH_WEEKS = 4
RECOUNTED_DAYS = 35  # a bridge brings a phone's history weeks late
LEAST_SLACK = 5  # drops
SLACK = 0.5  # of the usual day
SHARE_SLACK = 0.2
ENOUGH_DROPS = 10

posts_today = Gauge(
    "tallybook_register_posts", "Posts said today and yesterday.", ["business", "register", "project", "day"]
)
drops_today = Gauge(
    "tallybook_register_drops", "Distinct drops posted today and yesterday.", ["business", "register", "project", "day"]
)


async def keep(conn: Conn, business: Business, now: datetime) -> None:
    """Writes the counts of the last days down, and of all that were never counted."""
    today = rules.business_date(now, business.zone)
    known = await store.first_days(conn, business.id)
    back = RECOUNTED_DAYS if known else WEEKS * 7 + 1
    await store.keep(conn, business, today - timedelta(days=back), today)


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:
    """The last whole day that was counted, of each register that has a rhythm, and of marketing against QA.

    Until the night's count nobody knows the day that has just ended: it is not judged by what was counted before.
    """
    last = await register_store.last_run(conn, business.id)
    if last is None or last.began_at > now:
        return []
    day = rules.business_date(last.began_at, business.zone) - timedelta(days=1)
    days = [day - timedelta(weeks=week) for week in range(WEEKS + 1)]
    return judge(await store.kept(conn, business.id, days), await store.first_days(conn, business.id), day)


async def recent(conn: Conn, business: Business, now: datetime) -> list[tuple[Business, str, RegisterDay]]:
    """What the registers hold of today and of yesterday, counted now."""
    today = rules.business_date(now, business.zone)
    counted = await store.counted(conn, business, today - timedelta(days=1), today)
    return [(business, "today" if one.day == today else "yesterday", one) for one in counted]


def show(counted: Iterable[tuple[Business, str, RegisterDay]]) -> None:
    """Sets the gauges. A project that has posted nothing has none: what was yesterday's must not stay today's."""
    posts_today.clear()
    drops_today.clear()
    for business, day, one in counted:
        posts_today.labels(business.name, one.register, one.project, day).set(one.posts)
        drops_today.labels(business.name, one.register, one.project, day).set(one.drops)


def judge(counted: Iterable[RegisterDay], first: Mapping[str, date], day: date) -> list[Check]:
    """One check for each project with four same weekdays or more behind it, and one for the two registers. Pure.

    A day is out of rhythm when it lies outside all of its eight weekdays before by half a usual day and five drops.
    ``first`` says since when each project is known: a day of which nothing is known is not a day without drops.
    """
    by_project: dict[str, dict[date, int]] = {}
    by_register: dict[Kind, dict[date, int]] = {kind: {} for kind in Kind}
    for one in counted:
        by_project.setdefault(one.project, {})[one.day] = one.drops
        register = by_register[one.register]
        register[one.day] = register.get(one.day, 0) + one.drops
    before = [day - timedelta(weeks=week) for week in range(1, WEEKS + 1)]
    found = []
    for project, drops in sorted(by_project.items()):
        samples = [drops.get(earlier, 0) for earlier in before if earlier >= first.get(project, day)]
        found += _of_project(project, drops.get(day, 0), samples)
    return found + _of_shares(by_register, day, before)


def _of_project(project: str, drops: int, samples: Sequence[int]) -> list[Check]:
    if len(samples) < ENOUGH_WEEKS:
        return []
    slack = max(LEAST_SLACK, SLACK * median(samples))
    facts: dict[str, str | int | float] = {
        "drops_that_day": drops, "usual_least": min(samples), "usual_most": max(samples),
    }  # fmt: skip
    if drops < min(samples) - slack:
        return [Check(f"day {project}", "late", "Far fewer drops than on this weekday in two months.", None, facts)]
    if drops > max(samples) + slack:
        return [Check(f"day {project}", "late", "Far more drops than on this weekday in two months.", None, facts)]
    return [Check(f"day {project}", "ok", "In its usual rhythm.", None, facts)]


def _of_shares(registers: Mapping[Kind, Mapping[date, int]], day: date, before: Sequence[date]) -> list[Check]:
    """Marketing's share of all drops, against its share on the same weekdays."""

    def share(on: date) -> float | None:
        marketing, qa = registers[Kind.MARKETING].get(on, 0), registers[Kind.QA].get(on, 0)
        return marketing / (marketing + qa) if marketing + qa >= ENOUGH_DROPS else None

    now, usual = share(day), [part for part in map(share, before) if part is not None]
    if now is None or len(usual) < ENOUGH_WEEKS or max(usual) == 0 or min(usual) == 1:  # one register alone
        return []
    facts: dict[str, str | int | float] = {
        "marketing": registers[Kind.MARKETING].get(day, 0), "qa": registers[Kind.QA].get(day, 0),
    }  # fmt: skip
    if min(usual) - SHARE_SLACK <= now <= max(usual) + SHARE_SLACK:
        return [Check("shares", "ok", "In their usual measure.", None, facts)]
    return [Check("shares", "late", "Marketing and QA are out of their usual measure.", None, facts)]
