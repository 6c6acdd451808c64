"""Sprints: planned, changed and taken away, each looked at before it is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TallybookError
from tallybook.triage.service import rosters, sprints
from tallybook.triage.service.doing import require_lead
from tallybook.triage.service.sprints import Outcome
from tallybook.triage.types import Facts, Sprint

from . import triage_words as said
from .needs import Asked, TheApp
from .triage_frame import PATH, Place, given_in, show, stand
from .triage_rota import MOST_CHANGES, ROTA
from .triage_rota_form import seen
from .triage_teams import day_of
from .triage_view import lasting

SPRINTS = PATH + "/sprints"
USUAL_DAYS = timedelta(days=14)


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form of a sprint."""

    name: str = ""
    first_day: str = ""
    last_day: str = ""
    reason: str = ""

    @property
    def days(self) -> tuple[date, date]:
        """Raises Invalid."""
        return day_of(self.first_day), day_of(self.last_day)


class Found(msgspec.Struct, frozen=True):
    """What would change, and by what that is known again. ``removing``: by taking the sprint away."""

    outcome: Outcome
    seen: str
    removing: bool = False


def following(facts: Facts, today: date) -> Typed:
    """The form of the sprint after the last one: as long, and its name counted on."""
    last = max(facts.sprints, key=lambda one: one.ends_at, default=None)
    if last is None:
        return Typed("", today.isoformat(), (today + USUAL_DAYS).isoformat())
    counted = re.fullmatch(r"(.*?)([0-9]{1,6})", last.name)
    name = f"{counted[1]}{int(counted[2]) + 1}" if counted else ""
    return Typed(name, last.last_day.isoformat(), (last.last_day + (last.last_day - last.first_day)).isoformat())


@get(SPRINTS + "/new", include_in_schema=False)
async def new_page(request: Asked, app: TheApp) -> Response[str]:
    """The form of the sprint that would be next."""
    place = await stand(request, app)
    require_lead(place.actor)
    return _form(request, place, None, following(place.facts, place.clock.today))


@get(SPRINTS + "/{sprint_id:int}", include_in_schema=False)
async def sprint_page(request: Asked, app: TheApp, sprint_id: FromPath[int]) -> Response[str]:
    """The form of one sprint."""
    place = await stand(request, app)
    require_lead(place.actor)
    one = _sprint(place.facts, sprint_id)
    return _form(request, place, one, Typed(one.name, one.first_day.isoformat(), one.last_day.isoformat()))


@post(SPRINTS + "/new", include_in_schema=False)
async def plan_sprint(request: Asked, app: TheApp) -> Response[Any]:
    """Looks at what a new sprint would change, or plans it."""
    place = await stand(request, app)
    return await _answered(request, app, place, None)


@post(SPRINTS + "/{sprint_id:int}", include_in_schema=False)
async def change_sprint(request: Asked, app: TheApp, sprint_id: FromPath[int]) -> Response[Any]:
    """Looks at what a change or taking it away would change, or does that. One that is gone is gone."""
    place = await stand(request, app)
    given = await given_in(request)
    if given.get("do") == "remove" and all(one.id != sprint_id for one in place.facts.sprints):
        return Redirect(place.link(ROTA), status_code=303)
    return await _answered(request, app, place, _sprint(place.facts, sprint_id))


async def _answered(request: Asked, app: App, place: Place, one: Sprint | None) -> Response[Any]:
    require_lead(place.actor)
    given = await given_in(request)
    typed = Typed(*(given.get(name, "") for name in Typed.__struct_fields__))
    button = given.get("do", "look")
    if button == "apply" and one is None and _is_planned(place.facts, typed):
        return Redirect(place.link(ROTA), status_code=303)
    try:
        found = await _looked(app, place, one, typed, removing=button in {"gone", "remove"})
        if button in {"apply", "remove"} and given.get("seen", "") == found.seen:
            await _done(app, place, one, typed, found)
            return Redirect(place.link(ROTA), status_code=303)
    except (Conflict, Invalid, NotFound) as error:
        if await _was_done(request, app, one, typed, button):
            return Redirect(place.link(ROTA), status_code=303)
        return _form(request, place, one, typed, error=error)
    changed = Conflict(said.CHANGED) if button in {"apply", "remove"} else None
    return _form(request, place, one, typed, found=found, error=changed)


async def _was_done(request: Asked, app: App, one: Sprint | None, typed: Typed, button: str) -> bool:
    """Whether what was refused was done a moment ago: by the same form, sent once more."""
    facts = (await stand(request, app)).facts
    if one is None:
        return button == "apply" and _is_planned(facts, typed)
    return button == "remove" and all(other.id != one.id for other in facts.sprints)


def _is_planned(facts: Facts, typed: Typed) -> bool:
    """Whether the sprint that was typed is there already: a form that was sent twice."""
    wanted = (typed.name.strip(), typed.first_day, typed.last_day)
    return any((one.name, one.first_day.isoformat(), one.last_day.isoformat()) == wanted for one in facts.sprints)


async def _looked(app: App, place: Place, one: Sprint | None, typed: Typed, *, removing: bool) -> Found:
    team, actor, now = place.facts.team.id, place.actor, datetime.now(UTC)

    async def work(conn: Conn) -> Found:
        version = await rosters.version_of(conn, actor, team)
        if one is None:
            outcome = await sprints.preview_new(conn, actor, team, typed.name, typed.days, now)
        elif removing:
            outcome = await sprints.preview_removal(conn, actor, team, one.id, now)
        else:
            outcome = await sprints.preview(conn, actor, team, one.id, typed.name, typed.days, now)
        return Found(outcome, seen(version, (outcome.sprint, removing)), removing)

    return await app.db.run("look at sprint", work)


async def _done(app: App, place: Place, one: Sprint | None, typed: Typed, found: Found) -> None:
    """Does it, by the facts of the preview or not at all. Raises Conflict."""
    team, actor, now = place.facts.team.id, place.actor, datetime.now(UTC)

    async def work(conn: Conn) -> None:
        if one is None:
            await sprints.plan(conn, actor, team, typed.name, typed.days, now)
        elif found.removing:
            await sprints.remove(conn, actor, team, one.id, now, reason=typed.reason)
        else:
            await sprints.change(conn, actor, team, one.id, typed.name, typed.days, now, reason=typed.reason)
        # The team is held by now, so that nobody comes in between. What was so already moves no version.
        before = int(found.seen.partition(".")[0])
        if await rosters.version_of(conn, actor, team) not in {before, before + 1}:
            raise Conflict(said.CHANGED)

    await app.db.run("change sprint", work)


def _form(
    request: Asked, place: Place, one: Sprint | None, typed: Typed, *, found: Found | None = None,
    error: TallybookError | None = None,
) -> Response[str]:  # fmt: skip
    now = place.clock.now
    context: Mapping[str, Any] = {
        "one": one, "typed": typed, "found": found, "most": MOST_CHANGES, "lasting": lasting,
        "has_begun": one is not None and one.starts_at <= now,
    }  # fmt: skip
    return show(request, place, "sprint", context, error)


def _sprint(facts: Facts, number: int) -> Sprint:
    found = next((one for one in facts.sprints if one.id == number), None)
    if found is None:
        raise NotFound("There is no such sprint.")
    return found


HANDLERS = [new_page, sprint_page, plan_sprint, change_sprint]
