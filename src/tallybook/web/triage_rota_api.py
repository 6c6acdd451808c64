"""Changing the rota for programs: teams, disciplines, rosters and sprints, each of which can be looked at before."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from tallybook.core.db import Conn
from tallybook.triage.rules_roster import Change
from tallybook.triage.service import people, rosters, sprints
from tallybook.triage.service.rosters import Plan, Preview
from tallybook.triage.service.sprints import Outcome
from tallybook.triage.store.rosters import Version
from tallybook.triage.types import Rotation, Team

from .answers import Ok, ok
from .needs import Asked, TheApp
from .triage_api import ROOT, TAGS, TEAM, ShiftRow, actor_of, day, moment, number, read, row

DISCIPLINE = TEAM + "/disciplines/{code:str}"
ROSTER = DISCIPLINE + "/roster"
SPRINTS = TEAM + "/sprints"
WEEKEND = frozenset({5, 6})


class NewTeam(msgspec.Struct, frozen=True):
    """A team: its clock (a zone by its name, and the wall time of the hand-over), free days (Monday is 0), country."""

    name: str
    zone: str
    hand_over: time = time(8)
    weekend: frozenset[int] = WEEKEND
    country: str = ""


class Clock(msgspec.Struct, frozen=True):
    """A team's clock from now on; what stands keeps its own."""

    zone: str
    hand_over: time = time(8)
    weekend: frozenset[int] = WEEKEND
    country: str = ""


class Made(msgspec.Struct, frozen=True):
    """The number of what was made."""

    id: int


class Changed(msgspec.Struct, frozen=True):
    """Whether anything is otherwise than it was."""

    changed: bool


class NewRoster(msgspec.Struct, frozen=True):
    """Who takes turns from a moment on. The rotation is as it was where none is given.

    ``in_order``: the first one takes the first turn; else the order goes on where the old one is. ``version`` is that
    of the preview on which somebody decided: 409 where the rota was changed since.
    """

    people: tuple[str, ...]
    since: datetime
    rotation: Rotation | None = None
    in_order: bool = False
    reason: str = ""
    version: int | None = None


class Restore(msgspec.Struct, frozen=True):
    """Which version is brought back, why, and since when (now, where nothing is given)."""

    number: int
    reason: str
    since: datetime | None = None


class Difference(msgspec.Struct, frozen=True):
    """That another is on duty than before."""

    was: ShiftRow
    becomes: ShiftRow


class RosterChange(msgspec.Struct, frozen=True):
    """A version of a roster, what it changes in the half year ahead, and the overrides that stand in for nobody then.

    ``version`` is of the facts by which that was found.
    """

    number: int
    people: tuple[str, ...]
    since: datetime
    rotation: Rotation
    changes: list[Difference]
    idle: list[int]
    version: int


class NewSprint(msgspec.Struct, frozen=True):
    """A sprint: its last day's hand-over is the next one's first. ``reason`` is needed for one that is there."""

    name: str
    first_day: date
    last_day: date
    reason: str = ""

    @property
    def days(self) -> tuple[date, date]:
        """Raises Invalid."""
        return day(self.first_day), day(self.last_day)


class SprintChange(msgspec.Struct, frozen=True):
    """A sprint, what its change changes in the half year ahead, and the overrides that move or go with it.

    ``idle`` are overrides of parts of turns, which stay at their times, and stand in for nobody then.
    """

    id: int
    number: int
    name: str
    starts_at: datetime
    ends_at: datetime
    changes: list[Difference]
    moved: int
    dropped: list[int]
    idle: list[int]


def differences(changes: list[Change]) -> list[Difference]:
    return [Difference(row(one.was), row(one.becomes)) for one in changes]


def _roster(found: Preview) -> RosterChange:
    roster = found.roster
    return RosterChange(
        roster.number, roster.people, roster.since, roster.rotation, differences(found.changes),
        [one.id for one in found.idle], found.version,
    )  # fmt: skip


def _sprint(found: Outcome) -> SprintChange:
    one = found.sprint
    return SprintChange(
        one.id, one.number, one.name, one.starts_at, one.ends_at, differences(found.changes), found.moved,
        found.dropped, [each.id for each in found.idle],
    )  # fmt: skip


@post(ROOT, tags=TAGS, status_code=201)
async def add_team(request: Asked, app: TheApp, data: JSONBody[NewTeam]) -> Ok[Made]:
    """Makes a team. For who may lead. 409 for a name that one has."""
    team = Team(0, data.name, data.zone, data.hand_over, data.weekend, data.country)

    async def work(conn: Conn) -> int:
        return await people.add_team(conn, await actor_of(conn, request), team)

    return ok(Made(await app.db.run("add team", work)))


@put(TEAM + "/clock", tags=TAGS)
async def change_clock(request: Asked, app: TheApp, team: FromPath[int], data: JSONBody[Clock]) -> Ok[Team]:
    """Gives a team another clock, for what is made from now on. For who may lead."""

    async def work(conn: Conn) -> Team:
        found = await read(conn, request, team)
        new = Team(team, found.schedule.facts.team.name, data.zone, data.hand_over, data.weekend, data.country)
        await people.change_team(conn, found.actor, new)
        return new

    return ok(await app.db.run("change team", work))


