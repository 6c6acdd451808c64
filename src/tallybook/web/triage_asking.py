"""Asking that somebody else be on duty: which turn, then who instead, with what speaks for each, when and why."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core import wall_clock
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotAllowed, TallybookError
from tallybook.core.marking import N_
from tallybook.triage.blocks.names import Turn, person_of, turn_of, turn_value
from tallybook.triage.blocks.showing import coming, whole
from tallybook.triage.blocks.wanted import Cover
from tallybook.triage.rules_cover import Proposal, Refusal, proposals
from tallybook.triage.rules_overrides import Part, State
from tallybook.triage.service import overrides
from tallybook.triage.service.doing import Actor
from tallybook.triage.types import Shift

from .needs import Asked, TheApp
from .times import Clock
from .triage_frame import Place, given_in, show, stand
from .triage_overrides import OVERRIDES, names_of
from .triage_person import LONGEST_KEY, NO_KEY
from .triage_view import lasting

NEW = OVERRIDES + "/new"
AHEAD = timedelta(days=120)
MOST_TURNS = 60
LEFT_OPEN = "nobody"  # no Slack id is written like it
NO_TIME = N_("Write when it begins and when it ends.")
NOBODY = N_("Say who should be on duty instead.")
AGAINST = {
    "on_duty": N_("on duty then"), "absent": N_("away then"), "elsewhere": N_("on duty elsewhere then"),
    "leaves": N_("does not belong to it for all of the time"),
}  # fmt: skip
LOCAL = "%Y-%m-%dT%H:%M"


class Choice(msgspec.Struct, frozen=True):
    """A turn that can be asked for, as the list shows it."""

    value: str
    shift: Shift


class Fit(msgspec.Struct, frozen=True):
    """Somebody who could take it, and why, in words."""

    person: str
    because: str


@get(NEW, include_in_schema=False)
async def asking_page(request: Asked, app: TheApp) -> Response[str]:
    """The turns to choose from, one's own or, with ``all``, everybody's; with a ``turn`` the form for it."""
    place = await stand(request, app)
    if not may_ask(place.actor):
        return _nobodys(request, place)
    given = request.query_params.get("turn", "")
    if given:
        return _form(request, place, _turn(place, given))
    own = place.actor.slack_id
    everybody = own is None or "all" in request.query_params
    found = choices(place, None if everybody else own)
    context = {"choices": found, "lasting": lasting, "names": names_of(place), "everybody": everybody, "own": own}
    return show(request, place, "override_turns", context)


def may_ask(actor: Actor) -> bool:
    """Whether there is any turn for which they could ask: their own, one that they offer to take, or anybody's."""
    return actor.leads or actor.slack_id is not None


def _nobodys(request: Asked, place: Place) -> Response[str]:
    return show(request, place, "override_nobodys", {})


def choices(place: Place, person: str | None) -> list[Choice]:
    """The turns of the coming months: somebody's, or everybody's with the one that runs first.

    Of everybody's who does not lead sees those of their own disciplines, which they could take.
    """
    now, found, own = place.clock.now, list[Shift](), place.actor.slack_id
    used = [one.code for one in place.all_disciplines if one.used_in(now, now + AHEAD)]
    codes = [code for code in used if place.actor.leads or own in place.of.rota(code).members]
    if person is not None:
        found = coming(place.of, codes, person, now, now + AHEAD)
    else:
        found = sorted(
            (shift for code in codes for shift in whole(place.of, code, now, now + AHEAD)),
            key=lambda shift: (shift.starts_at, shift.discipline),
        )
    return [Choice(turn_value(one), one) for one in found[:MOST_TURNS]]


def _turn(place: Place, given: str) -> Turn:
    """Raises Invalid and NotFound."""
    turn = turn_of(given)
    place.of.rota(turn.discipline)
    return turn


def _form(
    request: Asked, place: Place, turn: Turn, given: Mapping[str, str] | None = None,
    error: TallybookError | None = None,
) -> Response[str]:  # fmt: skip
    given, clock = given or {}, place.clock
    since = max(turn.starts_at, min(clock.now, turn.ends_at))
    fit, refused = proposals(place.of, turn.discipline, since, turn.ends_at)
    zone, own = clock.business.zone, place.actor.slack_id
    alone = _alone(place, turn)
    if alone is not None:
        fit, refused = [one for one in fit if one.person == alone], [one for one in refused if one.person == alone]
    context: dict[str, Any] = {
        "turn": turn, "value": turn_value(turn), "fit": [Fit(one.person, because(one, clock)) for one in fit],
        "refused": refusals(place, refused), "lasting": lasting, "names": names_of(place), "given": given,
        "since": given.get("since") or f"{turn.starts_at.astimezone(zone):{LOCAL}}",
        "until": given.get("until") or f"{turn.ends_at.astimezone(zone):{LOCAL}}",
        "theirs": _theirs(place, turn), "key": given.get("key") or secrets.token_urlsafe(16),
        "substitute": given.get("substitute") or (own if own != turn.person else ""), "alone": alone,
        "left_open": LEFT_OPEN,
    }  # fmt: skip
    return show(request, place, "override_form", context, error)


def _alone(place: Place, turn: Turn) -> str | None:
    """Who alone may be offered: who does not lead offers for another's turn nobody but themselves."""
    own = place.actor.slack_id
    return None if place.actor.leads or turn.person == own else own


