"""``POST /webhooks/{channel}``: the raw bytes are verified and kept, and only then answered with 200.

``GET`` is the handshake of those channels that have one.

Stands before the web application and outside its frame: no session, no cross-site guard, no page of errors. What a
provider sends is told by its signature alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from urllib.parse import parse_qsl

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from tallybook.app import App
from tallybook.core.channel import MAX_BODY, Explaining, Greeting, Webhook
from tallybook.core.errors import NotAllowed, NotFound, NotSignedIn, TallybookError, Unavailable
from tallybook.core.receive import Receiver, receiving

from . import slack
from .answers import Fault, NotOk
from .errors import RETRY_AFTER, status_of
from .security import part_in, refuse_announced, too_large

PREFIX = "/webhooks/"
MAX_READING = 64_000_000  # bytes of bodies that are being read at one time
ANSWER_WITHIN = 25.0  # seconds, so that nobody holds memory by sending slowly
KEPT = b'{"success":true}'

Headers = dict[str, str]

answered = Counter("tallybook_webhooks_total", "Webhook requests by how they were answered.", ["channel", "status"])
again = Counter("tallybook_webhooks_again_total", "Webhooks that came again byte for byte.", ["channel"])
took = Histogram("tallybook_webhook_seconds", "Time to answer a webhook.", ["channel"])
log = structlog.get_logger(__name__)


# Looking a label up costs more than counting does. There are as many as there are channels and answers.
_took = cache(took.labels)


@cache
def _answered(label: str, status: int) -> Counter:
    return answered.labels(label, str(status))


class Webhooks:
    """An ASGI application: webhooks of the ``channels`` are received here, everything else goes to ``otherwise``.

    Of those that have a door in ``doors``, whoever calls waits for an answer: the door keeps what is to be kept.
    """

    def __init__(
        self, otherwise: ASGIApp, channels: Mapping[str, Webhook], receiver: Receiver, max_reading: int = MAX_READING
    ) -> None:
        self.otherwise = otherwise
        self.channels = channels
        self.receiver = receiver
        self.max_reading = max_reading
        self.doors: dict[str, slack.Door] = {}
        self._reading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not scope["path"].startswith(PREFIX):
            await self.otherwise(scope, receive, send)
            return
        name = scope["path"].removeprefix(PREFIX)
        channel = self.channels.get(name)
        # Only configured names become labels: others come from outside, and there is no end of them.
        label = name if channel is not None else "(unknown)"
        began = time.perf_counter()
        status, body, headers = await self._answer(channel, scope, receive)
        _took(label).observe(time.perf_counter() - began)
        _answered(label, status).inc()
        await send({"type": "http.response.start", "status": status, "headers": _encoded(headers, body)})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(self, channel: Webhook | None, scope: HTTPScope, receive: Receive) -> tuple[int, bytes, Headers]:
        if channel is None:
            return _refused(NotFound("There is no such webhook here."))
        if scope["method"] != "POST":
            return _not_posted(channel, scope)
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._take(channel, scope, receive)
        except TallybookError as error:
            return _refused(error)
        except TimeoutError:
            return _refused(Unavailable("It took too long. Please send it again."))
        except Exception as error:  # noqa: BLE001 - not a 4xx, which would end the sender's tries
            log.error("A webhook could not be received", channel=channel.name, kind=type(error).__name__)  # noqa: TRY400 - its traceback may hold the body
            return _refused(Unavailable("Something went wrong on our side. Please send it again."))

    async def _take(self, channel: Webhook, scope: HTTPScope, receive: Receive) -> tuple[int, bytes, Headers]:
        body = await self._body(scope, receive)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        now = datetime.now(UTC)
        if not channel.verify(headers, body, now):
            why = channel.refusal(headers, body, now) if isinstance(channel, Explaining) else "signature"
            log.warning(
                "A webhook with a wrong signature was refused", channel=channel.name, body_bytes=len(body), why=why
            )
            raise NotSignedIn("The signature does not fit.")
        door = self.doors.get(channel.name)
        if door is not None:
            return await door(body)
        if not await self.receiver.receive(channel.name, body):
            again.labels(channel.name).inc()
            # What is in it was filed before. Of what comes again in another body the worker says so, by message.
            told = f"[WA-DEDUPE] ⏭️ Skipping duplicate delivery={hashlib.sha256(body).hexdigest()[:12]}"
            log.info(told)
        return 200, KEPT, {}

    async def _body(self, scope: HTTPScope, receive: Receive) -> bytes:
        """All of the body. Raises TooLarge over the limit, Unavailable where too many are read at once or it broke."""
        refuse_announced(scope, MAX_BODY)
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Unavailable("The request broke off.")
                part = part_in(message)
                parts.append(part)
                size += len(part)
                self._reading += len(part)
                if size > MAX_BODY:
                    raise too_large(MAX_BODY)
                if self._reading > self.max_reading:
                    raise Unavailable("Too much is coming in at once. Please send it again.")
                if not message.get("more_body", False):
                    return b"".join(parts)
        finally:
            self._reading -= size


def _not_posted(channel: Webhook, scope: HTTPScope) -> tuple[int, bytes, Headers]:
    if scope["method"] != "GET" or not isinstance(channel, Greeting):
        return 405, _said(Fault("METHOD_NOT_ALLOWED", "A webhook takes POST.")), {"allow": "POST"}
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    answer = channel.greet(query)
    if answer is None:
        return _refused(NotAllowed("The token of the handshake does not fit."))
    return 200, answer.encode(), {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}


def _refused(error: TallybookError) -> tuple[int, bytes, Headers]:
    status = status_of(error)
    headers = {"retry-after": str(RETRY_AFTER)} if isinstance(error, Unavailable) else {}
    return status, _said(Fault(error.code, error.message, error.details)), headers


def _said(fault: Fault) -> bytes:
    return msgspec.json.encode(NotOk(fault))


def _encoded(headers: Headers, body: bytes) -> list[tuple[bytes, bytes]]:
    usual = {"content-type": "application/json", "content-length": str(len(body)), "cache-control": "no-store"}
    return [(name.encode(), value.encode()) for name, value in (usual | headers).items()]


@asynccontextmanager
async def in_front_of(otherwise: ASGIApp, channels: Mapping[str, Webhook], app: App) -> AsyncIterator[Webhooks]:
    """The web application with its webhooks before it, for as long as the block lasts; what waits is kept at its end.

    Also replays what this and dead processes spooled. Raises WrongSetup where the spool's folder cannot be used.
    """
    async with receiving(app.db, app.settings.spool_dir, app.settings.spool_limit_bytes) as receiver:
        hooks = Webhooks(otherwise, channels, receiver)
        hooks.doors |= slack.doors(app, channels, receiver)
        yield hooks
