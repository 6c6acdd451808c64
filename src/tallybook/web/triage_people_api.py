"""People of the rota for programs: who belongs to what, who is away, which days are free."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.triage.blocks import previews
from tallybook.triage.blocks.changes import Shown
from tallybook.triage.service import absences, members, people
from tallybook.triage.service.doing import because, reasoned, require_lead
from tallybook.triage.store.people import Listed
from tallybook.triage.types import Absence, Holiday, Person

from .answers import Ok, ok
from .needs import Asked, TheApp
from .triage_api import ROOT, TAGS, TEAM, actor_of, day, moment, number, read, row, stood
from .triage_rota_api import Changed, Difference

PEOPLE = ROOT + "/people"
MEMBER = TEAM + "/disciplines/{code:str}/members/{slack_id:str}"
ABSENCES = ROOT + "/absences"
LONGEST_KEY = 100
MOST_DAYS = 400


class Name(msgspec.Struct, frozen=True):
    """How somebody is called."""

    name: str


class Leaving(msgspec.Struct, frozen=True):
    """From when on somebody belongs to a discipline no longer (now, where nothing is given), and why.

    ``version`` is that of the preview on which somebody decided: 409 where the rota was changed since. A preview looks
    at neither it nor the reason.
    """

    reason: str = ""
    at: datetime | None = None
    version: int | None = None


class Joining(msgspec.Struct, frozen=True):
    """From when on somebody belongs to a discipline (now, where nothing is given); ``version`` as for leaving."""

    at: datetime | None = None
    version: int | None = None


class MemberChange(msgspec.Struct, frozen=True):
    """What somebody's joining or leaving would change in the half year ahead, by facts of ``version``."""

    changes: list[Difference]
    version: int


class NewAbsence(msgspec.Struct, frozen=True):
    """That somebody cannot be on duty. ``kind`` is ``leave``, ``sick``, ``training`` or ``other``.

    ``key``, or the header ``Idempotency-Key``, records once.
    """

    person: str
    starts_at: datetime
    ends_at: datetime
    kind: str = "leave"
    key: str = ""


class Day(msgspec.Struct, frozen=True):
    """A holiday."""

    day: date
    name: str = ""


class Counted(msgspec.Struct, frozen=True):
    """How many that changed."""

    changed: int


@get(PEOPLE, tags=TAGS)
async def list_people(request: Asked, app: TheApp) -> Ok[list[Listed]]:
    """Everybody who is known, in whatever team."""

    async def work(conn: Conn) -> list[Listed]:
        return await people.known(conn, await actor_of(conn, request))

    return ok(await app.db.run("list people", work))


@put(PEOPLE + "/{slack_id:str}", tags=TAGS)
async def put_person(request: Asked, app: TheApp, slack_id: FromPath[str], data: JSONBody[Name]) -> Ok[Changed]:
    """Has somebody of Slack be known by a name. For who may lead."""

    async def work(conn: Conn) -> bool:
        actor = await actor_of(conn, request)
        require_lead(actor)
        if not data.name.strip():
            raise Invalid("Write how this person is called.")
        return bool(await people.put_people(conn, actor, [Person(slack_id, data.name)]))

    return ok(Changed(await app.db.run("put person", work)))


@put(MEMBER, tags=TAGS)
async def join(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], slack_id: FromPath[str],
    data: JSONBody[Joining | None] = None,
) -> Ok[Changed]:  # fmt: skip
    """Has somebody who is known belong to a discipline from now or a moment on, for good.

    Who stands on its roster has their turns from then on; a leaving that is planned for later is taken back.
    """
    given = data or Joining()
    at = moment(given.at) if given.at is not None else None

    async def work(conn: Conn) -> bool:
        actor = (await read(conn, request, team)).actor
        known = {one.slack_id: one.name for one in await people.known(conn, actor)}
        if slack_id not in known:
            raise NotFound("This person is not known here.")
        asked = (conn, actor, team, code, Person(slack_id, known[slack_id]), datetime.now(UTC))
        return await members.join(*asked, at=at, version=given.version)

    return ok(Changed(await app.db.run("join", work)))


@post(MEMBER + "/preview", tags=TAGS, status_code=200)
async def preview_joining(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], slack_id: FromPath[str],
    data: JSONBody[Joining],
) -> Ok[MemberChange]:  # fmt: skip
    """Whose duty it would change that somebody joins a discipline. Nothing is kept. For who may lead."""
    found, now = await stood(request, app, team), datetime.now(UTC)
    require_lead(found.actor)
    at = moment(data.at) if data.at is not None else now
    members.check_joining(at, now)
    found.schedule.rota(code)
    return ok(_changed(previews.joined_at(found.schedule.facts, slack_id, [code], at, now)))


