"""The calendar of triage: who is on duty, by month and by sprint, with gaps, overrides, absences and holidays."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from babel.dates import format_date
from litestar import Response, get

from tallybook.app import App
from tallybook.core.numbers import number_in
from tallybook.triage import rules
from tallybook.triage.rules_announce import standing
from tallybook.triage.rules_overrides import Asked as AskedFor
from tallybook.triage.store import overrides
from tallybook.triage.types import Shift, Sprint

from . import triage_view
from .needs import Asked, TheApp
from .triage_frame import PATH, Place, is_part, show, stand
from .triage_teams import FIRST_YEAR, LAST_YEAR, first
from .triage_view import Canvas

MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
LOOK_AHEAD = timedelta(days=42)


@get(PATH, include_in_schema=False)
async def calendar_page(request: Asked, app: TheApp) -> Response[str]:
    """A month, or a sprint; where there is no team yet, how to make one."""
    place = await stand(request, app)
    if place.team is None:
        return first(request, place)
    waiting = await _waiting(app, place)
    by_sprint = request.query_params.get("view") == "sprint"
    if by_sprint:
        context = _of_sprint(place, waiting, number_in(request.query_params.get("sprint", "")))
    else:
        context = _of_month(place, waiting, request.query_params.get("month", ""))
    now = place.clock.now
    context |= {
        "by_sprint": by_sprint, "standing": standing(place.of, now), "gaps": _gaps(place),
    }  # fmt: skip
    return show(request, place, "calendar_part" if is_part(request) else "calendar", context)


async def _waiting(app: App, place: Place) -> Sequence[AskedFor]:
    """Requests for overrides that wait for a decision."""
    team = place.facts.team.id
    return await app.db.run("read waiting", lambda conn: overrides.waiting(conn, place.actor.business_id, team))


def _gaps(place: Place) -> list[Shift]:
    """The next time in each discipline when nobody is on duty though somebody should be."""
    now = place.clock.now
    found = (rules.gaps(place.of, one.code, now, now + LOOK_AHEAD) for one in place.disciplines)
    return [gaps[0] for gaps in found if gaps]


def _of_month(place: Place, waiting: Sequence[AskedFor], given: str) -> dict[str, Any]:
    begins = month_of(given) or place.clock.today.replace(day=1)
    ends = begins.replace(day=monthrange(begins.year, begins.month)[1])
    canvas = Canvas(place.of, place.clock, begins, ends, place.actor.slack_id, waiting)
    before, after = begins - timedelta(days=1), ends + timedelta(days=1)
    return _shown(place, canvas) | {
        "title": format_date(begins, "LLLL y", place.clock.locale), "span": None,
        "before": place.link(month=f"{before:%Y-%m}"), "after": place.link(month=f"{after:%Y-%m}"), "sprint": None,
    }  # fmt: skip


def month_of(text: str) -> date | None:
    """The first day of a month that is written as 2026-01; None for anything else."""
    found = MONTH.fullmatch(text)
    if found is None or not FIRST_YEAR <= int(found[1]) <= LAST_YEAR:
        return None
    return date(int(found[1]), int(found[2]), 1)


def _of_sprint(place: Place, waiting: Sequence[AskedFor], number: int | None) -> dict[str, Any]:
    sprints = sorted(place.facts.sprints, key=lambda one: one.starts_at)
    sprint = next((one for one in sprints if one.id == number), None) or running(sprints, place)
    if sprint is None:
        return {"weeks": [], "lines": [], "title": "", "span": None, "before": None, "after": None, "sprint": None}
    at = sprints.index(sprint)
    span = (sprint.starts_at, sprint.ends_at)
    canvas = Canvas(place.of, place.clock, sprint.first_day, sprint.last_day, place.actor.slack_id, waiting, span)
    return _shown(place, canvas) | {
        "title": sprint.name, "span": triage_view.lasting(place.clock, *span), "sprint": sprint,
        "before": place.link(view="sprint", sprint=sprints[at - 1].id) if at else None,
        "after": place.link(view="sprint", sprint=sprints[at + 1].id) if at + 1 < len(sprints) else None,
    }  # fmt: skip


def running(sprints: Sequence[Sprint], place: Place) -> Sprint | None:
    """The sprint that runs, else the next one, else the last one; None where there are none. They are in order."""
    now = place.clock.now
    ahead = (one for one in sprints if one.ends_at > now)
    return next(ahead, sprints[-1] if sprints else None)


def _shown(place: Place, canvas: Canvas) -> dict[str, Any]:
    names = {one.code: one.name for one in place.disciplines}
    lines = [(names[code], shifts) for code, shifts in triage_view.listed(canvas, names)]
    return {"weeks": triage_view.drawn(canvas), "lines": lines}


HANDLERS = [calendar_page]
