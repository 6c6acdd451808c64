"""Holds another environment against production: what their registers hold, and how their schemas differ.

Neither application role may see the other's schema, so this is the owner's work. What it finds is kept in production
and shown there; see ``environment_reports``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from psycopg import errors

from . import keys
from .businesses import every
from .db import PROD, Conn, open_database
from .environment import check_stands
from .environment_catalogue import facts, functions
from .environment_drift import drift, drift_of_functions
from .environment_reading import look_into, one_moment
from .environment_registers import Held, drops, held
from .errors import WrongSetup

# A difference of at most so many drops is told drop by drop.
FEW = 20


class Line(msgspec.Struct, frozen=True):
    """One project in one register, on both sides; None where a side has nothing.

    ``missing`` drops are in production alone, ``extra`` ones in the other environment alone, both of the days asked
    for. They are named only up to FEW; the counts are whole.
    """

    register: str
    project: str
    here: Held | None
    there: Held | None
    missing: list[str] = []
    extra: list[str] = []
    missing_count: int = 0
    extra_count: int = 0

    @property
    def differs(self) -> bool:
        return bool(self.missing_count or self.extra_count)


class Report(msgspec.Struct, frozen=True):
    """One business's comparison. ``drift`` is a sentence for each difference of the schemas."""

    environment: str
    compared_at: datetime
    days: int
    drift: list[str]
    lines: list[Line]

    @property
    def differs(self) -> bool:
        return bool(self.drift) or any(line.differs for line in self.lines)


async def compare(owner_url: str, environment: str, days: int, now: datetime) -> dict[int, Report]:
    """A report for each business of production, as of one moment on both sides, by its number.

    Raises WrongSetup where there is nothing to compare with.
    """
    if environment == PROD:
        raise WrongSetup("Production is what the others are compared with. Name another environment.")
    await check_stands(owner_url, environment)
    since = now - timedelta(days=days)
    async with one_moment(owner_url) as conn:
        businesses = [business.id for business in await every(conn)]
        found = [(await facts(conn), await functions(conn), await _registers(conn, businesses, since))]
        await look_into(conn, environment)
        found.append((await facts(conn), await functions(conn), await _registers(conn, businesses, since)))
    (tables, made, ours), (other_tables, other_made, theirs) = found
    told = drift(tables, other_tables, environment) + drift_of_functions(made, other_made, environment)
    return {
        business: Report(environment, now, days, told, lines(ours[business], theirs[business]))
        for business in businesses
    }


Registers = Mapping[tuple[str, str], tuple[Held, set[str]]]


async def _registers(conn: Conn, businesses: Sequence[int], since: datetime) -> dict[int, Registers]:
    """By business and by (register, project): the counts, and the drops of the days asked for.

    A schema whose registers are not as this release knows them has none; what they lack stands among the drift.
    """
    try:
        async with conn.transaction():
            return {business: await _registers_of(conn, business, since) for business in businesses}
    except (errors.UndefinedTable, errors.UndefinedColumn):
        return {business: {} for business in businesses}


async def _registers_of(conn: Conn, business: int, since: datetime) -> Registers:
    return {
        (one.register, one.project): (one, await drops(conn, business, one.register, one.project, since))
        for one in await held(conn, business, since)
    }


def lines(ours: Registers, theirs: Registers) -> list[Line]:
    """What both sides hold, side by side. Pure."""
    return [_line(name, ours.get(name), theirs.get(name)) for name in sorted(ours.keys() | theirs.keys())]


def _line(name: tuple[str, str], ours: tuple[Held, set[str]] | None, theirs: tuple[Held, set[str]] | None) -> Line:
    here, our_drops = ours or (None, set())
    there, their_drops = theirs or (None, set())
    missing, extra = sorted(our_drops - their_drops), sorted(their_drops - our_drops)
    return Line(
        *name, here, there,
        missing=missing if len(missing) <= FEW else [],
        extra=extra if len(extra) <= FEW else [],
        missing_count=len(missing),
        extra_count=len(extra),
    )  # fmt: skip


KEEP = f"""
insert into environment_reports (business_id, environment, compared_at, report)
values (%(business_id)s::int, %(environment)s::text, %(at)s::timestamptz, %(report)s::jsonb)
on conflict {keys.ENVIRONMENT_REPORT.target} do update set
    compared_at = excluded.compared_at, report = excluded.report
    where environment_reports.compared_at <= excluded.compared_at
"""


async def keep(owner_url: str, reports: Mapping[int, Report]) -> None:
    """Puts reports where production's page finds them: the last one of each environment."""

    async def work(conn: Conn) -> None:
        for business, report in sorted(reports.items()):
            values = {
                "business_id": business,
                "environment": report.environment,
                "at": report.compared_at,
                "report": msgspec.json.encode(report).decode(),
            }
            await conn.execute(KEEP, values)

    async with open_database(owner_url, PROD, size=1) as production:
        await production.run("keep a comparison", work)


KEPT = "select report from environment_reports where business_id = %(business_id)s order by environment"


async def kept(conn: Conn, business_id: int) -> list[Report]:
    """The last report of each environment, of one business."""
    rows = await (await conn.execute(KEPT, {"business_id": business_id})).fetchall()
    return [msgspec.convert(row[0], Report, strict=False) for row in rows]