@post(MEMBER + "/leave/preview", tags=TAGS, status_code=200)
async def preview_leaving(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], slack_id: FromPath[str],
    data: JSONBody[Leaving],
) -> Ok[MemberChange]:  # fmt: skip
    """Whose duty it would change that somebody leaves a discipline. Nothing is kept. For who may lead."""
    found, now = await stood(request, app, team), datetime.now(UTC)
    require_lead(found.actor)
    at = moment(data.at) if data.at is not None else now
    members.check_leaving(at, now)
    found.schedule.rota(code)
    return ok(_changed(previews.left_at(found.schedule.facts, slack_id, code, at, now)))


def _changed(shown: Shown) -> MemberChange:
    return MemberChange([Difference(row(one.was), row(one.becomes)) for one in shown.changes], shown.version)


@post(MEMBER + "/leave", tags=TAGS, status_code=200)
async def leave(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], slack_id: FromPath[str],
    data: JSONBody[Leaving],
) -> Ok[Changed]:  # fmt: skip
    """Has somebody belong to a discipline no longer; from then on the next of the roster has their turns.

    A leaving that is planned already is put off, or brought forward, to this moment.
    """
    at, reason = moment(data.at) if data.at is not None else None, reasoned(data.reason)

    async def work(conn: Conn) -> bool:
        actor, now = because((await read(conn, request, team)).actor, reason), datetime.now(UTC)
        asked = (conn, actor, team, code, slack_id, at or now)
        return bool(await members.leave(*asked, now=now, version=data.version))

    return ok(Changed(await app.db.run("leave", work)))


@post(ABSENCES, tags=TAGS, status_code=201)
async def record_absence(request: Asked, app: TheApp, data: JSONBody[NewAbsence]) -> Ok[Absence]:
    """Records that somebody is away, from now on at the earliest. One's own, or for who may lead anybody's."""
    key = data.key or request.headers.get("idempotency-key", "")
    if not key or len(key) > LONGEST_KEY:
        raise Invalid(f"Give a key of at most {LONGEST_KEY} characters, so that a repeat records nothing twice.")
    absence = Absence(0, data.person, moment(data.starts_at), moment(data.ends_at), data.kind)

    async def work(conn: Conn) -> Absence:
        actor = await actor_of(conn, request)
        return await absences.record(conn, actor, absence, datetime.now(UTC), key=f"api {key}")

    return ok(await app.db.run("record absence", work))


@delete(ABSENCES + "/{absence:int}", tags=TAGS, status_code=200)
async def end_absence(request: Asked, app: TheApp, absence: FromPath[int]) -> Ok[Absence]:
    """Takes back an absence that is ahead, or ends one that runs; as it was. 409 for one that is over."""

    async def work(conn: Conn) -> Absence:
        actor = await actor_of(conn, request)
        return await absences.end(conn, actor, number(absence), datetime.now(UTC))

    return ok(await app.db.run("end absence", work))


@put(TEAM + "/holidays", tags=TAGS)
async def put_holidays(request: Asked, app: TheApp, team: FromPath[int], data: JSONBody[list[Day]]) -> Ok[Counted]:
    """Has these days ahead be the team's holidays, at most 400 at a time. For who may lead."""
    if len(data) > MOST_DAYS:
        raise Invalid(f"At most {MOST_DAYS} days at a time.")
    listed = [Holiday(day(one.day), one.name[:100]) for one in data]

    async def work(conn: Conn) -> int:
        found = await read(conn, request, team)
        today = datetime.now(found.schedule.facts.team.tz).date()
        return await absences.put_holidays(conn, found.actor, team, listed, today)

    return ok(Counted(await app.db.run("put holidays", work)))


@delete(TEAM + "/holidays/{on:date}", tags=TAGS, status_code=200)
async def drop_holiday(request: Asked, app: TheApp, team: FromPath[int], on: FromPath[date]) -> Ok[Counted]:
    """Has a day ahead be an ordinary one. For who may lead."""
    free = day(on)

    async def work(conn: Conn) -> int:
        found = await read(conn, request, team)
        today = datetime.now(found.schedule.facts.team.tz).date()
        return await absences.drop_holidays(conn, found.actor, team, [free], today)

    return ok(Counted(await app.db.run("drop holiday", work)))


HANDLERS = [
    list_people, put_person, join, preview_joining, preview_leaving, leave, record_absence, end_absence, put_holidays,
    drop_holiday,
]  # fmt: skip
