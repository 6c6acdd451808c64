"""What Slack tells us is answered within its three seconds, whatever the database does.

An event is kept, and worked on later. An order is decided while its sender looks on; one for which there is no time is
kept in the spool, and its sender is told so. What is only looked at is kept nowhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import structlog
from prometheus_client import Counter
from slack_bolt.async_app import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from tallybook.channels.slack import requests
from tallybook.channels.slack.calls import SlackCalls
from tallybook.channels.slack.outgoing import Call
from tallybook.channels.slack.requests import Kind, Request
from tallybook.channels.slack.webhook import CHANNEL, incoming_of
from tallybook.core import channel_accounts
from tallybook.core.channel import OutcomeUnknown, SendError
from tallybook.core.db import Conn, Database
from tallybook.core.errors import TallybookError, Unavailable
from tallybook.core.receive import Receiver
from tallybook.slack_desk import away, looks
from tallybook.slack_desk.clicks import NOBODY, Outcome, click_of
from tallybook.slack_desk.filing import Desk, Refused, refusal
from tallybook.slack_desk.orders import is_order
from tallybook.triage.blocks import notices, words
from tallybook.triage.blocks.names import Field, View
from tallybook.triage.snapshot import Shelf

from .listening import listening_app
from .showing import Showing

DECIDE_WITHIN = 2.0  # seconds; the rest of the three is for what Slack is told of it
NAME_WITHIN = 0.8  # seconds of these that asking for somebody's name may take
# Decisions under way, each with a connection. The next one waits for its turn, and does not where all are overdue.
AT_ONCE = 4
HEADING = "Tallybook"
NOBODYS = "This workspace is nobody's here."

answered = Counter("tallybook_slack_answered_total", "What was done in Slack, by how it was answered.", ["kind", "how"])
log = structlog.get_logger(__name__)


class Answer(msgspec.Struct, frozen=True):
    """What Slack is answered. ``body`` is JSON or a text, by its type."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"


@dataclass
class Patience:
    """Whether somebody still waits for a decision."""

    is_over: bool = False


