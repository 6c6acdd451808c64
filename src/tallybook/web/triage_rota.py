"""The rota: the rosters in force and ahead, their versions, and the form by which one is changed or brought back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TallybookError
from tallybook.core.numbers import number_in
from tallybook.triage.rules import who
from tallybook.triage.service import rosters
from tallybook.triage.service.doing import require_lead
from tallybook.triage.types import Discipline, Facts, Roster

from . import triage_rota_form as forms
from . import triage_words as said
from .inbox_automation import typed_in
from .inbox_automation_words import week, weekdays
from .needs import Asked, TheApp
from .triage_frame import PATH, Place, is_part, show, stand
from .triage_rota_form import Typed
from .triage_view import lasting

ROTA = PATH + "/rota"
CHANGE = ROTA + "/{code:str}/change"
MOST_CHANGES = 40  # that a preview names; the rest are counted
PAST_SPRINTS = 3


class InForce(msgspec.Struct, frozen=True):
    """A discipline's roster now and those that are ahead, with what each goes by."""

    discipline: Discipline
    person: str | None
    now: Roster | None
    rule: str
    ahead: list[tuple[datetime, Roster, str]]
    versions: int


def in_force(place: Place, discipline: Discipline) -> InForce:
    """Which version holds, and which will, each from its first turn on."""
    at, rota = place.clock.now, place.of.rota(discipline.code)
    reign = rota.reign_at(at)
    ahead = [
        (one.since, one.roster, said.rule(one.roster.rotation, place.clock)) for one in rota.reigns if one.since > at
    ]
    count = sum(one.discipline == discipline.code for one in place.facts.rosters)
    rule = said.rule(reign.roster.rotation, place.clock) if reign is not None else ""
    person = who(place.of, discipline.code, at).person
    return InForce(discipline, person, reign.roster if reign is not None else None, rule, ahead, count)


@get(ROTA, include_in_schema=False)
async def rota_page(request: Asked, app: TheApp) -> Response[str]:
    """Who takes turns in each discipline, and the sprints."""
    place = await stand(request, app)
    now = place.clock.now
    sprints = sorted(place.facts.sprints, key=lambda one: one.starts_at)
    over = [one for one in sprints if one.ends_at <= now]
    context = {
        "rosters": [in_force(place, one) for one in place.disciplines], "lasting": lasting,
        "sprints": [*over[-PAST_SPRINTS:], *(one for one in sprints if one.ends_at > now)], "now": now,
    }  # fmt: skip
    return show(request, place, "rota_part" if is_part(request) else "rota", context)


@get(ROTA + "/{code:str}", include_in_schema=False)
async def versions_page(request: Asked, app: TheApp, code: FromPath[str]) -> Response[str]:
    """All versions of a roster, the newest first, each of which can be brought back."""
    place = await stand(request, app)
    one = discipline_of(place, code)
    team = place.facts.team.id
    listed = await app.db.run("list versions", lambda conn: rosters.history(conn, place.actor, team, one.code))
    rules = {
        roster.number: said.rule(roster.rotation, place.clock)
        for roster in place.facts.rosters if roster.discipline == one.code
    }  # fmt: skip
    return show(request, place, "versions", {"one": in_force(place, one), "versions": listed, "rules": rules})


@get(CHANGE, include_in_schema=False)
async def change_page(request: Asked, app: TheApp, code: FromPath[str]) -> Response[str]:
    """The form of a roster as it is, or as the version of that number was."""
    place = await stand(request, app)
    require_lead(place.actor)
    one = discipline_of(place, code)
    given = request.query_params.get("version", "")
    roster = _version(place.facts, one.code, number_in(given, 6)) if given else _newest(place.facts, one.code)
    typed = forms.typed_of(place.facts, one.code, roster, restores=bool(given))
    return _form(request, place, one, typed)


