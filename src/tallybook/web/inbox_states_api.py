"""How threads stand, for programs: closed, open again, snoozed; one of them or many at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody

from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.inbox.service import threads
from tallybook.inbox.service.threads import Thread
from tallybook.inbox.session_rules import SOMEDAY

from . import inbox_states
from .answers import Ok, ok
from .inbox_api import CONVERSATIONS, TAGS
from .needs import Asked, TheApp


class Snooze(msgspec.Struct, frozen=True):
    """How long: ``hour``, ``tomorrow`` (9:00), ``week`` (its first day, 9:00), ``customer``, or a moment in ISO 8601.

    A moment without a zone is by the clocks of the business.
    """

    until: str = "customer"


class Several(msgspec.Struct, frozen=True):
    """Threads by their numbers, at most 200, and what becomes of them; ``until`` is for ``snoozed``, as of one."""

    threads: list[int]
    state: Literal["open", "closed", "snoozed"]
    until: str = "customer"


class StateRow(msgspec.Struct, frozen=True):
    """How a thread stands. ``snoozed_until`` is null where it waits for its customer, or is not snoozed.

    ``back_at`` is when it last came back by itself, by the customer or the clock.
    """

    id: str
    conversation_id: int
    state: Literal["open", "closed", "snoozed"]
    snoozed_until: datetime | None
    back_at: datetime | None


class Changed(msgspec.Struct, frozen=True):
    """The numbers of the threads that were not so before. Those that the business does not have are not among them."""

    changed: list[int]


DO = {"open": "reopen", "closed": "close", "snoozed": "snooze"}


@post(f"{CONVERSATIONS}/{{thread_id:str}}/close", tags=TAGS, status_code=200)
async def close(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[StateRow]:
    """Closes a thread, and ends the conversation in it. What the customer writes next opens it. A repeat does nothing.

    The thread is named by its number, its canonical key, or a phone in any format. 404 outside the business.
    """
    return await _put(request, app, thread_id, {"do": "close"})


@post(f"{CONVERSATIONS}/{{thread_id:str}}/reopen", tags=TAGS, status_code=200)
async def reopen(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[StateRow]:
    """Opens a thread that is closed, and wakes one that is snoozed. A repeat does nothing.

    The thread is named by its number, its canonical key, or a phone in any format. 404 outside the business.
    """
    return await _put(request, app, thread_id, {"do": "reopen"})


@post(f"{CONVERSATIONS}/{{thread_id:str}}/snooze", tags=TAGS, status_code=200)
async def snooze(
    request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Snooze | None] = None
) -> Ok[StateRow]:
    """Snoozes a thread until a moment, or until the customer writes; that wakes it in any case. Opens a closed one.

    The thread is named by its number, its canonical key, or a phone in any format. 400 for a moment that is past or
    over a year ahead, 404 outside the business.
    """
    return await _put(request, app, thread_id, {"do": "snooze", "until": (data or Snooze()).until})


@post(f"{CONVERSATIONS}/state", tags=TAGS, status_code=200)
async def put_several(request: Asked, app: TheApp, data: JSONBody[Several]) -> Ok[Changed]:
    """Closes, opens or snoozes many threads at once, all or none.

    400 for none of them, for more than 200, or for a moment of no use.
    """
    require(request.user, Right.ANSWER)
    form = {"do": DO[data.state], "until": data.until}
    known = [number for number in data.threads if 0 < number < 2**63]

    async def work(conn: Conn) -> list[int]:
        return await inbox_states.put(conn, request.user, known, form)

    return ok(Changed(await app.db.run("put threads away", work)))


async def _put(request: Asked, app: App, thread_id: str, form: dict[str, str]) -> Ok[StateRow]:
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Thread:
        thread = await threads.thread(conn, request.user, thread_id)
        await inbox_states.put(conn, request.user, [thread.id], form)
        return await threads.by_number(conn, request.user, thread.id)

    return ok(state_of(await app.db.run("put thread away", work)))


def state_of(thread: Thread) -> StateRow:
    """How a thread stands, as programs are told of it."""
    state: Literal["open", "closed", "snoozed"] = "open" if thread.is_open else "closed"
    until = thread.snoozed_until
    return StateRow(
        id=thread.canonical_key,
        conversation_id=thread.id,
        state="snoozed" if until is not None else state,
        snoozed_until=until.astimezone(UTC) if until is not None and until != SOMEDAY else None,
        back_at=thread.back_at,
    )


HANDLERS = [close, reopen, snooze, put_several]
