"""The page of teams: who is in each, how many threads it has, and what taking it away would do."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid
from tallybook.inbox import naming
from tallybook.inbox.service import teams

from . import errors, pages
from .inbox_view import PATH
from .needs import Asked, TheApp

TEAMS = PATH + "/teams"


@get(TEAMS, include_in_schema=False)
async def teams_page(request: Asked, app: TheApp) -> Response[str]:
    """All teams."""
    return await _show(request, app)


async def _show(request: Asked, app: App, error: Conflict | Invalid | None = None, typed: str = "") -> Response[str]:
    require(request.user, Right.SEE)
    listed = await app.db.run("list teams", lambda conn: teams.listed(conn, request.user))
    people = await app.db.run("list people", lambda conn: teams.members(conn, request.user))
    trouble = pages.clock_of(request).words.gettext(error.message) if error else ""
    context: dict[str, Any] = {"teams": listed, "people": people, "trouble": trouble, "typed": typed}
    context["may_lead"] = may(request.user, Right.LEAD)
    return pages.page(request, "inbox/teams.html", context, errors.status_of(error) if error else 200)


@post(TEAMS, include_in_schema=False)
async def write_team(request: Asked, app: TheApp) -> Response[Any]:
    """Makes a team, or gives the one of the form's number its name and members."""
    form = await request.form()
    name, number = str(form.get("name", "")), naming.number(str(form.get("team", "")))
    chosen = [naming.number(str(one)) for one in form.getall("member", [])]
    members = [one for one in chosen if one is not None]

    async def work(conn: Conn) -> None:
        if number is None:
            await teams.add(conn, request.user, name, members)
        else:
            await teams.change(conn, request.user, number, name, members)

    try:
        await app.db.run("write team", work)
    except (Conflict, Invalid) as error:
        return await _show(request, app, error, name if number is None else "")
    return Redirect(TEAMS, status_code=303)


@post(TEAMS + "/{team_id:int}/remove", include_in_schema=False)
async def remove_team(request: Asked, app: TheApp, team_id: FromPath[int]) -> Redirect:
    """Takes a team away."""
    number = naming.number(str(team_id)) or 0
    await app.db.run("remove team", lambda conn: teams.remove(conn, request.user, number))
    return Redirect(TEAMS, status_code=303)


HANDLERS = [teams_page, write_team, remove_team]
