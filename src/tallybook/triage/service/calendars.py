"""Calendars of others whose events are somebody's absences: given, read again and again, followed, taken away.

An address is a secret: it is kept sealed and shown to nobody. Of its events only the times are kept. Whatever somebody
recorded by hand is no calendar's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.jobs import NewJob, enqueue
from tallybook.core.sealing import Seal
from tallybook.triage import rules_away
from tallybook.triage.blocks import calendars as words
from tallybook.triage.calendar_spans import Asked, Span
from tallybook.triage.rules_away import DAY
from tallybook.triage.store import calendars as store
from tallybook.triage.store import people as people_store
from tallybook.triage.store.calendars import Due
from tallybook.triage.types import Calendar

from .doing import Actor, require_lead, tell
from .following import Source, schedules_of, step
from .schedules import Schedules
from .telling import Notice, audience, deciders, people, stamp
from .telling import tell as leave_word

FOLLOW = "triage.calendars"
EVERY, CLAIMED = timedelta(minutes=30), timedelta(minutes=2)
# A calendar that is away for an hour is nobody's trouble.
PATIENCE = timedelta(hours=3)
MONTHS_AHEAD = 13
MOST = 5  # calendars of one person
LONGEST = 2_000
NAME = "calendar"  # who records what a calendar says
SUBJECT = "followed calendar"  # of the record, in which a calendar is a link of ours


class New(msgspec.Struct, frozen=True):
    """A calendar to be: whose, its secret address, and whether only events count that say that somebody is away."""

    person: str
    address: str
    away: bool = False

    def __repr__(self) -> str:
        return f"New({self.person})"


async def add(conn: Conn, actor: Actor, seal: Seal, new: New, now: datetime) -> int:
    """Has somebody's absences follow a calendar; its number. The same address again is the same calendar.

    Everybody may for themselves, who leads for anybody. Raises NotAllowed, Invalid, NotFound and Conflict.
    """
    _require(actor, new.person)
    address = checked(new.address)
    if not await people_store.held(conn, actor.business_id, [new.person]):
        raise NotFound("This person is not known here.")
    hashed = hashlib.sha256(address.encode()).digest()
    host = (urlsplit(address).hostname or "")[:300]
    found = (hashed, seal.seal(address), host)
    number, is_new = await store.add(
        conn, actor.business_id, new.person, found, away=new.away, made_by=actor.name, now=now
    )
    if is_new and len(await store.listed(conn, actor.business_id, new.person)) > MOST:
        raise Conflict(f"Somebody can have at most {MOST} calendars.")
    await enqueue(conn, [NewJob(FOLLOW)])
    if is_new:
        after = {"person": new.person, "host": host, "away": new.away}
        await tell(conn, actor, "calendar.followed", SUBJECT, number, None, after)
    return number


def checked(address: str) -> str:
    """The address as it is read. Raises Invalid."""
    address = address.strip()
    if address.startswith("webcal://"):
        address = "https://" + address.removeprefix("webcal://")
    try:
        parts = urlsplit(address)
        is_right = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or not address.isascii() or not address.isprintable() or " " in address or len(address) > LONGEST:
        raise Invalid("The address of a calendar begins with https:// or webcal:// and names a host.")
    return address


async def remove(conn: Conn, actor: Actor, number: int, now: datetime, person: str) -> None:
    """Follows a calendar of somebody's no longer: what it says of now and later is no absence any more.

    Raises NotAllowed and NotFound.
    """
    was = await store.hold(conn, actor.business_id, number)
    if was is None or was.person != person:
        raise NotFound("There is no such calendar.")
    _require(actor, was.person)
    there = await store.absences(conn, actor.business_id, number, now)
    await step(conn, actor, Source(was.person, NAME, calendar=number), rules_away.followed(there, [], now), now)
    await store.remove(conn, actor.business_id, number)
    before = {"person": was.person, "host": was.host, "away": was.away}
    await tell(conn, actor, "calendar.left", SUBJECT, number, before, None)


async def listed(conn: Conn, actor: Actor, person: str) -> list[Calendar]:
    """Somebody's calendars, for themselves and for who leads; for others there are none."""
    if actor.slack_id != person and not actor.leads:
        return []
    return await store.listed(conn, actor.business_id, person)


def _require(actor: Actor, person: str) -> None:
    if actor.slack_id != person:
        require_lead(actor)


async def claim(conn: Conn, now: datetime) -> Due | None:
    """A calendar that is due; whoever dies with it leaves it to another after two minutes."""
    return await store.claim(conn, now, now + CLAIMED)


async def asked_of(conn: Conn, due: Due, now: datetime) -> Asked:
    """What of a calendar counts: from now to the end of the twelfth month ahead; days are the person's own team's."""
    schedules = await schedules_of(conn, due.business_id, due.person, now)
    zone = schedules[0].facts.team.zone if schedules else "UTC"
    month = now.year * 12 + now.month - 1 + MONTHS_AHEAD
    return Asked(now, datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC), zone, due.away)


async def follow(conn: Conn, due: Due, asked: Asked, found: Sequence[Span], now: datetime) -> None:
    """Has the absences be what the calendar says by now. Nothing where it was taken away meanwhile."""
    if await store.hold(conn, due.business_id, due.id) is None:
        return
    schedules = await schedules_of(conn, due.business_id, due.person, now)
    said = [
        (one.starts_at, min(one.ends_at, asked.until))
        for one in found
        if one.days
        or one.ends_at - one.starts_at >= DAY
        or rules_away.is_of_note(schedules, due.person, one.starts_at, one.ends_at)
    ]
    there = await store.absences(conn, due.business_id, due.id, now)
    source, steps = Source(due.person, NAME, calendar=due.id), rules_away.followed(there, said, now)
    await step(conn, Actor(due.business_id, NAME), source, steps, now)
    await store.was_read(conn, due, now, now + EVERY)


async def missed(conn: Conn, schedules: Schedules, due: Due, why: str, now: datetime) -> None:
    """That a calendar could not be read: what it said before stands. Who is concerned is told once, after three hours.

    ``why`` is a word of ``Unreadable`` or ``NoCalendar``, or ``sealed``.
    """
    was = await store.hold(conn, due.business_id, due.id)
    if was is None:
        return
    since, told = was.failing_since or now, was.told_at
    if told is None and now - since >= PATIENCE:
        await _tell(conn, schedules, due, msgspec.structs.replace(was, failed=why, failing_since=since), now)
        told = now
    await store.was_not(conn, due, why, now, next_at=now + EVERY, told=told)


async def _tell(conn: Conn, schedules: Schedules, due: Due, one: Calendar, now: datetime) -> None:
    team = await people_store.own_team(conn, due.business_id, due.person)
    if team is None:
        return
    to = await audience(conn, schedules, due.business_id, team, now)
    about = f"{one.id}-{stamp(one.failing_since or now)}"
    notice = Notice("calendar", about, now + DAY, lambda seen: words.unread(seen, one))
    await leave_word(conn, to, notice, [*people([one.person]), *await deciders(conn, to)])
