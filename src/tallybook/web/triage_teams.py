"""Teams: their clocks, their disciplines, their holidays; and the form by which the first one is made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, time
from typing import Any

import msgspec
from babel import Locale
from litestar import Response, get, post
from litestar.response import Redirect

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, TallybookError
from tallybook.core.marking import N_
from tallybook.core.numbers import number_in
from tallybook.triage.rules_use import planned_end
from tallybook.triage.service import absences, people
from tallybook.triage.service.doing import Actor, require_lead
from tallybook.triage.types import EVERY_DAY, Discipline, Holiday, Team

from .inbox_automation_words import week, weekdays
from .needs import Asked, TheApp
from .triage_frame import PATH, Place, given_in, show, stand
from .triage_view import lasting

TEAMS = PATH + "/teams"
NO_TIME = N_("A time is written as 08:00.")
NO_DAY = N_("A day is written as 2026-01-31.")
# By these the rota's tables have always known them; other disciplines get a code of their names.
CODES = {
    "ui": "uiEng", "ui engineering": "uiEng", "back end": "beEng", "back end engineering": "beEng",
    "product owner": "po", "producer": "producer", "account": "account",
}  # fmt: skip
LONGEST_CODE = 20
FIRST_YEAR, LAST_YEAR = 1971, 9000


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form of a new team."""

    name: str = ""
    zone: str = ""
    hand_over: str = ""
    disciplines: str = ""


def code_of(name: str, taken: Mapping[str, str]) -> str:
    """The code of a discipline of this name, another than those that are ``taken``. Pure."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    made = "".join(word if place == 0 and word.isupper() else word.lower() if place == 0 else word.capitalize()
                   for place, word in enumerate(words))  # fmt: skip
    code = CODES.get(name.casefold(), made[:LONGEST_CODE]) or "duty"
    number = 2
    while code in taken:
        code = f"{code[: LONGEST_CODE - 2].rstrip('0123456789')}{number}"
        number += 1
    return code


def clock_time(text: str) -> time:
    """A wall time, written as 08:00. Raises Invalid."""
    try:
        return time.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        raise Invalid(NO_TIME) from None


def day_of(text: str) -> date:
    """A day, written as 2026-01-31. Raises Invalid."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(NO_DAY) from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise Invalid("That day is out of range.")
    return day


@get(TEAMS, include_in_schema=False)
async def teams_page(request: Asked, app: TheApp) -> Response[str]:
    """A team's clock, disciplines and holidays, and the form of another team."""
    return shown(request, await stand(request, app))


def shown(
    request: Asked, place: Place, given: Mapping[str, str] | None = None, error: TallybookError | None = None, *,
    found: object = None,
) -> Response[str]:  # fmt: skip
    """The page, with what was typed where it was refused; ``found``: what a discipline's use would change."""
    given = given or {}
    if place.team is None:
        return first(request, place, given, error)
    locale = place.clock.locale
    ahead = sorted((one for one in place.facts.holidays if one.day > place.clock.today), key=lambda one: one.day)
    context: dict[str, Any] = {
        "typed": _typed(given if given.get("form") == "team" else {"zone": place.team.zone}), "given": given,
        "holidays": ahead,
        "days": [(day, weekdays([day], locale)) for day in week(locale)],
        "countries": _countries(locale), "found": found, "lasting": lasting,
        "ends": {one.code: planned_end(place.facts, one.code, place.clock.now) for one in place.all_disciplines},
    }  # fmt: skip
    return show(request, place, "teams", context, error)


def first(
    request: Asked, place: Place, given: Mapping[str, str] | None = None, error: TallybookError | None = None
) -> Response[str]:
    """What a business without any team sees."""
    typed = _typed(given or {"zone": place.clock.business.time_zone})
    return show(request, place, "first", {"typed": typed, "may_lead": place.actor.leads}, error)


def _typed(given: Mapping[str, str]) -> Typed:
    return Typed(*(given.get(name, "") for name in Typed.__struct_fields__))


def _countries(locale: str) -> list[tuple[str, str]]:
    names = Locale.parse(locale).territories
    return sorted(((code, names.get(code, code)) for code in absences.countries()), key=lambda one: one[1])