@dataclass
class SlackDoor:
    """Answers what Slack tells, in one process. ``receiver`` keeps what is kept.

    ``shelf`` is the copy of the rota by which is answered what is only looked at while the database is away.
    """

    db: Database
    calls: SlackCalls
    receiver: Receiver
    desk: Desk = field(default_factory=Desk)
    within: float = DECIDE_WITHIN
    shelf: Shelf | None = None
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE), repr=False)
    _late: set[asyncio.Task[Outcome]] = field(default_factory=set, repr=False)
    _telling: set[asyncio.Task[None]] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        self._bolt = listening_app(self.decide, Showing(self.calls))

    async def answer(self, body: bytes) -> Answer:
        """Answers a body that is surely Slack's. Raises Unavailable where nothing could be kept of it."""
        try:
            request = requests.read(body)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            await self.receiver.receive(CHANNEL, body)  # a worker puts it aside, where a person sees it
            return Answer()
        if request.kind is Kind.GREETING:
            return _greeted(request)
        if request.kind is Kind.EVENT:
            await self.receiver.receive(CHANNEL, body, request.team)
        if request.kind in {Kind.EVENT, Kind.CLOSED}:
            return Answer()
        asked = {"asked": (request, body)}
        told = AsyncBoltRequest(body=msgspec.json.decode(request.payload), mode="socket_mode", context=asked)
        return _of_bolt(await self._bolt.async_dispatch(told))

    async def decide(self, request: Request, body: bytes) -> Outcome:
        """What somebody is answered. Raises Unavailable where an order could be neither decided nor kept."""
        order, until = is_order(request), time.monotonic() + self.within
        names = await self._names(request) if order else NOBODY
        patience = Patience()
        if not self.db.is_away and len(self._late) < AT_ONCE and await self._has_turn(until):
            work = partial(self._obey, request, names, patience) if order else partial(self._look, request)
            deciding = asyncio.create_task(self.db.run("answer in Slack", work))
            deciding.add_done_callback(partial(self._ended, request, patience))
            await asyncio.wait({deciding}, timeout=max(until - time.monotonic(), 0.0))
            if not deciding.done():
                patience.is_over = True
                self._late.add(deciding)
            found = _found(deciding)
            if found is not None:
                answered.labels(request.kind, "done" if found.is_order or not order else "refused").inc()
                return found
        return await self._without_database(request, body, is_kept=order)

    async def _has_turn(self, until: float) -> bool:
        """Takes a turn, which ends with the decision; False where there was none by that moment."""
        try:
            async with asyncio.timeout(max(until - time.monotonic(), 0.0)):
                await self._turns.acquire()
        except TimeoutError:
            return False
        return True

    async def _without_database(self, request: Request, body: bytes, *, is_kept: bool) -> Outcome:
        answered.labels(request.kind, "kept" if is_kept else "away").inc()
        if not is_kept:
            return await self._by_the_copy(request) or Outcome(says=notices.away(await self._language(request)))
        await self.receiver.set_aside(CHANNEL, body, request.team)
        if request.kind is Kind.SUBMISSION:
            return Outcome(view=notices.kept_view(await self._language(request), HEADING))
        return Outcome(says=notices.kept(await self._language(request)))

    async def _language(self, request: Request) -> str:
        """The language of whose workspace it is, as far as the copy knows."""
        if self.shelf is None:
            return words.DEFAULT
        await self.shelf.refresh()
        kept = self.shelf.current()
        return (kept.language(request.team) if kept is not None else None) or words.DEFAULT

    async def _by_the_copy(self, request: Request) -> Outcome | None:
        if self.shelf is None:
            return None
        await self.shelf.refresh()
        return away.answer(self.shelf, request, datetime.now(UTC))

    async def _look(self, request: Request, conn: Conn) -> Outcome:
        owners = await channel_accounts.owners(conn, [request.team], CHANNEL)
        if request.team not in owners:
            return Outcome(says=notices.short(NOBODYS))
        try:
            click = await click_of(conn, owners[request.team], request)
            click = msgspec.structs.replace(click, places=self.desk.places)
            async with conn.transaction():
                return await self._shown(conn, request, click)
        except TallybookError as error:
            return refusal(error.message, owners[request.team].locale)

    async def _shown(self, conn: Conn, request: Request, click: Any) -> Outcome:
        """A form that is sent in only to see what it would change is read as an order is, and undone."""
        if request.kind is Kind.SUBMISSION and request.name != View.COVER_TURN:
            try:
                return await self.desk.obeyed(conn, click.business, request, NOBODY)
            except Refused as refused:
                return refused.outcome
        return await looks.look(conn, self.desk.schedules, click)

    async def _obey(self, request: Request, names: Mapping[str, str], patience: Patience, conn: Conn) -> Outcome:
        owners = await channel_accounts.owners(conn, [request.team], CHANNEL)
        if request.team not in owners:
            raise Refused(Outcome(says=notices.short(NOBODYS)))
        outcome = await self.desk.decide(conn, owners[request.team], request, names)
        if patience.is_over:
            # It is in the spool by now; what comes from there is told by a message, this is told by nothing.
            raise TooLateError
        return outcome

    async def _names(self, request: Request) -> Mapping[str, str]:
        """How somebody who is to join is called: Slack tells whom a form means, and not their name."""
        if request.name != View.JOIN:
            return NOBODY
        payload = msgspec.json.decode(request.payload)
        try:
            chosen = payload["view"]["state"]["values"][Field.PERSON.value][Field.PERSON.value]["selected_user"]
            async with asyncio.timeout(NAME_WITHIN):
                found = await self.calls.call(request.team, Call("users.info", {"user": str(chosen)}))
            person = found["user"]
            name = person.get("real_name") or person.get("name")
        except (KeyError, TypeError, AttributeError, TimeoutError, SendError, OutcomeUnknown):
            return NOBODY
        return {str(chosen): str(name)} if name else NOBODY

    def _ended(self, request: Request, patience: Patience, deciding: asyncio.Task[Outcome]) -> None:
        self._late.discard(deciding)
        self._turns.release()
        if deciding.cancelled() or deciding.exception() is not None:
            return  # whoever waited for it knows, or has been told that it is kept
        if patience.is_over and deciding.result().is_order:
            # It was committing when its sender was told that it is kept, and what was kept will be known already.
            telling = asyncio.create_task(self._tell(request))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _tell(self, request: Request) -> None:
        async def work(conn: Conn) -> None:
            owners = await channel_accounts.owners(conn, [request.team], CHANNEL)
            await self.desk.tell(conn, owners[request.team], incoming_of(request), request)

        try:
            await self.db.run("tell of a late decision in Slack", work)
        except Exception as error:  # noqa: BLE001 - nobody waits for it, and it is done and to be seen all the same
            log.warning("Nobody could be told of a late decision in Slack", error=type(error).__name__)


class TooLateError(Exception):
    """Nobody waits any more for what was decided, and it is kept elsewhere."""


def _found(deciding: asyncio.Task[Outcome]) -> Outcome | None:
    """What was decided; None where nothing was, and it is the database's fault or nobody's."""
    if not deciding.done():
        return None
    error = deciding.exception()
    if error is None:
        return deciding.result()
    if isinstance(error, Refused):
        return error.outcome
    log.warning("Something could not be answered in Slack", error=type(error).__name__)
    return None


def _greeted(request: Request) -> Answer:
    told = msgspec.json.decode(request.payload)
    if request.name == "url_verification":
        return Answer(body=msgspec.json.encode({"challenge": str(told.get("challenge", ""))}))
    return Answer(content_type="text/plain")


def _of_bolt(response: BoltResponse) -> Answer:
    if response.status != Answer().status:
        raise Unavailable("This could not be answered in time.")
    body = (response.body or "").encode()
    kind = response.first_headers_without_set_cookie().get("content-type", "text/plain")
    return Answer(body=body, content_type=kind)
