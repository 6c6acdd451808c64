"""One person: name, disciplines, account and absences, each changed by a form of its own."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core import people as accounts
from tallybook.core import wall_clock
from tallybook.core.callers import Right, may
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TallybookError
from tallybook.core.marking import N_
from tallybook.core.numbers import INT_DIGITS, number_in
from tallybook.triage.service import absences, actors, calendars, people
from tallybook.triage.service.calendars import New
from tallybook.triage.service.doing import require_lead
from tallybook.triage.store.people import Listed
from tallybook.triage.types import Absence, Calendar, Person

from . import triage_member as member
from . import triage_words as said
from .needs import Asked, TheApp
from .triage_frame import Place, given_in, show, stand
from .triage_member import Does, Found
from .triage_people import NO_NAME, PEOPLE
from .triage_rota import MOST_CHANGES
from .triage_teams import day_of
from .triage_view import lasting

PERSON = PEOPLE + "/{slack_id:str}"
DAY = timedelta(days=1)
LONGEST_KEY = 100
NO_KEY = N_("This page is not one of ours. Load it again.")


@get(PERSON, include_in_schema=False)
async def person_page(request: Asked, app: TheApp, slack_id: FromPath[str]) -> Response[str]:
    """Somebody."""
    return await _shown(request, app, await stand(request, app), slack_id)


async def _shown(
    request: Asked, app: App, place: Place, slack_id: str, given: Mapping[str, str] | None = None,
    error: TallybookError | None = None, *, found: Found | None = None,
) -> Response[str]:  # fmt: skip
    is_admin = may(request.user, Right.ADMINISTER)

    async def read(conn: Conn) -> tuple[list[Listed], list[accounts.Person], list[Calendar]]:
        listed = await people.known(conn, place.actor)
        followed = await calendars.listed(conn, place.actor, slack_id)
        return listed, await accounts.people(conn, place.actor.business_id) if is_admin else [], followed

    listed, logins, followed = await app.db.run("read person", read)
    one = next((row for row in listed if row.slack_id == slack_id), None)
    if one is None:
        raise NotFound("This person is not known here.")
    taken = {row.account_id for row in listed if row.slack_id != slack_id}
    now, facts = place.clock.now, place.facts
    context: dict[str, Any] = {
        "one": one, "now": now, "lasting": lasting, "given": given or {}, "is_admin": is_admin,
        "found": found, "most": MOST_CHANGES, "does": (given or {}).get("does", ""),
        "may_record": place.actor.leads or place.actor.slack_id == slack_id,
        "logins": [person for person in logins if person.active and person.account_id not in taken],
        "standing": {code.code: member.standing(facts, code.code, slack_id, now) for code in place.disciplines},
        "absences": sorted(
            (absence for absence in facts.absences if absence.person == slack_id and absence.ends_at > now),
            key=lambda absence: absence.starts_at,
        ),
        "kinds": said.ABSENCES, "sources": said.SOURCES, "calendars": followed, "unread": said.unread,
        "key": (given or {}).get("key") or secrets.token_urlsafe(16),
    }  # fmt: skip
    return show(request, place, "person", context, error)


Work = Callable[[Conn], Awaitable[object]]


async def _done(request: Asked, app: App, place: Place, slack_id: str, work: Work) -> Response[Any]:
    """Does it and shows the person again; a refusal above what was typed."""
    try:
        await app.db.run("change person", work)
    except (Conflict, Invalid) as error:
        return await _shown(request, app, place, slack_id, await given_in(request), error)
    return Redirect(place.link(f"{PEOPLE}/{slack_id}"), status_code=303)


@post(PERSON + "/name", include_in_schema=False)
async def rename(request: Asked, app: TheApp, slack_id: FromPath[str]) -> Response[Any]:
    """Has somebody be called so."""
    place = await stand(request, app)
    require_lead(place.actor)
    name = (await given_in(request)).get("name", "").strip()

    async def work(conn: Conn) -> None:
        if not name:
            raise Invalid(NO_NAME)
        await _known(conn, place, slack_id)
        await people.put_people(conn, place.actor, [Person(slack_id, name)])

    return await _done(request, app, place, slack_id, work)


async def _known(conn: Conn, place: Place, slack_id: str) -> Listed:
    """Raises NotFound."""
    found = next((one for one in await people.known(conn, place.actor) if one.slack_id == slack_id), None)
    if found is None:
        raise NotFound("This person is not known here.")
    return found


@post(PERSON + "/disciplines", include_in_schema=False)
async def write_membership(request: Asked, app: TheApp, slack_id: FromPath[str]) -> Response[Any]:
    """Looks at somebody's joining or leaving a discipline, or has it done, as seen."""
    place = await stand(request, app)
    require_lead(place.actor)
    one = await app.db.run("read person", lambda conn: _known(conn, place, slack_id))
    given = await given_in(request)
    does = Does.JOIN if given.get("does") == Does.JOIN else Does.LEAVE
    is_sure, home = given.get("do") == "sure", Redirect(place.link(f"{PEOPLE}/{slack_id}"), status_code=303)
    asked = (does, slack_id, (given.get("discipline", ""),), given.get("day", ""))
    found: Found | None = None
    try:
        found = member.looked(place.facts, *asked)
        if member.is_so(place.facts, slack_id, found):
            return home
        if is_sure and given.get("seen", "") == found.seen:
            await member.done(app, place, Person(slack_id, one.name), found, given.get("reason", ""))
            return home
    except (Conflict, Invalid) as error:
        place = await stand(request, app)
        found = member.looked(place.facts, *asked) if found is not None else None
        # The same form, sent twice: who waited for the other had taken an earlier moment for now.
        if found is not None and member.is_so(place.facts, slack_id, found):
            return home
        return await _shown(request, app, place, slack_id, given, error, found=found)
    changed = Conflict(said.CHANGED) if is_sure else None
    return await _shown(request, app, place, slack_id, given, changed, found=found)


