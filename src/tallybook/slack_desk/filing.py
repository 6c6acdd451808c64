"""What comes from Slack is filed: an order is decided once, whoever is first to it, and what was said is answered.

The arbiter is the key of ``messages``. The web decides an order while somebody looks on, and keeps nothing of one that
is refused, since they are told at once. What could not be decided then comes back as a delivery; whoever sent it is
told by a message what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

from tallybook.channels.slack import requests as slack
from tallybook.channels.slack.outgoing import answered, home, posted
from tallybook.channels.slack.requests import Kind, Request
from tallybook.channels.slack.webhook import incoming_of
from tallybook.core import content, ingest, outbox
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import TallybookError
from tallybook.core.messages import Incoming, Stored
from tallybook.rota_refusals import BROKEN, UNSEEN, told
from tallybook.triage.blocks import notices
from tallybook.triage.blocks.home import no_team
from tallybook.triage.blocks.limits import Message
from tallybook.triage.blocks.requests import refused
from tallybook.triage.blocks.schedule import asked_about, who_is_on
from tallybook.triage.service import kept_orders
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store.kept_orders import KeptOrder
from tallybook.words import words

from . import statuses
from .clicks import NOBODY, Click, Outcome, click_of, seen_by, seen_where
from .homes import Homes
from .orders import is_order, obey
from .places import NOWHERE, Places

Arrived: TypeAlias = tuple[Incoming, Request]
# What Slack tells of a status; which of the two depends on what the app listens to.
STATUS = frozenset({"user_status_changed", "user_change"})
DIRECT = "im"  # the kind of the conversation between somebody and the app


class Refused(Exception):
    """An order that was not obeyed, with what to say of it; nothing of it is kept."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("refused")
        self.outcome = outcome


@dataclass(frozen=True)
class Desk:
    """Files what comes from Slack, as ``core/ingest.py`` asks for it. One per process: it keeps prepared schedules."""

    schedules: Schedules = field(default_factory=Schedules)
    places: Places = NOWHERE

    def read(self, stored: Sequence[Stored]) -> list[Arrived]:
        """What is new, or was put aside and is tried again; nothing is ever edited. What an app said is no order."""
        return [(one.incoming, _request(one.incoming)) for one in stored if not one.incoming.from_us]

    async def file(self, conn: Conn, business: Business, read: Sequence[Arrived]) -> list[None]:
        """Answers what was said, and obeys the orders that nobody had the time to obey at once."""
        # What an order changes is not committed yet, and what is prepared from that must not outlive this transaction.
        orders = any(is_order(request) for _, request in read)
        desk = replace(self, schedules=Schedules()) if orders else self
        for incoming, request in read:
            if request.kind is Kind.EVENT:
                await desk.happened(conn, business, request)
            elif is_order(request):
                await desk.late(conn, business, incoming, request)
        return []

    async def decide(
        self, conn: Conn, business: Business, request: Request, names: Mapping[str, str] = NOBODY
    ) -> Outcome:
        """Obeys an order now, in the caller's transaction; nothing happens to one that was obeyed before.

        Raises Refused, and the transaction is to keep nothing.
        """
        at_once = _AtOnce(self, names)
        absorbed = await ingest.absorb(conn, business, [incoming_of(request)], at_once)
        if at_once.refused is not None:
            raise Refused(at_once.refused)
        return refusal(BROKEN, business.locale) if absorbed.parked else at_once.outcome

    async def obeyed(self, conn: Conn, business: Business, request: Request, names: Mapping[str, str]) -> Outcome:
        """What an order came to. Raises Refused, with nothing of it left behind."""
        click = await click_of(conn, business, request, names)
        try:
            async with conn.transaction():
                outcome = await obey(conn, self.schedules, click)
                if not outcome.is_order:
                    raise Refused(outcome)
                return outcome
        except TallybookError as error:
            raise Refused(await self._refusal(conn, click, error)) from None

    async def _refusal(self, conn: Conn, click: Click, error: TallybookError) -> Outcome:
        seen = await seen_where(conn, self.schedules, click)
        if seen is None:
            return refusal(error.message, click.business.locale)
        message = refused(seen, error, partial(told, words=words(seen.locale)))
        return Outcome(says=notices.short(message), language=seen.locale)

    async def late(self, conn: Conn, business: Business, incoming: Incoming, request: Request) -> None:
        """Obeys an order that was kept, and tells whoever gave it what became of it."""
        because = ""
        try:
            await self.obeyed(conn, business, request, NOBODY)
        except Refused as said_no:
            because = _because(said_no.outcome, business.locale)
        await self.tell(conn, business, incoming, request, because)

    async def tell(
        self, conn: Conn, business: Business, incoming: Incoming, request: Request, because: str = ""
    ) -> None:
        """Tells whoever gave an order for which nobody waited any more what became of it, once."""
        click = await click_of(conn, business, request)
        seen = await seen_where(conn, Schedules(), click)
        if seen is not None:
            at = click.now if _is_undated(incoming) else incoming.said_at
            order = KeptOrder(_key(request, "order"), request.user, at, because)
            await kept_orders.decided(conn, business.id, seen.team.id, order, click.now)
            await self._say(conn, business, request, notices.replayed(seen, at, because))

    async def happened(self, conn: Conn, business: Business, request: Request) -> None:
        """Answers a mention and a direct message, fills the App Home of who opens it, and heeds a status."""
        if request.name in STATUS:
            await statuses.heed(conn, business.id, request)
            return
        click = await click_of(conn, business, request) if request.user else None
        if click is None or not (event := _event_of(click)):
            return
        if request.name == "app_home_opened":
            if event.get("tab", "home") == "home":
                await self._show_home(conn, business, click)
        elif request.name == "app_mention" or (request.name == "message" and _is_said_to_us(event)):
            seen = await seen_by(conn, self.schedules, click)
            if seen is not None:
                told = who_is_on(seen, asked_about(request.text, seen))
                thread = str(event.get("thread_ts") or event.get("ts") or "") if request.name == "app_mention" else ""
                await self._say(conn, business, request, told, thread)

    async def _show_home(self, conn: Conn, business: Business, click: Click) -> None:
        seen, request = await seen_by(conn, self.schedules, click), click.request
        if seen is not None:
            await Homes(self.places).opened(conn, business.id, request.team, seen)
            return
        view = no_team(business.locale)
        await outbox.put(conn, business.id, home(request.team, request.user, _key(request, "home"), view))

    async def _say(self, conn: Conn, business: Business, request: Request, told: Message, thread: str = "") -> None:
        to = request.channel if request.kind is Kind.EVENT and request.channel else request.user
        out = posted(request.team, to, _key(request, "answer"), told.text, told.blocks)
        await outbox.put(conn, business.id, answered(out, thread) if thread else out)