@post(CHANGE, include_in_schema=False)
async def change_roster(request: Asked, app: TheApp, code: FromPath[str]) -> Response[Any]:
    """Moves somebody in the form's list, looks at what the roster would change, or makes it, as the button says."""
    place = await stand(request, app)
    require_lead(place.actor)
    one = discipline_of(place, code)
    given = await typed_in(request)
    button, typed = str(given.get("do", ["look"])[0]), forms.read(given)
    if ":" in button:
        return _form(request, place, one, forms.pressed(typed, button), moved=button)
    try:
        found = previewed(place.facts, one.code, typed)
        if button == "apply" and forms.is_made(place.facts, found.preview.roster):
            return Redirect(place.link(ROTA), status_code=303)
        if button == "apply" and str(given.get("seen", [""])[0]) == found.seen:
            await _apply(app, place, found, typed.reason)
            return Redirect(place.link(ROTA), status_code=303)
    except (Conflict, Invalid, NotFound) as error:
        return await _refused(request, app, one, typed, error)
    changed = Conflict(said.CHANGED) if button == "apply" else None
    return _form(request, place, one, typed, found=found, error=changed)


class Found(msgspec.Struct, frozen=True):
    """A plan, what it would change, and by what it is known again."""

    plan: rosters.Plan
    preview: rosters.Preview
    seen: str


def previewed(facts: Facts, code: str, typed: Typed) -> Found:
    """What the roster that was typed would change. Raises Invalid and NotFound."""
    now = datetime.now(UTC)
    plan = forms.plan(facts, code, typed, now)
    return Found(plan, rosters.previewed(facts, plan, now), forms.seen(facts.version, plan))


async def _apply(app: App, place: Place, found: Found, reason: str) -> None:
    team, version = place.facts.team.id, found.preview.version

    async def work(conn: Conn) -> None:
        now = datetime.now(UTC)
        await rosters.apply(conn, place.actor, team, found.plan, now, reason=reason, version=version)

    await app.db.run("change roster", work)


async def _refused(request: Asked, app: App, one: Discipline, typed: Typed, error: TallybookError) -> Response[Any]:
    """The form as it was typed, with what the roster would change by now, if anything can be said of it."""
    place = await stand(request, app)
    try:
        found = previewed(place.facts, one.code, typed)
    except (Invalid, NotFound):
        return _form(request, place, one, typed, error=error)
    if isinstance(error, Conflict) and forms.is_made(place.facts, found.preview.roster):
        return Redirect(place.link(ROTA), status_code=303)
    return _form(request, place, one, typed, found=found, error=error)


def _form(
    request: Asked, place: Place, one: Discipline, typed: Typed, *, found: Found | None = None, moved: str = "",
    error: TallybookError | None = None,
) -> Response[str]:  # fmt: skip
    locale, at = place.clock.locale, place.clock.now
    members = [key for key, spans in place.of.rota(one.code).members.items() if spans.at(at) is not None]
    running = next((sprint for sprint in place.facts.sprints if sprint.starts_at <= at < sprint.ends_at), None)
    is_first = _newest(place.facts, one.code) is None
    context: dict[str, Any] = {
        "one": one, "typed": typed, "moved": moved, "kinds": said.KINDS, "found": found, "lasting": lasting,
        "others": sorted((key for key in members if key not in typed.people), key=place.name),
        "days": [(day, weekdays([day], locale)) for day in week(locale)],
        "running": running if is_first else None, "most": MOST_CHANGES,
        "rule": said.rule(found.preview.roster.rotation, place.clock, zoned=True) if found else "",
    }  # fmt: skip
    return show(request, place, "roster", context, error)


def discipline_of(place: Place, code: str) -> Discipline:
    """Raises NotFound."""
    found = next((one for one in place.facts.disciplines if one.code == code), None)
    if found is None:
        raise NotFound("There is no such discipline.")
    return found


def _newest(facts: Facts, code: str) -> Roster | None:
    versions: Sequence[Roster] = [one for one in facts.rosters if one.discipline == code]
    return max(versions, key=lambda one: one.number, default=None)


def _version(facts: Facts, code: str, number: int | None) -> Roster:
    found: Mapping[int, Roster] = {one.number: one for one in facts.rosters if one.discipline == code}
    if number is None or number not in found:
        raise NotFound("There is no such version.")
    return found[number]


HANDLERS = [rota_page, versions_page, change_page, change_roster]
