"""The rota for programs: who is on duty, when and why, and all that decides it, as JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery

from tallybook.app import App
from tallybook.core.audit import Entry
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.numbers import BIGINT_DIGITS
from tallybook.triage.rules import Schedule, gaps, timeline, who
from tallybook.triage.rules_cover import clashes, doubles
from tallybook.triage.rules_load import Load, ledger
from tallybook.triage.service import actors, people
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import record
from tallybook.triage.types import Facts, Shift, Team

from .answers import Ok, ok
from .needs import Asked, TheApp

ROOT = "/api/triage"
TEAM = ROOT + "/{team:int}"
TAGS = ["Triage"]
YEARS = range(2000, 3000)
LONGEST = timedelta(days=400)
USUAL = timedelta(days=42)
HALF_A_YEAR = timedelta(days=182)
MOST = 200


class ShiftRow(msgspec.Struct, frozen=True):
    """Who is on duty from a moment until another, which is not of it; ``person`` is null where nobody is.

    ``why`` is ``slot``, ``override``, ``swap`` or ``substitute``, and where nobody is ``no_roster``, ``no_sprint``,
    ``off`` or ``nobody_left``. ``turn_of`` is whose turn it is, ``override`` the number of the override.
    """

    discipline: str
    starts_at: datetime
    ends_at: datetime
    person: str | None
    why: str
    turn_of: str | None = None
    override: int | None = None
    sprint: str | None = None


class Trouble(msgspec.Struct, frozen=True):
    """What will go wrong: ``double`` (on duty twice at once), ``clash`` (on duty while away) or ``gap`` (nobody is)."""

    kind: str
    starts_at: datetime
    ends_at: datetime
    disciplines: list[str]
    person: str | None


class Stood(msgspec.Struct, frozen=True):
    """Who asks, and the team's schedule."""

    actor: Actor
    schedule: Schedule


def row(shift: Shift) -> ShiftRow:
    """A shift as programs read it."""
    sprint = shift.slot.sprint.name if shift.slot is not None and shift.slot.sprint is not None else None
    return ShiftRow(
        shift.discipline, shift.starts_at, shift.ends_at, shift.person, shift.why.value, shift.turn_of, shift.override,
        sprint,
    )  # fmt: skip


def moment(given: datetime) -> datetime:
    """A moment in UTC. Raises Invalid for one without a zone, or outside of the years that there are here."""
    if given.tzinfo is None or given.year not in YEARS:
        raise Invalid("Give a moment with its zone, such as 2026-03-02T08:00:00Z, from the year 2000 on.")
    return given.astimezone(UTC)


def day(given: date) -> date:
    """Raises Invalid for a day outside of the years that there are here."""
    if given.year not in YEARS:
        raise Invalid("Give a day such as 2026-03-02, from the year 2000 on.")
    return given


def number(given: int) -> int:
    """Raises NotFound for what nothing here can be numbered."""
    if not 0 <= given < 10**BIGINT_DIGITS:
        raise NotFound("There is nothing of this number.")
    return given


def period(since: datetime | None, until: datetime | None, usual: timedelta = USUAL) -> tuple[datetime, datetime]:
    """A period of at most 400 days; from now on where nothing is given. Raises Invalid."""
    begins = moment(since) if since is not None else datetime.now(UTC)
    ends = moment(until) if until is not None else begins + usual
    if not timedelta(0) < ends - begins <= LONGEST:
        raise Invalid("A period ends after it begins, and lasts at most 400 days.")
    return begins, ends


async def stood(request: Asked, app: App, team: int) -> Stood:
    """Who asks of which team. Raises NotAllowed, and NotFound for a team that is not of the business."""
    return await app.db.run("read rota", lambda conn: read(conn, request, team))


async def read(conn: Conn, request: Asked, team: int) -> Stood:
    """As ``stood``, within a transaction."""
    kept: Schedules = request.app.state.setdefault("triage_schedules", Schedules())
    actor = await actors.of_caller(conn, request.user)
    return Stood(actor, await kept.of(conn, actor.business_id, number(team)))


def codes(schedule: Schedule, discipline: str | None) -> list[str]:
    """The discipline that was asked for, or all in use. Raises NotFound."""
    if discipline is not None:
        schedule.rota(discipline)
        return [discipline]
    listed = sorted(schedule.facts.disciplines, key=lambda one: (one.place, one.code))
    return [one.code for one in listed if one.active]


