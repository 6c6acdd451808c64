"""Requests that somebody else be on duty: what waits, what is in force, what was; and the page of one, to decide it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TallybookError
from tallybook.core.marking import N_
from tallybook.core.numbers import number_in
from tallybook.triage.rules_overrides import Asked as AskedFor
from tallybook.triage.rules_overrides import State
from tallybook.triage.service import overrides
from tallybook.triage.store import asked as store
from tallybook.triage.store.asked import Listed

from .needs import Asked, TheApp
from .triage_frame import PATH, Place, given_in, is_part, show, stand
from .triage_view import lasting

OVERRIDES = PATH + "/overrides"
ONE = OVERRIDES + "/{number:str}"
MOST_OVER = 30
STATES = {
    State.PENDING: N_("waits for a decision"),
    State.APPROVED: N_("approved"),
    State.DECLINED: N_("declined"),
    State.WITHDRAWN: N_("withdrawn"),
    State.EXPIRED: N_("nobody decided in time"),
}
# What a request is refused with, marked here so that it is translated. Each stands as its source says it.
REFUSALS = (
    N_("This time is over already."), N_("Nobody has a turn in all of this time."), N_("There is no such request."),
    N_("This goes on into another turn. Ask for each turn by itself."), N_("This person is on duty then anyway."),
    N_("Say who should be on duty instead."),
    N_("It was set that nobody is on duty in a part of this time. That must be taken away first."),
    N_("This person does not belong to the discipline in all of this time."), N_("This was withdrawn already."),
    N_("Only whose turn it is, or who offers to take it, can ask for this."),
    N_("The time that was asked for is over."),
    N_("The turn is somebody else's now. It must be asked for again."),
    N_("You have asked for this time already, and it waits for a decision."),
    N_("Another one was approved for a part of this time."),
    N_("A country is given by its two letters, and free days are days of the week."),
    N_("A discipline has a name of at most 60 characters, and a place in lists from 0 to 1000."),
)  # fmt: skip


class Row(msgspec.Struct, frozen=True):
    """A request as it is shown, with both parts where it is an exchange."""

    id: int
    parts: list[AskedFor]
    state: State
    says: str
    asker: str
    reason: str
    note: str
    decided_by: str | None
    decided_at: datetime | None
    may_withdraw: bool


def rows(place: Place, listed: Sequence[Listed]) -> list[Row]:
    """Each request by itself, and the two of an exchange together, in the order of the list."""
    groups: dict[int, list[Listed]] = {}
    for one in listed:
        swap = one.asked.swap
        groups.setdefault(swap if swap is not None else -one.asked.id, []).append(one)
    return [_row(place, group) for group in groups.values()]


# What the product itself says of a decision.
OUR_NOTES = (N_("The sprint was taken away."), N_("Somebody had asked for this time before."))


def _row(place: Place, group: Sequence[Listed]) -> Row:
    first, asked = group[0], group[0].asked
    note = place.clock.words.gettext(first.note) if first.note in OUR_NOTES else first.note
    running = asked.state is State.PENDING or (asked.state is State.APPROVED and asked.ends_at > place.clock.now)
    return Row(
        asked.id, [one.asked for one in group], asked.state, STATES[asked.state], first.asker, asked.reason, note,
        asked.decided_by, asked.decided_at,
        may_withdraw=running and (place.actor.leads or asked.requested_by == place.actor.key),
    )  # fmt: skip


@get(OVERRIDES, include_in_schema=False)
async def overrides_page(request: Asked, app: TheApp) -> Response[str]:
    """What waits, what is in force and ahead, and what was, page by page."""
    return await _shown(request, app, await stand(request, app))


async def _shown(request: Asked, app: App, place: Place, error: TallybookError | None = None) -> Response[str]:
    business, team, now = place.actor.business_id, place.facts.team.id, place.clock.now
    below = number_in(request.query_params.get("below", ""))

    async def read(conn: Conn) -> tuple[list[Listed], list[Listed]]:
        past = await store.over(conn, business, team, now, below=below, limit=MOST_OVER + 1)
        return await store.still_open(conn, business, team, now), past

    open_ones, past = await app.db.run("list overrides", read)
    shown = rows(place, open_ones)
    context: dict[str, Any] = {
        "waiting": [one for one in shown if one.state is State.PENDING],
        "in_force": [one for one in shown if one.state is State.APPROVED],
        "past": rows(place, past[:MOST_OVER]), "below": below, "lasting": lasting, "now": now,
        "older": past[MOST_OVER - 1].asked.id if len(past) > MOST_OVER else None, "names": names_of(place),
    }  # fmt: skip
    return show(request, place, "overrides_part" if is_part(request) else "overrides", context, error)


def names_of(place: Place) -> dict[str, str]:
    """All disciplines of the team by their codes, those not in use too."""
    return {one.code: one.name for one in place.facts.disciplines}


@get(ONE, include_in_schema=False)
async def override_page(request: Asked, app: TheApp, number: FromPath[str]) -> Response[str]:
    """One request, with what may be done about it."""
    place = await stand(request, app)
    return await _one(request, app, place, number)


async def _one(
    request: Asked, app: App, place: Place, number: str, given: dict[str, str] | None = None,
    error: TallybookError | None = None,
) -> Response[str]:  # fmt: skip
    wanted = _number(number)
    team = place.facts.team.id
    listed = await app.db.run("read override", lambda conn: store.one(conn, place.actor.business_id, team, wanted))
    if not listed:
        raise NotFound("There is no such request.")
    one = _row(place, listed)
    context = {"one": one, "lasting": lasting, "names": names_of(place), "given": given or {}}
    return show(request, place, "override", context, error)


@post(ONE, include_in_schema=False)
async def decide(request: Asked, app: TheApp, number: FromPath[str]) -> Response[Any]:
    """Approves, declines or withdraws a request, as the button says. Who comes second is told who was first."""
    place = await stand(request, app)
    given = await given_in(request)
    what, note, wanted = given.get("do", ""), given.get("note", ""), _number(number)

    async def work(conn: Conn) -> None:
        now = datetime.now(UTC)
        if not await store.one(conn, place.actor.business_id, place.facts.team.id, wanted):
            raise NotFound("There is no such request.")
        if what == "approve":
            await overrides.approve(conn, place.actor, wanted, now)
        elif what == "decline":
            await overrides.decline(conn, place.actor, wanted, now, note=note)
        elif what == "withdraw":
            await overrides.withdraw(conn, place.actor, wanted, now, note=note)
        else:
            raise Invalid(N_("Say what is to become of it."))

    try:
        await app.db.run("decide override", work)
    except (Conflict, Invalid) as error:
        return await _one(request, app, await stand(request, app), number, given, error)
    return Redirect(place.link(OVERRIDES), status_code=303)


def _number(given: str) -> int:
    """Raises NotFound for what no request can be numbered."""
    found = number_in(given)
    if found is None:
        raise NotFound("There is no such request.")
    return found


HANDLERS = [overrides_page, override_page, decide]
