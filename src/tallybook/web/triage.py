"""The calendar of triage: who is on duty, by month and by sprint, with gaps, overrides, absences and holidays."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from babel.dates import format_date
from litestar import Request, Response, get

from tallybook.core.db import Conn
from tallybook.core.marking import N_
from tallybook.core.numbers import number_in
from tallybook.triage import rules
from tallybook.triage.rules_across import Across
from tallybook.triage.rules_announce import standing
from tallybook.triage.rules_cover import doubles
from tallybook.triage.rules_overrides import Asked as AskedFor
from tallybook.triage.service import across
from tallybook.triage.store import overrides
from tallybook.triage.types import Shift, Sprint

from . import errors, triage_view
from .answers import Fault
from .needs import Asked, TheApp
from .triage_frame import PATH, Place, is_part, schedules, show, stand
from .triage_teams import FIRST_YEAR, LAST_YEAR, first
from .triage_view import Canvas

MOST_TWICE = 3
MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
LOOK_AHEAD = timedelta(days=42)
ELSEWHERE = N_(
    "Nothing that was received is lost. Who is on duty can be read meanwhile in Slack, in calendars that somebody "
    "subscribed to, by programs with a token, and with “tallybook triage who” on the server."
)


class Twice(msgspec.Struct, frozen=True):
    """That somebody will be on duty in two disciplines at once; ``there`` is the other one's team, if it is another."""

    person: str
    starts_at: datetime
    ends_at: datetime
    one: str
    other: str
    there: str = ""


async def elsewhere(request: Request[Any, Any, Any]) -> Response[Any]:
    """Where the rota is to be read while nobody can be asked who somebody is."""
    fault = Fault("UNAVAILABLE", ELSEWHERE)
    return errors.answer(request, errors.UNAVAILABLE, fault, {"retry-after": str(errors.RETRY_AFTER)})


@get(PATH, include_in_schema=False, opt={"away": elsewhere})
async def calendar_page(request: Asked, app: TheApp) -> Response[str]:
    """A month, or a sprint; where there is no team yet, how to make one."""
    place = await stand(request, app)
    if place.team is None:
        return first(request, place)
    waiting, in_two_teams = await app.db.run("read waiting", lambda conn: _read(conn, request, place))
    by_sprint = request.query_params.get("view") == "sprint"
    if by_sprint:
        context = _of_sprint(place, waiting, number_in(request.query_params.get("sprint", "")))
    else:
        context = _of_month(place, waiting, request.query_params.get("month", ""))
    now = place.clock.now
    context |= {
        "by_sprint": by_sprint, "standing": standing(place.of, now), "gaps": _gaps(place),
        "twice": _twice(place, in_two_teams), "most_twice": MOST_TWICE, "lasting": triage_view.lasting,
        "reason_of": rules.reason_of,
    }  # fmt: skip
    return show(request, place, "calendar_part" if is_part(request) else "calendar", context)


async def _read(conn: Conn, request: Asked, place: Place) -> tuple[Sequence[AskedFor], Sequence[Across]]:
    """Requests for overrides that wait for a decision, and who will be on duty in another team too."""
    business, now = place.actor.business_id, place.clock.now
    waiting = await overrides.waiting(conn, business, place.facts.team.id)
    return waiting, await across.found(conn, schedules(request), business, place.of, now, now + LOOK_AHEAD)


def _gaps(place: Place) -> list[Shift]:
    """The next time in each discipline when nobody is on duty though somebody should be."""
    now = place.clock.now
    found = (rules.gaps(place.of, one.code, now, now + LOOK_AHEAD) for one in place.all_disciplines)
    return [gaps[0] for gaps in found if gaps]


def _twice(place: Place, in_two_teams: Sequence[Across]) -> list[Twice]:
    """Who will be on duty twice at once in the coming weeks, in this team or in another one too, in order of time."""
    now = place.clock.now
    names = {one.code: one.name for one in place.all_disciplines}
    found = [
        Twice(one.person, one.starts_at, one.ends_at, names[one.one.discipline], names[one.other.discipline])
        for one in doubles(place.of, now, now + LOOK_AHEAD)
    ]
    for both in in_two_teams:
        own, other = both.seen_from(place.facts.team.id)
        found.append(Twice(both.person, both.starts_at, both.ends_at, own.discipline, other.discipline, other.team))
    return sorted(found, key=lambda one: (one.starts_at, one.person))


def _of_month(place: Place, waiting: Sequence[AskedFor], given: str) -> dict[str, Any]:
    begins = month_of(given) or place.clock.today.replace(day=1)
    ends = begins.replace(day=monthrange(begins.year, begins.month)[1])
    canvas = Canvas(place.of, place.clock, begins, ends, place.actor.slack_id, waiting)
    before, after = begins - timedelta(days=1), ends + timedelta(days=1)
    return _shown(canvas) | {
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
    return _shown(canvas) | {
        "title": sprint.name, "span": triage_view.lasting(place.clock, *span), "sprint": sprint,
        "before": place.link(view="sprint", sprint=sprints[at - 1].id) if at else None,
        "after": place.link(view="sprint", sprint=sprints[at + 1].id) if at + 1 < len(sprints) else None,
    }  # fmt: skip


def running(sprints: Sequence[Sprint], place: Place) -> Sprint | None:
    """The sprint that runs, else the next one, else the last one; None where there are none. They are in order."""
    now = place.clock.now
    ahead = (one for one in sprints if one.ends_at > now)
    return next(ahead, sprints[-1] if sprints else None)


def _shown(canvas: Canvas) -> dict[str, Any]:
    return {"weeks": triage_view.drawn(canvas), "lines": triage_view.listed(canvas)}


HANDLERS = [calendar_page]