@post(PERSON + "/account", include_in_schema=False)
async def link_account(request: Asked, app: TheApp, slack_id: FromPath[str]) -> Response[Any]:
    """Has an account be this person's, or nobody's."""
    place = await stand(request, app)
    number = number_in((await given_in(request)).get("account", ""), INT_DIGITS)

    async def work(conn: Conn) -> None:
        ours = {one.account_id for one in await accounts.people(conn, place.actor.business_id)}
        if number is not None and number not in ours:
            raise Invalid("There is no such person here.")
        await actors.link(conn, request.user, slack_id, number, why=place.actor.why)

    return await _done(request, app, place, slack_id, work)


@post(PERSON + "/absences", include_in_schema=False)
async def write_absence(request: Asked, app: TheApp, slack_id: FromPath[str]) -> Response[Any]:
    """Records that somebody is away, in whole days, once for the form's key; or ends an absence."""
    place = await stand(request, app)
    given = await given_in(request)
    number = number_in(given.get("end", ""))

    async def work(conn: Conn) -> None:
        now = datetime.now(UTC)
        if number is not None:
            await absences.end(conn, place.actor, number, now)
            return
        key = given.get("key", "")
        if not key or len(key) > LONGEST_KEY:
            raise Invalid(NO_KEY)
        first, last = day_of(given.get("first_day", "")), day_of(given.get("last_day") or given.get("first_day", ""))
        zone = place.facts.team.tz
        starts, ends = (wall_clock.instant(datetime.combine(day, time()), zone) for day in (first, last + DAY))
        absence = Absence(0, slack_id, starts, ends, given.get("kind", "leave"))
        await absences.record(conn, place.actor, absence, now, key=f"page {key}")

    return await _done(request, app, place, slack_id, work)


@post(PERSON + "/calendars", include_in_schema=False)
async def write_calendar(request: Asked, app: TheApp, slack_id: FromPath[str]) -> Response[Any]:
    """Has somebody's absences follow a calendar, by its secret address, or one no longer."""
    place = await stand(request, app)
    given = await given_in(request)
    number = number_in(given.get("stop", ""))
    new = New(slack_id, given.get("address", ""), given.get("away") == "yes")

    async def work(conn: Conn) -> None:
        now = datetime.now(UTC)
        if number is not None:
            await calendars.remove(conn, place.actor, number, now, slack_id)
        else:
            await calendars.add(conn, place.actor, app.seal, new, now)

    return await _done(request, app, place, slack_id, work)


HANDLERS = [person_page, rename, write_membership, link_account, write_absence, write_calendar]
