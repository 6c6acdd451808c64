"""What somebody is shown after a command or a click: in a new view, in the one where they are, or to them alone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from tallybook.channels.slack.answers import SaidNo
from tallybook.channels.slack.calls import SlackCalls
from tallybook.channels.slack.outgoing import Call
from tallybook.channels.slack.requests import Kind, Request
from tallybook.core.channel import OutcomeUnknown, RateLimited, SendError
from tallybook.slack_desk.clicks import Outcome
from tallybook.slack_desk.views import FIELDS, TURNS_PAGES
from tallybook.triage.blocks import notices
from tallybook.triage.blocks.limits import Block, Message
from tallybook.triage.blocks.names import Act

# What is chosen or pressed in a view and changes that view; everything else opens one upon it.
IN_PLACE = frozenset({*TURNS_PAGES, *FIELDS, Act.DAY, Act.TEAM, Act.APPROVE})
SHOW_WITHIN = 0.5  # seconds; Slack is answered after that, whether or not it is shown by then
# Slack lets a view be opened for three seconds from the click, of which some pass on the way to us and back.
OPEN_WITHIN = 2.5
AT_LEAST = 0.1  # seconds between two tries, also where Slack names no wait at all
FULL = "push_limit_reached"  # three views lie upon each other, and Slack takes no more

log = structlog.get_logger(__name__)


class _Asked(msgspec.Struct, frozen=True):
    """What somebody did; ``until`` is the moment, on the monotonic clock, until which a view can be opened for it."""

    request: Request
    until: float


@dataclass(frozen=True)
class Showing:
    """Shows through Slack's API. What cannot be shown any more is no fault of anybody's, and is only logged.

    Where Slack takes no more just now, it is tried again as soon as Slack says, if that is in time; else whoever asked
    is told to.
    """

    calls: SlackCalls
    _under_way: set[asyncio.Task[Message | None]] = field(default_factory=set, repr=False)

    async def show(self, request: Request, outcome: Outcome, since: float) -> Outcome:
        """Shows it, or goes on showing it behind the caller's back; a form and a choice are answered otherwise.

        ``since`` is when it was asked for, on the monotonic clock. What Slack is to be answered: the same, or to a
        command, why it is not shown.
        """
        if request.kind in {Kind.SUBMISSION, Kind.OPTIONS}:
            return outcome
        answered = asyncio.Event()
        showing = asyncio.create_task(self._show(_Asked(request, since + OPEN_WITHIN), outcome, answered))
        self._under_way.add(showing)
        showing.add_done_callback(self._under_way.discard)
        await asyncio.wait({showing}, timeout=SHOW_WITHIN)
        answered.set()
        why = showing.result() if showing.done() else None
        return Outcome(says=why, language=outcome.language) if why is not None else outcome

    async def _show(self, asked: _Asked, outcome: Outcome, answered: asyncio.Event) -> Message | None:
        """Why it is not shown, where a command can still be answered with it."""
        request = asked.request
        try:
            try:
                if outcome.view is not None:
                    await self._view(asked, outcome.view)
                elif outcome.says is not None and request.kind is not Kind.COMMAND:
                    await self._says(asked, outcome.says)
            except RateLimited as error:
                why = notices.busy(outcome.language, error.retry_after or 0.0)
                if request.kind is Kind.COMMAND and not answered.is_set():
                    return why
                await self._says(asked, why)
        except (SendError, OutcomeUnknown) as error:
            code = error.code if isinstance(error, SaidNo) else ""
            log.warning(
                "Something could not be shown in Slack", name=request.name, error=type(error).__name__, code=code
            )
        return None

    async def _view(self, asked: _Asked, view: Block) -> None:
        request, payload = asked.request, msgspec.json.decode(asked.request.payload)
        within = payload.get("view") or {}
        # What was changed since they saw it stays as it is.
        seen = {"hash": str(within.get("hash", ""))}
        trigger = {"trigger_id": str(payload.get("trigger_id", "")), "view": view}
        if view["type"] == "home":
            await self._call(asked, "views.publish", {**seen, "user_id": request.user, "view": view})
        elif within.get("type") != "modal":
            if request.name != Act.APPROVE:  # pressed in a message, which becomes what was decided
                await self._call(asked, "views.open", trigger)
        elif request.name in IN_PLACE or view.get("callback_id") == within.get("callback_id"):
            await self._call(asked, "views.update", {**seen, "view_id": str(within.get("id", "")), "view": view})
        else:
            place = {**seen, "view_id": str(within.get("id", ""))}
            await self._pushed(asked, place, trigger)

    async def _pushed(self, asked: _Asked, place: dict[str, Any], trigger: dict[str, Any]) -> None:
        try:
            await self._call(asked, "views.push", trigger)
        except SaidNo as error:
            if error.code != FULL:
                raise
            await self._call(asked, "views.update", {**place, "view": trigger["view"]})

    async def _says(self, asked: _Asked, said: Message) -> None:
        """To whoever did it alone, where they are; from a view or a command, in their conversation with the app.

        A command can be typed where the app is not, and may say nothing.
        """
        request = asked.request
        told: dict[str, Any] = {"text": said.text, "blocks": said.blocks}
        if request.channel and request.kind is not Kind.COMMAND:
            told |= {"channel": request.channel, "user": request.user}
            await self._call(asked, "chat.postEphemeral", told)
        else:
            await self._call(asked, "chat.postMessage", told | {"channel": request.user})

    async def _call(self, asked: _Asked, method: str, told: dict[str, Any]) -> None:
        """Calls it, and again when Slack says that it may be, as long as that is in time. Raises as calls.py says."""
        while True:
            try:
                await self.calls.call(asked.request.team, Call(method, told))
            except RateLimited as error:
                wait = None if error.retry_after is None else max(error.retry_after, AT_LEAST)
                if wait is None or time.monotonic() + wait > asked.until:
                    raise
                await asyncio.sleep(wait)
            else:
                return
