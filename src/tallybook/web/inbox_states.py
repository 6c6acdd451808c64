"""Putting threads away and taking them back, as plain forms; several of the list at once: inbox_several.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from litestar import post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.marking import N_
from tallybook.inbox import session_rules
from tallybook.inbox.service import closing, threads
from tallybook.inbox.service.threads import Thread
from tallybook.inbox.session_rules import Until

from .inbox import look
from .inbox_view import PATH
from .needs import Asked, TheApp

OWN = "own"  # a moment that somebody chose
NO_MOMENT = N_("Choose until when the thread is to be snoozed.")
ERRORS = (N_("A thread is snoozed until a moment that comes, within a year."), N_("Give 1 to 200 threads."))


def read_until(word: str, own: str, caller: Caller, now: datetime) -> datetime:
    """Until when a form or a program asks to snooze: a word of Until, or a moment. Raises Invalid.

    A moment without a zone is by the clocks of the business.
    """
    zone = caller.business.zone
    if word in set(Until):
        return session_rules.moment_of(Until(word), now, zone, caller.business.locale)
    try:
        at = datetime.fromisoformat(own if word == OWN else word)
        return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(NO_MOMENT) from None


async def put(conn: Conn, caller: Caller, conversations: Sequence[int], form: Mapping[str, str]) -> list[int]:
    """Does what a form says to threads: ``do`` is close, reopen or snooze. Raises NotAllowed, NotFound and Invalid."""
    do = form.get("do", "")
    if do == "close":
        return await closing.close(conn, caller, conversations)
    if do == "reopen":
        return await closing.reopen(conn, caller, conversations)
    if do.startswith("snooze"):
        word = do.partition(":")[2] or form.get("until", "")
        until = read_until(word, form.get("at", ""), caller, datetime.now(UTC))
        return await closing.snooze(conn, caller, conversations, until)
    raise NotFound("There is no such way to put a thread away.")


@post(PATH + "/{conversation_id:int}/state", include_in_schema=False)
async def put_one(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Puts a thread away or takes it back, and shows it."""
    asked = look(request)
    form = {name: str(value) for name, value in (await request.form()).items()}

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        await put(conn, asked.caller, [thread.id], form)
        return thread

    return Redirect(asked.query.to(await app.db.run("put thread away", work)), status_code=303)


HANDLERS = [put_one]