@get(ROSTER, tags=TAGS)
async def list_versions(request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str]) -> Ok[list[Version]]:
    """All versions of a discipline's roster, the newest first, with who made each, when and why."""

    async def work(conn: Conn) -> list[Version]:
        return await rosters.history(conn, (await read(conn, request, team)).actor, team, code)

    return ok(await app.db.run("list versions", work))


def _plan(code: str, data: NewRoster) -> Plan:
    """Raises Invalid."""
    if data.rotation is not None and data.rotation.counted_from is not None:
        day(data.rotation.counted_from)
    return Plan(code, data.people, moment(data.since), data.rotation, data.in_order)


@post(ROSTER + "/preview", tags=TAGS, status_code=200)
async def preview_roster(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], data: JSONBody[NewRoster]
) -> Ok[RosterChange]:
    """What a new roster would change in the half year ahead. Nothing is kept. For who may lead."""
    plan = _plan(code, data)

    async def work(conn: Conn) -> Preview:
        return await rosters.preview(conn, (await read(conn, request, team)).actor, team, plan, datetime.now(UTC))

    return ok(_roster(await app.db.run("preview roster", work)))


@post(ROSTER, tags=TAGS, status_code=201)
async def change_roster(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], data: JSONBody[NewRoster]
) -> Ok[RosterChange]:
    """Makes a new version of a roster, from now on at the earliest, and says what it changes. For who may lead."""
    plan = _plan(code, data)

    async def work(conn: Conn) -> Preview:
        actor, now = (await read(conn, request, team)).actor, datetime.now(UTC)
        return await rosters.apply(conn, actor, team, plan, now, reason=data.reason, version=data.version)

    return ok(_roster(await app.db.run("change roster", work)))


@post(ROSTER + "/restore", tags=TAGS, status_code=201)
async def restore_roster(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], data: JSONBody[Restore]
) -> Ok[RosterChange]:
    """Brings a former version's people and rule back, as one more version. For who may lead."""
    since = moment(data.since) if data.since is not None else None

    async def work(conn: Conn) -> Preview:
        actor, now = (await read(conn, request, team)).actor, datetime.now(UTC)
        wanted = number(data.number)
        return await rosters.restore(conn, actor, team, code, wanted, now, reason=data.reason, since=since)

    return ok(_roster(await app.db.run("restore roster", work)))


@post(SPRINTS, tags=TAGS, status_code=201)
async def plan_sprint(request: Asked, app: TheApp, team: FromPath[int], data: JSONBody[NewSprint]) -> Ok[SprintChange]:
    """Plans a sprint, numbered after the last one. For who may lead. 409 where it would lie over another."""

    async def work(conn: Conn) -> Outcome:
        actor = (await read(conn, request, team)).actor
        return await sprints.plan(conn, actor, team, data.name, data.days, datetime.now(UTC))

    return ok(_sprint(await app.db.run("plan sprint", work)))


@post(SPRINTS + "/{sprint:int}/preview", tags=TAGS, status_code=200)
async def preview_sprint(
    request: Asked, app: TheApp, team: FromPath[int], sprint: FromPath[int], data: JSONBody[NewSprint]
) -> Ok[SprintChange]:
    """What another name or other days of a sprint would change. Nothing is kept. For who may lead."""

    async def work(conn: Conn) -> Outcome:
        actor, now = (await read(conn, request, team)).actor, datetime.now(UTC)
        return await sprints.preview(conn, actor, team, number(sprint), data.name, data.days, now)

    return ok(_sprint(await app.db.run("preview sprint", work)))


@put(SPRINTS + "/{sprint:int}", tags=TAGS)
async def change_sprint(
    request: Asked, app: TheApp, team: FromPath[int], sprint: FromPath[int], data: JSONBody[NewSprint]
) -> Ok[SprintChange]:
    """Gives a sprint another name or other days; overrides of all of it move along. For who may lead."""

    async def work(conn: Conn) -> Outcome:
        actor, now = (await read(conn, request, team)).actor, datetime.now(UTC)
        wanted = number(sprint)
        return await sprints.change(conn, actor, team, wanted, data.name, data.days, now, reason=data.reason)

    return ok(_sprint(await app.db.run("change sprint", work)))


@delete(SPRINTS + "/{sprint:int}", tags=TAGS, status_code=200)
async def remove_sprint(
    request: Asked, app: TheApp, team: FromPath[int], sprint: FromPath[int], reason: FromQuery[str]
) -> Ok[SprintChange]:
    """Takes away a sprint that has not begun, with what was asked for it. For who may lead."""

    async def work(conn: Conn) -> Outcome:
        actor, now = (await read(conn, request, team)).actor, datetime.now(UTC)
        return await sprints.remove(conn, actor, team, number(sprint), now, reason=reason)

    return ok(_sprint(await app.db.run("remove sprint", work)))


HANDLERS = [
    add_team, change_clock, list_versions, preview_roster, change_roster, restore_roster, plan_sprint,
    preview_sprint, change_sprint, remove_sprint,
]  # fmt: skip