def _theirs(place: Place, turn: Turn) -> list[Choice]:
    """The turns of those who may be offered, in the discipline, for which this one may be exchanged."""
    now, alone = place.clock.now, _alone(place, turn)
    found = (
        one
        for one in whole(place.of, turn.discipline, now, max(now, turn.starts_at) + AHEAD)
        if one.person != turn.person
        and alone in {None, one.person}
        and one.starts_at > now
        and (one.ends_at <= turn.starts_at or one.starts_at >= turn.ends_at)
    )
    return [Choice(turn_value(one), one) for one, _ in zip(found, range(MOST_TURNS), strict=False)]


def because(proposal: Proposal, clock: Clock) -> str:
    """What speaks for somebody: what they carried, covered, and how far away their nearest turns are."""
    reason, words = proposal.reason, clock.words
    parts = [
        words.ngettext("%(num)s day of duty in half a year", "%(num)s days of duty in half a year", reason.days)
        % {"num": reason.days}
    ]
    if reason.covered:
        parts.append(words.gettext("%(num)s of them for others") % {"num": reason.covered})
    if reason.last_ended is not None:
        parts.append(words.gettext("the last until %(time)s") % {"time": clock.short(reason.last_ended)})
    if reason.next_starts is not None:
        parts.append(words.gettext("the next from %(time)s on") % {"time": clock.short(reason.next_starts)})
    return ", ".join(parts)


def refusals(place: Place, refused: Sequence[Refusal]) -> list[tuple[str, str]]:
    """Who could not take it, and why not."""
    say = place.clock.words.gettext
    return [(place.name(one.person), say(AGAINST[one.because])) for one in refused]


@post(NEW, include_in_schema=False)
async def ask(request: Asked, app: TheApp) -> Response[Any]:
    """Asks, once for the form's key; who leads may have it hold at once."""
    place = await stand(request, app)
    if not may_ask(place.actor):
        return _nobodys(request, place)
    given = await given_in(request)
    turn = _turn(place, given.get("turn", ""))
    try:
        await _asked(app, place, read(place, turn, given), _key(given))
    except (Conflict, Invalid, NotAllowed) as error:
        return _form(request, await stand(request, app), turn, given, error)
    return Redirect(place.link(OVERRIDES), status_code=303)


def _key(given: Mapping[str, str]) -> str:
    """Raises Invalid for a form that is none of ours."""
    key = given.get("key", "")
    if not key or len(key) > LONGEST_KEY:
        raise Invalid(NO_KEY)
    return f"page {key}"


async def _asked(app: App, place: Place, wanted: Cover, key: str) -> None:
    async def work(conn: Conn) -> None:
        await request_it(conn, place, wanted, key)

    await app.db.run("ask for cover", work)


async def request_it(conn: Conn, place: Place, wanted: Cover, key: str) -> int:
    """The number of the request that was made by a key, approved where that was wanted. Raises as the service does."""
    now, team = datetime.now(UTC), place.facts.team.id
    if wanted.part.person is None:
        asked = await overrides.unassign(conn, place.actor, team, wanted.part, now, key=key, reason=wanted.reason)
    elif wanted.exchange is None:
        asked = await overrides.request(conn, place.actor, team, wanted.part, now, key=key, reason=wanted.reason)
    else:
        parts = (wanted.part, wanted.exchange)
        asked, _ = await overrides.request_swap(conn, place.actor, team, parts, now, key=key, reason=wanted.reason)
    if wanted.at_once and asked.state is State.PENDING:
        await overrides.approve(conn, place.actor, asked.id, now)
    return asked.id


def read(place: Place, turn: Turn, given: Mapping[str, str]) -> Cover:
    """What was typed into the form of a turn. Raises Invalid."""
    substitute = _substitute(place, given.get("substitute", ""))
    since = _moment(place, given.get("since", ""), turn.starts_at)
    until = _moment(place, given.get("until", ""), turn.ends_at)
    if since >= until or since < turn.starts_at or until > turn.ends_at:
        raise Invalid(N_("What is asked for must be a part of the turn."))
    exchange = None
    if given.get("exchange") and substitute is not None:
        theirs = turn_of(given["exchange"])
        if theirs.person != substitute or theirs.discipline != turn.discipline:
            raise Invalid(N_("The turn in exchange must be one of whoever stands in."))
        exchange = Part(theirs.discipline, turn.person, theirs.starts_at, theirs.ends_at)
    part = Part(turn.discipline, substitute, since, until)
    return Cover(part, exchange, given.get("reason", "").strip(), place.actor.leads and "at_once" in given)


def _substitute(place: Place, given: str) -> str | None:
    """Who instead; None, for who leads, is nobody. Raises Invalid."""
    if given == LEFT_OPEN and place.actor.leads:
        return None
    try:
        return person_of(given)
    except Invalid:
        raise Invalid(NOBODY) from None


def _moment(place: Place, text: str, edge: datetime) -> datetime:
    """By the team's clocks. The turn's own edge, left as it was shown, is just that, also in an hour shown twice."""
    zone = place.clock.business.zone
    if text in {"", f"{edge.astimezone(zone):{LOCAL}}"}:
        return edge
    try:
        wall = datetime.strptime(text, LOCAL)  # noqa: DTZ007 - by the clocks of the zone that follows
        return wall_clock.instant(wall, zone)
    except (ValueError, OverflowError):
        raise Invalid(NO_TIME) from None


HANDLERS = [asking_page, ask]
