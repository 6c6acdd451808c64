"""The listeners of Slack's framework: one for each kind of thing that people do, and all of one shape."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from tallybook.channels.slack.requests import Kind, Request
from tallybook.core.errors import Unavailable
from tallybook.rota_refusals import BROKEN
from tallybook.slack_desk.clicks import Outcome
from tallybook.triage.blocks import notices

from .showing import Showing

ANYTHING = re.compile(r"", re.DOTALL)
NOT_USED = "calls are made by our own client"
HEADING = "Tallybook"
# Decides what somebody is answered; told the request, and the body in which it came.
Decide: TypeAlias = Callable[[Request, bytes], Awaitable[Outcome]]

log = structlog.get_logger(__name__)


def listening_app(decide: Decide, showing: Showing) -> AsyncApp:
    """The framework's app. Whoever hands it a request has verified that it is Slack's."""
    app = AsyncApp(
        logger=logging.getLogger("slack_bolt"),
        name="tallybook",
        signing_secret=NOT_USED,
        client=AsyncWebClient(),
        authorize=_authorised,
        request_verification_enabled=False,
        ignoring_self_events_enabled=False,
    )

    async def listener(ack: AsyncAck, context: AsyncBoltContext) -> None:
        (request, body), since = context["asked"], time.monotonic()
        try:
            outcome = await decide(request, body)
        except Unavailable:
            return  # without an acknowledgement Slack tells whoever did it that it failed
        except Exception as error:  # noqa: BLE001 - the framework would log the request
            log.error("Something in Slack could not be answered", name=request.name, error=type(error).__name__)  # noqa: TRY400 - its traceback may hold the request
            outcome = Outcome(says=notices.short(BROKEN))
        outcome = await showing.show(request, outcome, since)
        await _acknowledged(ack, request, outcome)

    app.command(ANYTHING)(listener)
    app.action(ANYTHING)(listener)
    app.shortcut(ANYTHING)(listener)
    app.options(ANYTHING)(listener)
    app.view(ANYTHING)(listener)
    return app


async def _authorised(team_id: str | None, enterprise_id: str | None) -> AuthorizeResult:
    """The workspace is looked up where something is done for it, by its own token."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=NOT_USED)


async def _acknowledged(ack: AsyncAck, request: Request, outcome: Outcome) -> None:
    """Answers Slack. A form is answered with what comes in its place; a command with a message."""
    if request.kind is Kind.OPTIONS:
        await ack(options=outcome.options or [])
    elif request.kind is Kind.SUBMISSION:
        await ack(**_of_form(outcome))
    elif request.kind is Kind.COMMAND and outcome.says is not None:
        await ack(text=outcome.says.text, blocks=outcome.says.blocks)
    else:
        await ack()


def _of_form(outcome: Outcome) -> dict[str, Any]:
    if outcome.errors:
        return {"response_action": "errors", "errors": dict(outcome.errors)}
    if outcome.says is not None:
        view = notices.notice(outcome.language, HEADING, outcome.says.text)
        return {"response_action": "update", "view": view}
    if outcome.view is not None:
        return {"response_action": "update", "view": outcome.view}
    return {}
