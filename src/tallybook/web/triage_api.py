"""The rota for programs: who is on duty, when and why, and all that decides it, as JSON."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, FromQuery

from tallybook.app import App
from tallybook.core.audit import Entry
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.numbers import BIGINT_DIGITS
from tallybook.triage.rules import Schedule, gaps, reason_of, timeline, who
from tallybook.triage.rules_across import Across
from tallybook.triage.rules_cover import clashes, doubles
from tallybook.triage.rules_load import Load, ledger
from tallybook.triage.service import across, actors, people
from tallybook.triage.service.doing import Actor, because
from tallybook.triage.store import record
from tallybook.triage.types import Facts, Shift, Team

from . import triage_away
from .answers import Ok, ok
from .needs import Asked, TheApp
from .triage_frame import schedules

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
    ``off``, ``nobody_left``, or ``unassigned``: somebody who leads set it so, for the ``reason``. ``turn_of`` is whose
    turn it is, ``override`` the number of the override.
    """

    discipline: str
    starts_at: datetime
    ends_at: datetime
    person: str | None
    why: str
    turn_of: str | None = None
    override: int | None = None
    sprint: str | None = None
    reason: str = ""


class There(msgspec.Struct, frozen=True):
    """Another team of the business, and its discipline."""

    team: int
    name: str
    discipline: str


class Trouble(msgspec.Struct, frozen=True):
    """What will go wrong: ``double`` (on duty twice at once), ``clash`` (on duty while away) or ``gap`` (nobody is).

    ``there``: of a double, the other duty, where that is in another team.
    """

    kind: str
    starts_at: datetime
    ends_at: datetime
    disciplines: list[str]
    person: str | None
    there: There | None = None


class Stood(msgspec.Struct, frozen=True):
    """Who asks, and the team's schedule."""

    actor: Actor
    schedule: Schedule


def row(shift: Shift, schedule: Schedule | None = None) -> ShiftRow:
    """A shift as programs read it; by its schedule with the reason why it was set that nobody is on duty."""
    sprint = shift.slot.sprint.name if shift.slot is not None and shift.slot.sprint is not None else None
    return ShiftRow(
        shift.discipline, shift.starts_at, shift.ends_at, shift.person, shift.why.value, shift.turn_of, shift.override,
        sprint, reason_of(schedule, shift) if schedule is not None else "",
    )  # fmt: skip


def moment(given: datetime) -> datetime:
    """A moment in UTC. Raises Invalid for one without a zone, or outside of the years that there are here."""
    if given.tzinfo is None or given.year not in YEARS:
        raise Invalid(triage_away.NO_MOMENT)
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


async def actor_of(conn: Conn, request: Asked) -> Actor:
    """Who asks, and why they change something: the header ``X-Reason``, percent-encoded so that it has any letters."""
    return because(await actors.of_caller(conn, request.user), unquote(request.headers.get("x-reason", "")))


async def stood(request: Asked, app: App, team: int) -> Stood:
    """Who asks of which team. Raises NotAllowed, and NotFound for a team that is not of the business."""
    return await app.db.run("read rota", lambda conn: read(conn, request, team))


async def read(conn: Conn, request: Asked, team: int) -> Stood:
    """As ``stood``, within a transaction."""
    actor = await actor_of(conn, request)
    return Stood(actor, await schedules(request).of(conn, actor.business_id, number(team)))


def codes(schedule: Schedule, discipline: str | None, since: datetime, until: datetime) -> list[str]:
    """The discipline that was asked for, or all that are in use in a part of a period. Raises NotFound."""
    if discipline is not None:
        schedule.rota(discipline)
        return [discipline]
    listed = sorted(schedule.facts.disciplines, key=lambda one: (one.place, one.code))
    return [one.code for one in listed if one.used_in(since, until)]


@get(ROOT, tags=TAGS)
async def list_teams(request: Asked, app: TheApp) -> Ok[list[Team]]:
    """All teams by name, each with its clock."""

    async def work(conn: Conn) -> list[Team]:
        return await people.teams(conn, await actor_of(conn, request))

    return ok(await app.db.run("list teams", work))


@get(TEAM, tags=TAGS)
async def read_rota(request: Asked, app: TheApp, team: FromPath[int]) -> Ok[Facts]:
    """All that decides who is on duty: disciplines, people, rosters, sprints, absences, holidays, overrides."""
    return ok((await stood(request, app, team)).schedule.facts)


