"""Slack over sockets that we open, where Slack cannot reach us: Socket Mode.

Several are open at once, since Slack ends each now and then: what is told meanwhile goes to another one. An envelope is
acknowledged once what it holds is kept or decided; one that is not comes again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from prometheus_client import Gauge
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tallybook.app import App
from tallybook.channels.slack.sender import SlackSender
from tallybook.core.errors import Unavailable
from tallybook.core.receive import receiving
from tallybook.rota_snapshot import path_of, shelf
from tallybook.slack_desk.filing import Desk
from tallybook.told_channels import places_of

from .door import Answer, SlackDoor

SOCKETS = 2
LOOK_SECONDS = 5.0

open_sockets = Gauge("tallybook_slack_sockets", "Sockets that are open to Slack.")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Listener:
    """Takes what comes by a socket to the door."""

    door: SlackDoor

    async def __call__(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        try:
            answer = await self.door.answer(msgspec.json.encode(request.payload, order="sorted"))
        except Unavailable:
            log.warning("Something that Slack told could not be kept, and comes again", type=request.type)
            return
        except Exception as error:  # noqa: BLE001 - Slack's client would log the request
            log.error("Something that Slack told could not be taken", type=request.type, error=type(error).__name__)  # noqa: TRY400 - its traceback may hold the request
            return
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, payload_of(answer)))


def payload_of(answer: Answer) -> dict[str, Any] | None:
    """What goes along with an acknowledgement, None where nothing does. Pure."""
    if not answer.body:
        return None
    if answer.content_type.startswith("application/json"):
        found: dict[str, Any] = msgspec.json.decode(answer.body)
        return found
    return {"text": answer.body.decode()}


async def keep_open(app: App, stop: asyncio.Event, count: int = SOCKETS) -> None:
    """Listens until ``stop`` is set, where a token of Socket Mode is set; else only waits for that."""
    token, sender = app.settings.slack_app_token, app.senders.get(SlackSender.name)
    if token is None or not isinstance(sender, SlackSender):
        await stop.wait()
        return
    settings = app.settings
    async with receiving(app.db, settings.spool_dir, settings.spool_limit_bytes) as receiver, AsyncExitStack() as stack:
        desk = Desk(places=places_of(settings))
        listener = Listener(SlackDoor(app.db, sender, receiver, desk, shelf=shelf(path_of(settings))))
        clients = [await stack.enter_async_context(_listening(app, token, listener)) for _ in range(count)]
        while not stop.is_set():
            open_sockets.set(sum([await client.is_connected() for client in clients]))
            try:
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue
    open_sockets.set(0)


@asynccontextmanager
async def _listening(app: App, token: str, listener: Listener) -> AsyncIterator[SocketModeClient]:
    """One socket. Slack's client goes on trying until it is open, and opens it again whenever it ends."""
    quiet = logging.getLogger("slack_sdk")
    web = AsyncWebClient(base_url=f"{app.settings.slack_api_url}/", logger=quiet)
    client = SocketModeClient(token, logger=quiet, web_client=web)
    client.proxy = web.proxy = None  # the address is the address, whatever the machine's environment says
    client.socket_mode_request_listeners.append(listener)
    connecting = asyncio.create_task(client.connect())  # type: ignore[no-untyped-call]  # Slack's has no types
    try:
        yield client
    finally:
        connecting.cancel()
        await client.close()  # type: ignore[no-untyped-call]  # as above
        await asyncio.wait({connecting})
