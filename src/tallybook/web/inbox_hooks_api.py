"""Webhooks for programs: all that their pages do, as JSON. For tokens with the scope ``admin``."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.inbox.service import hook_list
from tallybook.inbox.service.hook_list import Delivery, Hook, Made, New, Shown

from .answers import Ok, ok
from .inbox_hooks import FILTERS, PAGE_SIZE
from .needs import Asked, TheApp

PATH = "/api/inbox/hooks"
TAGS = ["Inbox"]


class NewHook(msgspec.Struct, frozen=True):
    """A webhook to be: a name of its own, an https address, and the events that it wants."""

    name: str
    url: str
    events: list[str]

    def __repr__(self) -> str:
        return "NewHook(…)"


class HookSecret(msgspec.Struct, frozen=True):
    """A webhook's number, and the secret that signs from now on, for the only time."""

    id: int
    secret: str

    def __repr__(self) -> str:
        return f"HookSecret({self.id})"


class HookRow(msgspec.Struct, frozen=True):
    """A webhook. ``state`` is on, off, or failed: off by itself, since it only failed.

    ``waiting`` counts what waits to arrive, ``parked`` what was given up after a day.
    """

    id: int
    name: str
    host: str
    events: list[str]
    state: str
    waiting: int
    parked: int
    failing_since: datetime | None
    delivered_at: datetime | None
    rotating_until: datetime | None


class EventRow(msgspec.Struct, frozen=True):
    """An event that a webhook is told. ``state`` is waiting, sending, delivered, parked or captured.

    ``event_id`` is what the receiver sees. ``status`` and ``says`` are the last answer's, with its first bytes.
    """

    id: int
    event_id: str
    event: str
    conversation_id: int | None
    at: datetime
    state: str
    attempts: int
    status: int | None
    says: str
    done_at: datetime | None


class EventsPage(msgspec.Struct, frozen=True):
    """Events of a webhook, the newest first. ``before`` leads to the older ones; it is null on the last page."""

    hook: HookRow
    events: list[EventRow]
    before: int | None


class Switch(msgspec.Struct, frozen=True):
    on: bool


class Again(msgspec.Struct, frozen=True):
    """Which event is told again; null for all that were given up."""

    event: int | None = None


class Told(msgspec.Struct, frozen=True):
    """How many events wait again."""

    events: int


@get(PATH, tags=TAGS)
async def list_hooks(request: Asked, app: TheApp) -> Ok[list[HookRow]]:
    """The webhooks of the business."""
    found = await app.db.run("list webhooks", lambda conn: hook_list.listed(conn, request.user))
    return ok([_row(one) for one in found])


@post(PATH, tags=TAGS, status_code=201)
async def make_hook(request: Asked, app: TheApp, data: JSONBody[NewHook]) -> Ok[HookSecret]:
    """Has an address be told from now on. 409 for a name that is taken, so that a repeat adds no second one."""
    new = New(data.name, data.url, data.events)
    return _secret(await app.db.run("add webhook", lambda conn: hook_list.add(conn, request.user, app.seal, new)))


@get(f"{PATH}/{{hook_id:int}}/events", tags=TAGS)
async def list_hook_events(
    request: Asked, app: TheApp, hook_id: FromPath[int], show: FromQuery[str] = "all", before: FromQuery[int] = 0
) -> Ok[EventsPage]:
    """What a webhook was told, 50 at a time. ``show`` is ``all``, ``waiting``, ``failed`` or ``arrived``."""
    if show not in FILTERS:
        raise Invalid("There is no such filter.", filters=list(FILTERS))

    async def read(conn: Conn) -> Shown:
        return await hook_list.shown(conn, request.user, hook_id, FILTERS[show], before, PAGE_SIZE)

    found = await app.db.run("show webhook", read)
    return ok(EventsPage(_row(found.hook), [_event(one) for one in found.events], found.before))


@post(f"{PATH}/{{hook_id:int}}/rotate", tags=TAGS, status_code=200)
async def rotate_secret(request: Asked, app: TheApp, hook_id: FromPath[int]) -> Ok[HookSecret]:
    """Another secret. For a day the one before signs too, in the same header."""

    async def work(conn: Conn) -> Made:
        return await hook_list.rotate(conn, request.user, app.seal, hook_id)

    return _secret(await app.db.run("rotate webhook", work))


@post(f"{PATH}/{{hook_id:int}}/switch", tags=TAGS, status_code=200)
async def switch(request: Asked, app: TheApp, hook_id: FromPath[int], data: JSONBody[Switch]) -> Ok[HookRow]:
    """On or off. What waited for one that was switched off by itself is told at once when it is on again."""

    async def work(conn: Conn) -> Hook:
        await hook_list.switch(conn, request.user, hook_id, on=data.on)
        return await hook_list.one(conn, request.user, hook_id)

    return ok(_row(await app.db.run("switch webhook", work)))


@post(f"{PATH}/{{hook_id:int}}/test", tags=TAGS, status_code=200)
async def send_test(request: Asked, app: TheApp, hook_id: FromPath[int]) -> Ok[HookRow]:
    """Tells a webhook that this is a test, the way of every event. 409 while it is off."""

    async def work(conn: Conn) -> Hook:
        await hook_list.test(conn, request.user, hook_id)
        return await hook_list.one(conn, request.user, hook_id)

    return ok(_row(await app.db.run("test webhook", work)))


@post(f"{PATH}/{{hook_id:int}}/again", tags=TAGS, status_code=200)
async def resend(request: Asked, app: TheApp, hook_id: FromPath[int], data: JSONBody[Again | None] = None) -> Ok[Told]:
    """Tells one event again, or all that were given up. Each keeps its id."""
    event = data.event if data else None
    return ok(Told(await app.db.run("tell again", lambda conn: hook_list.again(conn, request.user, hook_id, event))))


@delete(f"{PATH}/{{hook_id:int}}", tags=TAGS, status_code=200)
async def delete_hook(request: Asked, app: TheApp, hook_id: FromPath[int]) -> Ok[None]:
    """Takes a webhook away, with all that it was and would be told."""
    await app.db.run("remove webhook", lambda conn: hook_list.remove(conn, request.user, hook_id))
    return ok(None)


def _secret(made: Made) -> Ok[HookSecret]:
    return ok(HookSecret(made.id, made.secret))


def _row(hook: Hook) -> HookRow:
    return HookRow(
        hook.id,
        hook.name,
        hook.host,
        hook.events,
        hook.state,
        hook.waiting,
        hook.parked,
        hook.failing_since,
        hook.delivered_at,
        hook.rotating_until,
    )


def _event(one: Delivery) -> EventRow:
    return EventRow(
        one.id,
        one.key,
        one.kind,
        one.conversation_id or None,
        one.at,
        one.state,
        one.attempts,
        one.status,
        one.says,
        one.done_at,
    )


HANDLERS = [list_hooks, make_hook, list_hook_events, rotate_secret, switch, send_test, resend, delete_hook]