def on_duty(schedule: Schedule, at: datetime | None, discipline: str | None) -> list[ShiftRow]:
    """Who is on duty at a moment, now where none is given. Raises Invalid and NotFound."""
    when = moment(at) if at is not None else datetime.now(UTC)
    return [row(who(schedule, code, when).shift, schedule) for code in codes(schedule, discipline, when, when)]


def listed(schedule: Schedule, span: tuple[datetime, datetime], discipline: str | None) -> list[ShiftRow]:
    """The shifts of a period, and its gaps. Raises NotFound."""
    asked = codes(schedule, discipline, *span)
    return [row(one, schedule) for code in asked for one in timeline(schedule, code, *span)]


async def who_was_on(request: Request[Any, Any, Any]) -> Response[bytes] | None:
    """As ``who_is_on``, while the database is away."""
    found = await triage_away.stood(request)
    if found is None:
        return None
    at, discipline = triage_away.given(request, "at"), request.query_params.get("discipline")
    return triage_away.answer(found, on_duty(found.schedule, at, discipline))


async def shifts_then(request: Request[Any, Any, Any]) -> Response[bytes] | None:
    """As ``list_shifts``, while the database is away."""
    found = await triage_away.stood(request)
    if found is None:
        return None
    span = period(triage_away.given(request, "since"), triage_away.given(request, "until"))
    rows = await asyncio.to_thread(listed, found.schedule, span, request.query_params.get("discipline"))
    return triage_away.answer(found, rows)


@get(TEAM + "/who", tags=TAGS, opt={"away": who_was_on})
async def who_is_on(
    request: Asked, app: TheApp, team: FromPath[int], at: FromQuery[datetime | None] = None,
    discipline: FromQuery[str | None] = None,
) -> Ok[list[ShiftRow]]:  # fmt: skip
    """Who is on duty now or at a moment, in one discipline or in all. 404 for another business's team.

    While the database is away a token is told it by a copy, and ``meta.as_of`` says of when that is.
    """
    return ok(on_duty((await stood(request, app, team)).schedule, at, discipline))


@get(TEAM + "/shifts", tags=TAGS, opt={"away": shifts_then})
async def list_shifts(
    request: Asked, app: TheApp, team: FromPath[int], since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None, discipline: FromQuery[str | None] = None,
) -> Ok[list[ShiftRow]]:  # fmt: skip
    """All of a period without a hole, the gaps too; the coming six weeks where none is given, at most 400 days.

    While the database is away a token is told it by a copy, and ``meta.as_of`` says of when that is.
    """
    found, span = await stood(request, app, team), period(since, until)
    return ok(listed(found.schedule, span, discipline))


@get(TEAM + "/load", tags=TAGS)
async def read_load(
    request: Asked, app: TheApp, team: FromPath[int], since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None, discipline: FromQuery[str | None] = None,
) -> Ok[list[Load]]:  # fmt: skip
    """What everybody carried in a period, most days first; the last half year where none is given."""
    found = await stood(request, app, team)
    begins = since if since is not None else datetime.now(UTC) - HALF_A_YEAR
    span = period(begins, until, HALF_A_YEAR)
    return ok(ledger(found.schedule, *span, codes(found.schedule, discipline, *span)))


@get(TEAM + "/troubles", tags=TAGS)
async def list_troubles(
    request: Asked, app: TheApp, team: FromPath[int], since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
) -> Ok[list[Trouble]]:  # fmt: skip
    """What will go wrong if nobody acts, in order of time; in the coming six weeks where no period is given."""
    span = period(since, until)
    schedule, twice = await app.db.run("read rota", lambda conn: _read_across(conn, request, team, span))
    asked = codes(schedule, None, *span)
    listed = [_across(one, schedule.facts.team.id) for one in twice]
    listed += [
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


async def _read_across(
    conn: Conn, request: Asked, team: int, span: tuple[datetime, datetime]
) -> tuple[Schedule, list[Across]]:
    found = await read(conn, request, team)
    return found.schedule, await across.found(conn, schedules(request), found.actor.business_id, found.schedule, *span)


def _across(one: Across, team: int) -> Trouble:
    own, other = one.seen_from(team)
    there = There(other.team_id, other.team, other.shift.discipline)
    return Trouble("double", one.starts_at, one.ends_at, [own.shift.discipline], one.person, there)


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
