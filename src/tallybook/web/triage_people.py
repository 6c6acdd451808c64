"""People: who belongs to which disciplines, is away or on duty; and the form by which somebody is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.errors import Conflict, Invalid, TallybookError
from tallybook.core.marking import N_
from tallybook.triage.rules import who
from tallybook.triage.rules_members import next_sprint
from tallybook.triage.service import people
from tallybook.triage.service.doing import require_lead
from tallybook.triage.store.people import Listed
from tallybook.triage.types import Absence, Person

from . import triage_member as member
from . import triage_words as said
from .inbox_automation import typed_in
from .needs import Asked, TheApp
from .triage_frame import PATH, Place, is_part, show, stand
from .triage_member import Does, Found
from .triage_rota import MOST_CHANGES
from .triage_view import lasting

PEOPLE = PATH + "/people"
NO_NAME = N_("Write how this person is called.")


class Row(msgspec.Struct, frozen=True):
    """Somebody as the list shows them: the names of their disciplines, those of their duties, and who is away."""

    slack_id: str
    name: str
    has_account: bool
    belongs: list[str]
    on_duty: list[str]
    away: Absence | None


def rows(place: Place, listed: Sequence[Listed]) -> list[Row]:
    """The team's people first, then who belongs to nothing of it."""
    at = place.clock.now
    known = {one.code: one.name for one in place.disciplines}
    duty = {code: who(place.of, code, at).person for code in known}
    coming = sorted((one for one in place.facts.absences if one.ends_at > at), key=lambda one: one.starts_at)
    found = [
        Row(
            one.slack_id, one.name, one.account_id is not None,
            [name for code, name in known.items() if place.of.rota(code).is_member(one.slack_id, at)],
            [known[code] for code, person in duty.items() if person == one.slack_id],
            next((absence for absence in coming if absence.person == one.slack_id), None),
        )
        for one in listed
    ]  # fmt: skip
    return sorted(found, key=lambda row: (not row.belongs, row.name.casefold(), row.slack_id))


@get(PEOPLE, include_in_schema=False)
async def people_page(request: Asked, app: TheApp) -> Response[str]:
    """Everybody who is known."""
    return await _shown(request, app, await stand(request, app))


async def _shown(
    request: Asked, app: App, place: Place, given: Mapping[str, Sequence[str]] | None = None,
    error: TallybookError | None = None, found: Found | None = None,
) -> Response[str]:  # fmt: skip
    listed = await app.db.run("list people", lambda conn: people.known(conn, place.actor))
    given = given or {}
    context: dict[str, Any] = {
        "rows": rows(place, listed), "lasting": lasting, "now": place.clock.now, "found": found, "most": MOST_CHANGES,
        "given": {name: values[-1] for name, values in given.items()}, "chosen": given.get("discipline", ()),
        "sprint": next_sprint(place.facts, place.clock.now) if place.schedule is not None else None,
    }  # fmt: skip
    return show(request, place, "people_part" if is_part(request) else "people", context, error)


@post(PEOPLE, include_in_schema=False)
async def add_person(request: Asked, app: TheApp) -> Response[Any]:
    """Adds somebody by the Slack id, to the disciplines that are ticked. Who is known is given the name.

    Where that would change who is on duty, since they are on a roster, it is looked at first.
    """
    place = await stand(request, app)
    require_lead(place.actor)
    given = await typed_in(request)
    person = Person(given.get("slack_id", [""])[-1].strip().upper(), given.get("name", [""])[-1].strip())
    asked = (Does.JOIN, person.slack_id, tuple(given.get("discipline", ())), given.get("day", [""])[-1])
    home = Redirect(place.link(PEOPLE), status_code=303)
    found: Found | None = None
    try:
        found = member.looked(place.facts, *asked)
        if not found.changes or given.get("seen", [""])[-1] == found.seen:
            await _add(app, place, person, found, given.get("reason", [""])[-1])
            return home
    except (Conflict, Invalid) as error:
        place = await stand(request, app)
        found = member.looked(place.facts, *asked) if isinstance(error, Conflict) else None
        return await _shown(request, app, place, given, error, found)
    changed = Conflict(said.CHANGED) if "seen" in given else None
    return await _shown(request, app, place, given, changed, found)


async def _add(app: App, place: Place, person: Person, found: Found, why: str) -> None:
    if not person.name:
        raise Invalid(NO_NAME)
    if found.disciplines:
        await member.done(app, place, person, found, why)
    else:
        await app.db.run("add person", lambda conn: people.put_people(conn, place.actor, [person]))


HANDLERS = [people_page, add_person]
