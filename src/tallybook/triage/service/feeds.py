"""Calendars by secret link: made, read without a log-in, taken back.

The secret is handed out once and kept as a hash. What a link was last told is kept, so that a change is told with a
higher sequence and a shift that is no more as cancelled; it is brought up to date by whoever reads it first.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec

from tallybook.core import secret_tokens
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.triage import ics
from tallybook.triage.ics import Event, Wanted
from tallybook.triage.rules import Schedule
from tallybook.triage.snapshot import Link, Shelf
from tallybook.triage.store import feeds as store
from tallybook.triage.store import people as people_store
from tallybook.triage.store.feeds import Feed, Opened, Scope

from .doing import Actor, seen, tell
from .schedules import Schedules

BACK, AHEAD = timedelta(days=92), timedelta(days=366)
MOST = 200  # links of a business that hold
MOST_OF_ONE = 20  # of those, made by somebody who does not lead
TOKEN = re.compile(r"([1-9][0-9]{0,8})\.[\w-]{43}")
PRODUCT = "tallybook"
NO_LINK = "This calendar is not there, or no longer."


class Made(msgspec.Struct, frozen=True):
    """A new link; its ``token`` is known now and never again."""

    id: int
    token: str

    def __repr__(self) -> str:
        return f"Made({self.id})"


class Reading(msgspec.Struct, frozen=True):
    """What a link says. ``etag`` is new with the facts and with the day; without ``events`` nothing changed."""

    etag: str
    name: str
    events: list[Event] | None = None


class View(msgspec.Struct, frozen=True):
    """What a link shows, for a picture of it from ``first`` on, which is today by the first team's clocks.

    ``hour`` is the one that runs: what is drawn of now is as old as that, and is another one from the next hour on.
    """

    etag: str
    first: date
    hour: datetime
    scope: Scope
    name: str
    locale: str
    schedules: list[Schedule]


async def make(conn: Conn, actor: Actor, scope: Scope, now: datetime, *, secret: str | None = None) -> Made:
    """A new link: one's own shifts, or those of a discipline or a team; who leads makes them for anybody.

    By a ``secret`` of ``secret_by`` that was used it is the link that was made by it. Raises NotAllowed, NotFound,
    Invalid and Conflict.
    """
    if scope.kind == "person" and actor.slack_id != scope.slack_id and not actor.leads:
        raise NotAllowed("This is somebody else's calendar. Only they, or who leads the team, may share it.")
    await _check(conn, actor, scope)
    token = f"{actor.business_id}.{secret or secret_tokens.new()}"
    hashed = secret_tokens.digest(token)
    await store.take_turn(conn, actor.business_id)
    again = await store.open_(conn, actor.business_id, hashed)
    if again is not None:
        return Made(again.id, token)
    await _check_room(conn, actor)
    number = await store.make(conn, actor.business_id, hashed, scope, (actor.name, actor.account_id, now))
    if number is None:
        raise Conflict("Please try again.")  # it was taken back since
    await tell(conn, actor, "calendar.shared", "calendar", number, None, msgspec.to_builtins(scope))
    return Made(number, token)


def secret_by(key: bytes, actor: Actor, scope: Scope, given: str, now: datetime) -> str | None:
    """The secret of what somebody asks for by a key that was ``given``; None without one.

    Whoever sends a page in again that day thus gets the address that they have, although it is kept nowhere. Of another
    day it is another one: what was taken back is forgotten in the end, and may not be valid again.
    """
    if not given:
        return None
    return _mixed(key, msgspec.json.encode(("triage link", actor.business_id, actor.key, given, scope, _day(now))))


def _mixed(key: bytes, text: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, text, hashlib.sha256)).decode().rstrip("=")


async def _check_room(conn: Conn, actor: Actor) -> None:
    """Raises Conflict."""
    there = await store.listed(conn, actor.business_id)
    if len(there) >= MOST:
        raise Conflict(f"There are {MOST} calendars already. Take one back first.")
    own = [one for one in there if one.account_id == actor.account_id and (one.account_id or one.made_by == actor.name)]
    if len(own) >= MOST_OF_ONE and not actor.leads:
        raise Conflict(f"You have {MOST_OF_ONE} calendars already. Take one back first.")


async def _check(conn: Conn, actor: Actor, scope: Scope) -> None:
    """Raises Invalid and NotFound."""
    if scope.kind == "person" and scope.slack_id is not None:
        if await people_store.named(conn, actor.business_id, scope.slack_id) is None:
            raise NotFound("This person is not known here.")
    elif scope.kind in {"team", "discipline"} and scope.team_id is not None:
        facts = await seen(conn, actor, scope.team_id)
        if scope.kind == "discipline" and not any(one.code == scope.discipline for one in facts.disciplines):
            raise NotFound("There is no such discipline.")
    else:
        raise Invalid("A calendar is of a person, a discipline or a team.")


async def listed(conn: Conn, actor: Actor) -> list[Feed]:
    """The links that hold and that one may take back: one's own, and all for who leads."""
    return [one for one in await store.listed(conn, actor.business_id) if _may_revoke(actor, one)]


async def revoke(conn: Conn, actor: Actor, number: int, now: datetime) -> None:
    """Ends a link at once. Raises NotAllowed, and NotFound where it does not hold."""
    found = next((one for one in await store.listed(conn, actor.business_id) if one.id == number), None)
    if found is None:
        raise NotFound(NO_LINK)
    if not _may_revoke(actor, found):
        raise NotAllowed("Only who made this link, or who leads the team, may take it back.")
    if await store.revoke(conn, actor.business_id, number, actor.name, now):
        await tell(conn, actor, "calendar.revoked", "calendar", number, msgspec.to_builtins(found.scope), None)