@get(ROOT, tags=TAGS)
async def list_teams(request: Asked, app: TheApp) -> Ok[list[Team]]:
    """All teams by name, each with its clock."""

    async def work(conn: Conn) -> list[Team]:
        return await people.teams(conn, await actors.of_caller(conn, request.user))

    return ok(await app.db.run("list teams", work))


@get(TEAM, tags=TAGS)
async def read_rota(request: Asked, app: TheApp, team: FromPath[int]) -> Ok[Facts]:
    """All that decides who is on duty: disciplines, people, rosters, sprints, absences, holidays, overrides."""
    return ok((await stood(request, app, team)).schedule.facts)


@get(TEAM + "/who", tags=TAGS)
async def who_is_on(
    request: Asked, app: TheApp, team: FromPath[int], at: FromQuery[datetime | None] = None,
    discipline: FromQuery[str | None] = None,
) -> Ok[list[ShiftRow]]:  # fmt: skip
    """Who is on duty now or at a moment, in one discipline or in all. 404 for another business's team."""
    found = await stood(request, app, team)
    when = moment(at) if at is not None else datetime.now(UTC)
    return ok([row(who(found.schedule, code, when).shift) for code in codes(found.schedule, discipline)])


@get(TEAM + "/shifts", tags=TAGS)
async def list_shifts(
    request: Asked, app: TheApp, team: FromPath[int], since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None, discipline: FromQuery[str | None] = None,
) -> Ok[list[ShiftRow]]:  # fmt: skip
    """All of a period without a hole, the gaps too; the coming six weeks where none is given, at most 400 days."""
    found, span = await stood(request, app, team), period(since, until)
    listed = [one for code in codes(found.schedule, discipline) for one in timeline(found.schedule, code, *span)]
    return ok([row(one) for one in listed])


@get(TEAM + "/load", tags=TAGS)
async def read_load(
    request: Asked, app: TheApp, team: FromPath[int], since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None, discipline: FromQuery[str | None] = None,
) -> Ok[list[Load]]:  # fmt: skip
    """What everybody carried in a period, most days first; the last half year where none is given."""
    found = await stood(request, app, team)
    begins = since if since is not None else datetime.now(UTC) - HALF_A_YEAR
    span = period(begins, until, HALF_A_YEAR)
    return ok(ledger(found.schedule, *span, codes(found.schedule, discipline)))


@get(TEAM + "/troubles", tags=TAGS)
async def list_troubles(
    request: Asked, app: TheApp, team: FromPath[int], since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
) -> Ok[list[Trouble]]:  # fmt: skip
    """What will go wrong if nobody acts, in order of time; in the coming six weeks where no period is given."""
    found, span = await stood(request, app, team), period(since, until)
    schedule, asked = found.schedule, codes(found.schedule, None)
    listed = [
        Trouble("double", one.starts_at, one.ends_at, [one.one.discipline, one.other.discipline], one.person)
        for one in doubles(schedule, *span)
    ]
    for code in asked:
        listed += [
            Trouble("clash", one.shift.starts_at, one.shift.ends_at, [code], one.absent)
            for one in clashes(schedule, code, *span)
            if not one.is_settled
        ]
        listed += [Trouble("gap", one.starts_at, one.ends_at, [code], None) for one in gaps(schedule, code, *span)]
    return ok(sorted(listed, key=lambda one: (one.starts_at, one.kind)))


@get(ROOT + "/record", tags=TAGS)
async def read_record(
    request: Asked, app: TheApp, below: FromQuery[int | None] = None, limit: FromQuery[int] = 50
) -> Ok[list[Entry]]:
    """Who changed what in all rotas, the newest first; the next page is ``below`` the last id. At most 200 a page."""
    require(request.user, Right.SEE)
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit is a number from 1 to {MOST}.")
    business, last = request.user.business_id, number(below) if below is not None else None

    async def work(conn: Conn) -> list[Entry]:
        return await record.recent(conn, business, below=last, limit=limit)

    return ok(await app.db.run("read record", work))


HANDLERS: list[Any] = [list_teams, read_rota, who_is_on, list_shifts, read_load, list_troubles, read_record]