@dataclass
class _AtOnce:
    """The same desk for one order, while somebody looks on."""

    desk: Desk
    names: Mapping[str, str]
    outcome: Outcome = field(default_factory=Outcome)
    refused: Outcome | None = None

    def read(self, stored: Sequence[Stored]) -> list[Request]:
        return [_request(one.incoming) for one in stored if one.fresh]

    async def file(self, conn: Conn, business: Business, read: Sequence[Request]) -> list[None]:
        for request in read:
            try:
                self.outcome = await self.desk.obeyed(conn, business, request, self.names)
            except Refused as said_no:
                self.refused = said_no.outcome
        return []


def _request(incoming: Incoming) -> Request:
    """The request as it was kept."""
    found = content.read(incoming.content)
    if found is None:
        raise ValueError("a request of which nothing was kept")
    return slack.read(bytes(found.as_sent))


def _event_of(click: Click) -> dict[str, Any]:
    found = click.payload.get("event")
    return found if isinstance(found, dict) else {}


def _is_said_to_us(event: Mapping[str, Any]) -> bool:
    """Whether somebody wrote it to the app alone; what was edited or taken back is no question."""
    return event.get("channel_type") == DIRECT and not event.get("subtype")


def _is_undated(incoming: Incoming) -> bool:
    found = content.read(incoming.content)
    return found is None or found.undated


def refusal(message: str, locale: str) -> Outcome:
    """A refusal of the rota's, in a language."""
    return Outcome(says=notices.short(told(message, words(locale))), language=locale)


def _because(outcome: Outcome, locale: str) -> str:
    if outcome.errors:
        return next(iter(outcome.errors.values()))
    return outcome.says.text if outcome.says is not None else told(UNSEEN, words(locale))


def _key(request: Request, what: str) -> str:
    """By which an answer is known: one for each thing that was done."""
    return f"slack:{what}:{request.kind}:{request.identity}"[:250]