@post(TEAMS, include_in_schema=False)
async def add_team(request: Asked, app: TheApp) -> Response[Any]:
    """Makes a team with its disciplines, all or nothing."""
    place = await stand(request, app)
    given = await given_in(request)
    typed = _typed(given)

    async def work(conn: Conn) -> int:
        team = Team(0, typed.name, typed.zone.strip(), clock_time(typed.hand_over))
        number = await people.add_team(conn, place.actor, team)
        await _disciplines(conn, place.actor, number, typed.disciplines)
        return number

    try:
        number = await app.db.run("make team", work)
    except (Conflict, Invalid) as error:
        return shown(request, place, given, error)
    return Redirect(f"{PATH}/people?team={number}", status_code=303)


async def _disciplines(conn: Conn, actor: Actor, team: int, names: str) -> None:
    known: dict[str, str] = {}
    for name in (one.strip() for one in names.split(",")):
        if name and name not in known.values():
            code = code_of(name, known)
            await people.put_discipline(conn, actor, team, Discipline(code, name, len(known)))
            known[code] = name


@post(TEAMS + "/clock", include_in_schema=False)
async def change_clock(request: Asked, app: TheApp) -> Response[Any]:
    """Gives a team another zone, hand-over, free days and country."""
    place = await stand(request, app)
    free = [str(one) for one in (await request.form()).getall("weekend", [])]
    given = await given_in(request)
    try:
        team = _changed(place.facts.team, given, set(free))
        await app.db.run("change team", lambda conn: people.change_team(conn, place.actor, team))
    except (Conflict, Invalid) as error:
        return shown(request, place, given | {"weekend": " ".join(free)}, error)
    return Redirect(place.link(TEAMS), status_code=303)


def _changed(team: Team, given: Mapping[str, str], free: AbstractSet[str]) -> Team:
    """A team with the clock that was typed. Raises Invalid."""
    country = given.get("country", "")
    if country and country not in absences.countries():
        raise Invalid("The public holidays of this country are not known.")
    weekend = frozenset(day for day in EVERY_DAY if str(day) in free)
    return msgspec.structs.replace(
        team, zone=given.get("zone", "").strip(), hand_over=clock_time(given.get("hand_over", "")), weekend=weekend,
        country=country,
    )  # fmt: skip


@post(TEAMS + "/disciplines", include_in_schema=False)
async def write_discipline(request: Asked, app: TheApp) -> Response[Any]:
    """Makes a discipline, or gives the one of the form's code its name and place."""
    place = await stand(request, app)
    given = await given_in(request)
    one = _discipline(place.facts.disciplines, given)
    team = place.facts.team.id
    try:
        await app.db.run("write discipline", lambda conn: people.put_discipline(conn, place.actor, team, one))
    except (Conflict, Invalid) as error:
        return shown(request, place, given, error)
    return Redirect(place.link(TEAMS), status_code=303)


def _discipline(disciplines: Sequence[Discipline], given: Mapping[str, str]) -> Discipline:
    """The discipline that was typed. By a name that one has it is that one: a form that was sent twice makes one."""
    name, known = given.get("name", "").strip()[:60], {one.code: one.name for one in disciplines}
    same = next((code for code, other in known.items() if other.casefold() == name.casefold()), None)
    code, at = given.get("code") or same or code_of(name, known), number_in(given.get("place", ""), 4)
    if at is None:
        at = next((one.place for one in disciplines if one.code == code), len(known))
    return Discipline(code, name, at)


@post(TEAMS + "/holidays", include_in_schema=False)
async def write_holidays(request: Asked, app: TheApp) -> Response[Any]:
    """Adds a day, the public ones of the team's country in this year and the next, or takes a day away."""
    place = await stand(request, app)
    require_lead(place.actor)
    form = await request.form()
    team, today = place.facts.team, place.clock.today

    async def work(conn: Conn) -> None:
        off = str(form.get("off", ""))
        if off:
            await absences.drop_holidays(conn, place.actor, team.id, [day_of(off)], today)
            return
        if "country" in form:
            found = [one for one in absences.public(team.country, [today.year, today.year + 1]) if one.day > today]
        else:
            found = [Holiday(day_of(str(form.get("day", ""))), str(form.get("name", "")).strip()[:100])]
        await absences.put_holidays(conn, place.actor, team.id, found, today)

    try:
        await app.db.run("write holidays", work)
    except (Conflict, Invalid) as error:
        return shown(request, place, await given_in(request), error)
    return Redirect(place.link(TEAMS) + "#holidays", status_code=303)


HANDLERS = [teams_page, add_team, change_clock, write_discipline, write_holidays]
