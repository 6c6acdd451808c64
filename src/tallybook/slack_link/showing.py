"""What somebody is shown after a command or a click: in a new view, in the one where they are, or to them alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from tallybook.channels.slack.answers import SaidNo
from tallybook.channels.slack.calls import SlackCalls
from tallybook.channels.slack.outgoing import Call
from tallybook.channels.slack.requests import Kind, Request
from tallybook.core.channel import OutcomeUnknown, SendError
from tallybook.slack_desk.clicks import Outcome
from tallybook.slack_desk.views import FIELDS, TURNS_PAGES
from tallybook.triage.blocks.limits import Block
from tallybook.triage.blocks.names import Act

# What is chosen or pressed in a view and changes that view; everything else opens one upon it.
IN_PLACE = frozenset({*TURNS_PAGES, *FIELDS, Act.DAY, Act.TEAM, Act.APPROVE})
SHOW_WITHIN = 0.5  # seconds; Slack is answered after that, whether or not it is shown by then
FULL = "push_limit_reached"  # three views lie upon each other, and Slack takes no more

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Showing:
    """Shows through Slack's API. What cannot be shown any more is no fault of anybody's, and is only logged."""

    calls: SlackCalls
    _under_way: set[asyncio.Task[None]] = field(default_factory=set, repr=False)

    async def show(self, request: Request, outcome: Outcome) -> None:
        """Shows it, or goes on showing it behind the caller's back; a form and a choice are answered otherwise."""
        if request.kind not in {Kind.SUBMISSION, Kind.OPTIONS}:
            showing = asyncio.create_task(self._show(request, outcome))
            self._under_way.add(showing)
            showing.add_done_callback(self._under_way.discard)
            await asyncio.wait({showing}, timeout=SHOW_WITHIN)

    async def _show(self, request: Request, outcome: Outcome) -> None:
        payload = msgspec.json.decode(request.payload)
        try:
            if outcome.view is not None:
                await self._view(request, payload, outcome.view)
            elif outcome.says is not None and request.kind is not Kind.COMMAND:
                await self._says(request, outcome)
        except (SendError, OutcomeUnknown) as error:
            code = error.code if isinstance(error, SaidNo) else ""
            log.warning(
                "Something could not be shown in Slack", name=request.name, error=type(error).__name__, code=code
            )

    async def _view(self, request: Request, payload: dict[str, Any], view: Block) -> None:
        within = payload.get("view") or {}
        trigger = {"trigger_id": str(payload.get("trigger_id", "")), "view": view}
        if view["type"] == "home":
            await self._call(request, "views.publish", {"user_id": request.user, "view": view})
        elif within.get("type") != "modal":
            if request.name != Act.APPROVE:  # pressed in a message, which becomes what was decided
                await self._call(request, "views.open", trigger)
        elif request.name in IN_PLACE or view.get("callback_id") == within.get("callback_id"):
            place = {"view_id": str(within.get("id", "")), "hash": str(within.get("hash", ""))}
            await self._call(request, "views.update", {**place, "view": view})
        else:
            await self._pushed(request, within, trigger)

    async def _pushed(self, request: Request, within: dict[str, Any], trigger: dict[str, Any]) -> None:
        try:
            await self._call(request, "views.push", trigger)
        except SaidNo as error:
            if error.code != FULL:
                raise
            place = {"view_id": str(within.get("id", "")), "view": trigger["view"]}
            await self._call(request, "views.update", place)

    async def _says(self, request: Request, outcome: Outcome) -> None:
        """To whoever did it alone, where they are; from a view, in their conversation with the app."""
        said = outcome.says
        if said is not None:
            told: dict[str, Any] = {"text": said.text, "blocks": said.blocks}
            if request.channel:
                told |= {"channel": request.channel, "user": request.user}
                await self._call(request, "chat.postEphemeral", told)
            else:
                await self._call(request, "chat.postMessage", told | {"channel": request.user})

    async def _call(self, request: Request, method: str, told: dict[str, Any]) -> None:
        await self.calls.call(request.team, Call(method, told))
