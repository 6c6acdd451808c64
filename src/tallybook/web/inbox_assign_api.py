"""Who works on what, for programs: teams, and whose a thread is."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.inbox import naming
from tallybook.inbox.desk_types import Assignment, Member, Owner, Team
from tallybook.inbox.service import assigning, teams, threads
from tallybook.inbox.service.threads import Thread

from .answers import Ok, ok
from .inbox_api import TAGS, THREADS
from .needs import Asked, TheApp

TEAMS = "/api/crm/teams"
LARGEST_ACCOUNT = 2**31 - 1


class Given(msgspec.Struct, frozen=True):
    """To whom a thread is to be given: the number of an account or of a team; neither is nobody.

    ``only_if_nobodys``: refuse with 409 (``TAKEN``) where somebody has it; for a ``person`` who is the caller.
    """

    person: int | None = None
    team: int | None = None
    only_if_nobodys: bool = False


class OwnerRow(msgspec.Struct, frozen=True):
    """Whose a thread is by now. ``person`` is an account, ``team`` a team; both where one of the team has it."""

    conversation_id: int
    person: int | None
    team: int | None


class AssignmentRow(msgspec.Struct, frozen=True):
    """That a thread was given to somebody, by the names of the moment; with neither, to nobody."""

    at: datetime
    by: str
    person: str | None
    team: str | None


class NewTeam(msgspec.Struct, frozen=True):
    """A team's name, in at most 60 characters, and the accounts of its members."""

    name: str
    members: list[int] = []


class Freed(msgspec.Struct, frozen=True):
    """How many threads were the team's, and are no team's now."""

    threads: int


@post(f"{THREADS}/{{thread_id:str}}/assign", tags=TAGS, status_code=200)
async def assign(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Given]) -> Ok[OwnerRow]:
    """Gives a thread to a person or a team, or to nobody; of two at once the last one wins. 404 outside the business.

    The thread is named by its number, its canonical key, or a phone in any format. 409 where it was to be taken and is
    somebody's.
    """
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Thread:
        thread = await threads.thread(conn, request.user, thread_id)
        if data.only_if_nobodys and data.person in {None, request.user.account_id} and data.team is None:
            return await assigning.take(conn, request.user, thread.id)
        person = data.person if data.person is None or 0 < data.person <= LARGEST_ACCOUNT else 0
        return await assigning.assign(conn, request.user, thread.id, Owner(person, _number(data.team)))

    thread = await app.db.run("assign thread", work)
    return ok(OwnerRow(thread.id, thread.assigned_to, thread.team_id))


@get(f"{THREADS}/{{thread_id:str}}/assignments", tags=TAGS)
async def assignments(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[list[AssignmentRow]]:
    """To whom a thread was given, the oldest first; the latest 200. 404 outside the business."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> list[Assignment]:
        thread = await threads.thread(conn, request.user, thread_id)
        return list(await assigning.history(conn, request.user, thread.id))

    found = await app.db.run("list assignments", work)
    return ok([AssignmentRow(one.at, one.who, one.person, one.team) for one in found])


@get(f"{TEAMS}/people", tags=TAGS)
async def list_members(request: Asked, app: TheApp) -> Ok[list[Member]]:
    """Everybody to whom a thread can be given."""
    return ok(await app.db.run("list people", lambda conn: teams.members(conn, request.user)))


@get(TEAMS, tags=TAGS)
async def list_teams(request: Asked, app: TheApp) -> Ok[list[Team]]:
    """All teams by name, who is in them, and how many threads each has."""
    return ok(await app.db.run("list teams", lambda conn: teams.listed(conn, request.user)))


@post(TEAMS, tags=TAGS, status_code=201)
async def add_team(request: Asked, app: TheApp, data: JSONBody[NewTeam]) -> Ok[Team]:
    """Makes a team. For who may lead. 409 for a name that one has, in whatever case."""

    async def work(conn: Conn) -> Team:
        return await teams.one(conn, request.user, await teams.add(conn, request.user, data.name, data.members))

    return ok(await app.db.run("add team", work))


@put(f"{TEAMS}/{{team_id:int}}", tags=TAGS)
async def change_team(request: Asked, app: TheApp, team_id: FromPath[int], data: JSONBody[NewTeam]) -> Ok[Team]:
    """Gives a team this name and just these members. For who may lead. 404 outside the business, 409 for a name."""
    number = _number(team_id) or 0

    async def work(conn: Conn) -> Team:
        await teams.change(conn, request.user, number, data.name, data.members)
        return await teams.one(conn, request.user, number)

    return ok(await app.db.run("change team", work))


@delete(f"{TEAMS}/{{team_id:int}}", tags=TAGS, status_code=200)
async def remove_team(request: Asked, app: TheApp, team_id: FromPath[int]) -> Ok[Freed]:
    """Takes a team away; who has one of its threads keeps it. For who may lead. 404 outside the business."""
    number = _number(team_id) or 0
    return ok(Freed(await app.db.run("remove team", lambda conn: teams.remove(conn, request.user, number))))


def _number(given: int | None) -> int | None:
    """Raises NotFound for what nothing can be numbered."""
    if given is not None and naming.number(str(given)) is None:
        raise NotFound("There is no such team.")
    return given


HANDLERS = [assign, assignments, list_members, list_teams, add_team, change_team, remove_team]
