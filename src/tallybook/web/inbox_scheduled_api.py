"""Messages for later and appointments, for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.inbox import naming
from tallybook.inbox.automation_types import TemplateChoice
from tallybook.inbox.service import appointments, scheduled, threads
from tallybook.inbox.service.appointments import Appointment
from tallybook.inbox.service.scheduled import Later, Said, Wanted

from .answers import Ok, ok
from .inbox_api import TAGS, THREADS
from .inbox_scheduled_view import wall
from .needs import Asked, TheApp

SCHEDULED = "/api/inbox/scheduled"
APPOINTMENTS = "/api/inbox/appointments"
MONTH = timedelta(days=31)


class NewLater(msgspec.Struct, frozen=True):
    """What is to be said at a time on the business's wall, as ``2026-12-24T09:00``: a text, or a template.

    ``unless_written``: not if the customer writes first. ``key`` names the request, so that a repeat asks for nothing;
    of a change, ``changed`` is how often the message was changed when it was looked at.
    """

    at: str
    text: str = ""
    template: TemplateChoice | None = None
    unless_written: bool = False
    key: str = ""
    changed: int = 0


class NewAppointment(msgspec.Struct, frozen=True):
    """A meeting by the business's wall, as ``2026-12-24T09:00``. ``key`` names the request."""

    title: str
    starts: str
    ends: str
    place: str = ""
    key: str = ""


class NewStatus(msgspec.Struct, frozen=True):
    """``booked``, ``confirmed``, ``cancelled`` or ``done``."""

    status: str


def _later(data: NewLater) -> Wanted:
    said = Said("" if data.template else data.text, data.template)
    return Wanted(said, wall(data.at), data.unless_written, data.key, data.changed)


def _meeting(data: NewAppointment) -> appointments.Wanted:
    return appointments.Wanted(data.title, wall(data.starts), wall(data.ends), data.place, data.key)


@get(f"{THREADS}/{{thread_id:str}}/scheduled", tags=TAGS)
async def list_scheduled(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[list[Later]]:
    """What was ever left for later in a thread, at most 50. 404 outside the business."""

    async def work(conn: Conn) -> list[Later]:
        thread = await threads.thread(conn, request.user, thread_id)
        return await scheduled.everything(conn, request.user, thread.id)

    return ok(await app.db.run("list later messages", work))


@post(f"{THREADS}/{{thread_id:str}}/scheduled", tags=TAGS, status_code=201)
async def schedule(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[NewLater]) -> Ok[Later]:
    """Leaves a message for later, once for its key. For who may answer. 404 outside the business."""

    async def work(conn: Conn) -> Later:
        thread = await threads.thread(conn, request.user, thread_id)
        return await scheduled.schedule(conn, request.user, thread.id, _later(data), datetime.now(UTC))

    return ok(await app.db.run("send later", work))


@put(f"{SCHEDULED}/{{number:int}}", tags=TAGS)
async def change_scheduled(request: Asked, app: TheApp, number: FromPath[int], data: JSONBody[NewLater]) -> Ok[Later]:
    """Changes a message that waits. 409 where it waits no more, or was changed since ``changed``."""
    one, now = _number(number, "message"), datetime.now(UTC)
    return ok(
        await app.db.run("change later", lambda conn: scheduled.change(conn, request.user, one, _later(data), now))
    )


@delete(f"{SCHEDULED}/{{number:int}}", tags=TAGS, status_code=200)
async def cancel_scheduled(request: Asked, app: TheApp, number: FromPath[int]) -> Ok[Later]:
    """Has a message never be sent; a second time changes nothing. 409 where it was sent."""
    one, now = _number(number, "message"), datetime.now(UTC)
    return ok(await app.db.run("cancel later", lambda conn: scheduled.cancel(conn, request.user, one, now)))


@post(f"{SCHEDULED}/{{number:int}}/seen", tags=TAGS, status_code=200)
async def see_scheduled(request: Asked, app: TheApp, number: FromPath[int]) -> Ok[Later]:
    """Somebody has seen that a message was missed."""
    one, now = _number(number, "message"), datetime.now(UTC)
    return ok(await app.db.run("see missed", lambda conn: scheduled.dismiss(conn, request.user, one, now)))


@get(APPOINTMENTS, tags=TAGS)
async def list_appointments(
    request: Asked, app: TheApp, since: FromQuery[str | None] = None, until: FromQuery[str | None] = None
) -> Ok[list[Appointment]]:
    """The meetings that begin from one moment until another, as ISO 8601 with a zone; else those of a month from now.

    100 at most. 400 for what is no moment.
    """
    begin = _moment(since) or datetime.now(UTC)
    end = _moment(until) or begin + MONTH
    found = await app.db.run("list meetings", lambda conn: appointments.listed(conn, request.user, begin, end))
    return ok(list(found))


@get(f"{THREADS}/{{thread_id:str}}/appointments", tags=TAGS)
async def thread_appointments(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[list[Appointment]]:
    """The meetings with a thread's customer, from a month ago on. 404 outside the business."""

    async def work(conn: Conn) -> list[Appointment]:
        thread = await threads.thread(conn, request.user, thread_id)
        return list(await appointments.coming(conn, request.user, thread.id, datetime.now(UTC)))

    return ok(await app.db.run("list meetings", work))


@post(f"{THREADS}/{{thread_id:str}}/appointments", tags=TAGS, status_code=201)
async def book(
    request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[NewAppointment]
) -> Ok[Appointment]:
    """Books a meeting with a thread's customer, once for its key. For who may answer. 404 outside the business."""

    async def work(conn: Conn) -> Appointment:
        thread = await threads.thread(conn, request.user, thread_id)
        return await appointments.book_in(conn, request.user, thread.id, _meeting(data), datetime.now(UTC))

    return ok(await app.db.run("book", work))


@put(f"{APPOINTMENTS}/{{number:int}}", tags=TAGS)
async def change_appointment(
    request: Asked, app: TheApp, number: FromPath[int], data: JSONBody[NewAppointment]
) -> Ok[Appointment]:
    """Has a meeting be another one. At another time nobody has confirmed it, and it is reminded of anew."""
    one, now = _number(number, "appointment"), datetime.now(UTC)
    meeting = _meeting(data)
    return ok(
        await app.db.run("change meeting", lambda conn: appointments.change(conn, request.user, one, meeting, now))
    )


@post(f"{APPOINTMENTS}/{{number:int}}/status", tags=TAGS, status_code=200)
async def set_status(request: Asked, app: TheApp, number: FromPath[int], data: JSONBody[NewStatus]) -> Ok[Appointment]:
    """Confirms, cancels, ends or books a meeting again. A repeat changes nothing."""
    one, now = _number(number, "appointment"), datetime.now(UTC)

    async def work(conn: Conn) -> Appointment:
        return await appointments.set_status(conn, request.user, one, data.status, now)

    return ok(await app.db.run("turn meeting", work))


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid("A moment is written as 2026-12-24T09:00:00Z, with its zone.")
    return found


def _number(given: int, what: str) -> int:
    number = naming.number(str(given))
    if number is None:
        raise NotFound(f"There is no such {what}.")
    return number


HANDLERS = [
    list_scheduled, schedule, change_scheduled, cancel_scheduled, see_scheduled,
    list_appointments, thread_appointments, book, change_appointment, set_status,
]  # fmt: skip
