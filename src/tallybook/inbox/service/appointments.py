"""Meetings with customers: booked, moved, confirmed, cancelled, done. What is said of them is automation's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tallybook.core import audit, wall_clock
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox.store import appointments as store
from tallybook.inbox.store import contacts as contact_store
from tallybook.inbox.store.appointments import Appointment, Meeting

from . import contacts
from .filing import TOPIC

__all__ = ["Appointment", "Wanted", "book", "change", "coming", "listed", "set_status"]

STATUSES = ("booked", "confirmed", "cancelled", "done")
LONGEST = timedelta(days=31)
FARTHEST = timedelta(days=366 * 3)
PAST_SHOWN = timedelta(days=30)
LONGEST_TEXT = 200  # characters of a title or place
LONGEST_KEY = 200


@dataclass(frozen=True)
class Wanted:
    """A meeting by the business's wall: its title, from and to when, and where.

    ``key`` is given by who asks, so that a repeat books nothing.
    """

    title: str
    starts: datetime
    ends: datetime
    place: str = ""
    key: str = ""


async def book(conn: Conn, caller: Caller, contact_id: int, wanted: Wanted, now: datetime) -> Appointment:
    """Books a meeting; a repeat of its key for the contact books nothing and returns the first.

    Raises NotAllowed, NotFound where the business has no such contact, Invalid.
    """
    require(caller, Right.ANSWER)
    key = wanted.key
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Invalid(f"An appointment needs a key of 1 to {LONGEST_KEY} letters, digits or signs.")
    meeting = _checked(caller, wanted, now)
    root = (await contacts.settled(conn, caller.business_id, [contact_id])).get(contact_id)
    if root is None:
        raise NotFound("There is no such contact.")
    made, is_new = await store.add(conn, caller.business_id, root, meeting, (f"{contact_id}:{key}", now))
    if is_new:
        await _told(conn, caller, made, "appointment.booked")
    return made


async def book_in(conn: Conn, caller: Caller, conversation_id: int, wanted: Wanted, now: datetime) -> Appointment:
    """As ``book``, with the customer of a thread."""
    contact_id = await contact_store.of_thread(conn, caller.business_id, conversation_id)
    if contact_id is None:
        raise NotFound("There is no such conversation.")
    return await book(conn, caller, contact_id, wanted, now)


def _checked(caller: Caller, wanted: Wanted, now: datetime) -> Meeting:
    title, place = wanted.title.strip(), wanted.place.strip()
    if not 1 <= len(title) <= LONGEST_TEXT or "\0" in title:
        raise Invalid(f"An appointment needs a title of at most {LONGEST_TEXT} characters.")
    if len(place) > LONGEST_TEXT or "\0" in place:
        raise Invalid(f"A place has at most {LONGEST_TEXT} characters.")
    zone = caller.business.zone
    starts, ends = (
        wall_clock.instant(one.replace(tzinfo=None, second=0, microsecond=0), zone)
        for one in (wanted.starts, wanted.ends)
    )
    if ends <= starts:
        raise Invalid("An appointment ends after it begins.")
    if ends - starts > LONGEST or starts > now + FARTHEST or starts < now - FARTHEST:
        raise Invalid("Choose a day within three years, and at most a month from beginning to end.")
    return Meeting(title, starts, ends, place)


async def change(conn: Conn, caller: Caller, number: int, wanted: Wanted, now: datetime) -> Appointment:
    """Has a meeting be another one; at another time it is confirmed by nobody, and customers are reminded of that time.

    Raises NotAllowed, NotFound, Invalid.
    """
    require(caller, Right.ANSWER)
    meeting = _checked(caller, wanted, now)
    before = await _held(conn, caller, number)
    await store.change(conn, caller.business_id, number, meeting, now)
    after = await _one(conn, caller, number)
    if (before.title, before.starts_at, before.ends_at, before.place) != (
        after.title, after.starts_at, after.ends_at, after.place,
    ):  # fmt: skip
        await _told(conn, caller, after, "appointment.moved" if after.moves != before.moves else "appointment.changed")
    return after


async def set_status(conn: Conn, caller: Caller, number: int, status: str, now: datetime) -> Appointment:
    """Confirms, cancels, ends or books a meeting again; what it is already changes nothing. Raises as change()."""
    require(caller, Right.ANSWER)
    if status not in STATUSES:
        raise Invalid("There is no such status.", statuses=list(STATUSES))
    await _held(conn, caller, number)
    if await store.set_status(conn, caller.business_id, number, status, now):
        await _told(conn, caller, await _one(conn, caller, number), "appointment.changed")
    return await _one(conn, caller, number)


async def coming(conn: Conn, caller: Caller, conversation_id: int, now: datetime) -> Sequence[Appointment]:
    """The meetings with a thread's customer, those of the last month included. Raises NotAllowed."""
    require(caller, Right.SEE)
    contact_id = await contact_store.of_thread(conn, caller.business_id, conversation_id)
    if contact_id is None:
        return []
    return await store.listed(conn, caller.business_id, contact_id, (now - PAST_SHOWN, now + FARTHEST))


async def listed(conn: Conn, caller: Caller, since: datetime, until: datetime) -> Sequence[Appointment]:
    """All meetings of the business that begin between two moments, 100 at most. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.listed(conn, caller.business_id, None, (since, until))


async def one(conn: Conn, caller: Caller, number: int) -> Appointment:
    """Raises NotAllowed and NotFound."""
    require(caller, Right.SEE)
    return await _one(conn, caller, number)


async def _one(conn: Conn, caller: Caller, number: int) -> Appointment:
    found = await store.one(conn, caller.business_id, number)
    if found is None:
        raise NotFound("There is no such appointment.")
    return found


async def _held(conn: Conn, caller: Caller, number: int) -> Appointment:
    found = await store.hold(conn, caller.business_id, number)
    if found is None:
        raise NotFound("There is no such appointment.")
    return found


async def _told(conn: Conn, caller: Caller, made: Appointment, action: str) -> None:
    after = {"starts_at": made.starts_at.isoformat(), "status": made.status}
    await audit.record_by(conn, caller, action, "appointment", str(made.id), None, after)
    await wake_up(conn, TOPIC, caller.business_id)