def _may_revoke(actor: Actor, feed: Feed) -> bool:
    whose = feed.scope.slack_id is not None and feed.scope.slack_id == actor.slack_id
    made = feed.account_id is not None and feed.account_id == actor.account_id
    return actor.leads or whose or made


async def own_link(conn: Conn, business_id: int, team_id: int, key: bytes, now: datetime) -> str:
    """The token of a link that the product makes for itself, such as for a picture in Slack: the same each time.

    It is made of ``key`` and never kept; once somebody takes it back there is another one.
    """
    times = await store.taken_back(conn, business_id, team_id, PRODUCT)
    token = f"{business_id}.{_mixed(key, f'triage calendar {business_id} {team_id} {times}'.encode())}"
    hashed = secret_tokens.digest(token)
    if await store.open_(conn, business_id, hashed) is None:
        await store.make(conn, business_id, hashed, Scope("team", team_id), (PRODUCT, None, now))
    return token


async def read(
    conn: Conn,
    schedules: Schedules,
    token: str,
    now: datetime,
    *,
    known: frozenset[str],
    instead_of: Callable[[str], str],
) -> Reading:
    """What a link says now; no events where the reader has them, by an ETag that it knows.

    ``instead_of`` gives, in a language, what is said of who stands in, with ``{name}`` in it. Raises NotFound, for
    every wrong token alike.
    """
    business_id, link = await _opened(conn, token, now)
    etag = _etag(link, link.stamp, _day(now))
    if etag in known:
        return Reading(etag, link.name)
    if link.fed != etag:
        fed = await store.hold(conn, business_id, link.id)
        if fed is None:
            raise NotFound(NO_LINK)
        if fed != etag:
            etag = await _tell(conn, schedules, (business_id, link), now, instead_of(link.locale))
    return Reading(etag, link.name, await store.events(conn, business_id, link.id))


async def _tell(conn: Conn, schedules: Schedules, whose: tuple[int, Opened], now: datetime, instead_of: str) -> str:
    """Brings what a held link was told up to date; its new ETag."""
    business_id, link = whose
    found = [await schedules.of(conn, business_id, team_id) for team_id in link.teams]
    now_is = await _events(found, Wanted(link.scope.slack_id, link.scope.discipline, instead_of), now)
    told = await store.events(conn, business_id, link.id)
    changed, gone = ics.revised(told, now_is, now.replace(microsecond=0), _day(now) - BACK)
    # Of the facts that were read, which may be newer than those that the link was opened with.
    etag = _etag(link, _stamp(found), _day(now))
    await store.tell(conn, business_id, link.id, changed, gone, etag)
    return etag


async def _events(found: Sequence[Schedule], wanted: Wanted, now: datetime) -> list[Event]:
    """All that is told of now. In a thread: some 40 µs a shift, of which a large team has thousands."""
    since, until = _day(now) - BACK, _day(now) + AHEAD
    return await asyncio.to_thread(lambda: [one for of in found for one in ics.events(of, wanted, since, until)])


def _stamp(found: Sequence[Schedule]) -> str:
    """The facts' versions, in the order of the teams, as the database puts them together."""
    return "-".join(f"{schedule.facts.team.id}.{schedule.facts.version}" for schedule in found)


async def read_by_copy(
    shelf: Shelf, token: str, now: datetime, *, known: frozenset[str], instead_of: Callable[[str], str]
) -> Reading | None:
    """What a link says while the database is away, by the copy; None where there is none, or it knows no such link.

    Nothing of it is kept: what it was told before stays as it is, and its ETag is none that the database would give.
    """
    await shelf.refresh()
    kept = shelf.current()
    link = kept.links.get(secret_tokens.digest(token).hex()) if kept is not None else None
    if kept is None or link is None:
        return None
    teams = [one for one in kept.teams_of(link.business_id) if one.facts.team.id in link.teams]
    found = [shelf.schedule(one) for one in sorted(teams, key=lambda one: one.facts.team.id)]
    etag = _etag(link, _stamp(found), _day(now))
    if etag in known:  # it has what the database told it of these very facts
        return Reading(etag, link.name)
    events = await _events(found, Wanted(link.slack_id, link.discipline, instead_of(link.locale)), now)
    listed = [msgspec.structs.replace(one, changed_at=kept.as_of) for one in events]
    return Reading(f"copy-{etag}", f"{link.name} ({kept.as_of:%Y-%m-%d %H:%M} UTC)", listed)


async def view(conn: Conn, schedules: Schedules, token: str, now: datetime) -> View:
    """The schedules that a link shows. Raises NotFound for every wrong token alike."""
    business_id, link = await _opened(conn, token, now)
    found = [await schedules.of(conn, business_id, team_id) for team_id in link.teams]
    first = now.astimezone(found[0].facts.team.tz if found else UTC).date()
    hour = now.replace(minute=0, second=0, microsecond=0)
    etag = f"{_etag(link, link.stamp, first)}-{hour.astimezone(UTC):%d%H}"
    return View(etag, first, hour, link.scope, link.name, link.locale, found)


async def _opened(conn: Conn, token: str, now: datetime) -> tuple[int, Opened]:
    match = TOKEN.fullmatch(token)
    link = await store.open_(conn, int(match[1]), secret_tokens.digest(token)) if match else None
    if match is None or link is None:
        raise NotFound(NO_LINK)
    await store.note_read(conn, int(match[1]), link.id, now)
    return int(match[1]), link


def _etag(link: Opened | Link, stamp: str, day: date) -> str:
    """The facts' versions, and the day, since the window moves on with it."""
    return hashlib.sha256(f"{link.id} {stamp} {day:%Y%m%d} {link.locale} {link.name}".encode()).hexdigest()[:32]


def _day(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
