"""How Slack tells the app what people do: signed posts to its door, or envelopes over the sockets that it opened.

An event that nobody took with 200 within three seconds is told again up to three times; what somebody clicked is told
once, and they see that it failed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, ClientTimeout, web

# Takes a body and its headers; gives the status, the headers with small names, and the body of the answer.
Door: TypeAlias = Callable[[bytes, Mapping[str, str]], Awaitable[tuple[int, Mapping[str, str], bytes]]]
PATIENCE = 3.0  # seconds
PAUSES = (0.0, 60.0, 300.0)  # seconds before each repeat of an event
MOST_SOCKETS = 10
TAKEN = 200


class Untold(Exception):
    """The app did not take it in time, or not with 200; ``reason`` is Slack's word for how."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


@dataclass
class Socket:
    """A connection of the app. ``taken`` are its answers, by the envelopes that it has not acknowledged yet."""

    line: web.WebSocketResponse
    taken: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def tell(self, envelope: dict[str, Any], patience: float) -> Any:
        """Sends an envelope; what the app answers with its acknowledgement. Raises Untold."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.taken[envelope["envelope_id"]] = answer
        try:
            await self.line.send_json(envelope)
            return await asyncio.wait_for(answer, patience)
        except TimeoutError:
            raise Untold("timeout") from None
        except (ConnectionError, RuntimeError):
            raise Untold("connection_failed") from None
        finally:
            self.taken.pop(envelope["envelope_id"], None)

    def hear(self, told: Any) -> None:
        """What the app says: an acknowledgement of one of the envelopes, perhaps with an answer."""
        waiting = self.taken.get(told.get("envelope_id", ""))
        if waiting is not None and not waiting.done():
            waiting.set_result(told.get("payload"))


@dataclass
class Told:
    """One try of telling something: how it ended, "" where it was taken."""

    kind: str
    attempt: int
    ended: str
    identity: str = ""


@dataclass
class Teller:
    """Tells the app. While it has a socket open everything goes there, else to the ``door``."""

    secret: str
    door: Door | None = None
    clock: Callable[[], float] = lambda: 0.0
    patience: float = PATIENCE
    pauses: tuple[float, ...] = PAUSES
    sockets: list[Socket] = field(default_factory=list)
    tries: list[Told] = field(default_factory=list)
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def event(self, payload: dict[str, Any]) -> bool:
        """Tells an event, and again as Slack does; whether the app took it in the end."""
        headers: dict[str, str] = {}
        for attempt, pause in enumerate((0.0, *self.pauses)):
            await asyncio.sleep(pause)  # as long as Slack waits before it tells something again
            try:
                await self._told("events_api", payload, attempt, headers)
            except Untold as error:
                headers = {"x-slack-retry-num": str(attempt + 1), "x-slack-retry-reason": error.reason}
                if error.is_final:
                    return False
            else:
                return True
        return False

    async def asked(self, kind: str, payload: dict[str, Any]) -> Any:
        """Tells what somebody did and gives the app's answer, None where it has nothing to say. Raises Untold."""
        return await self._told(kind, payload, 0, {})

    async def _told(self, kind: str, payload: dict[str, Any], attempt: int, headers: Mapping[str, str]) -> Any:
        identity = payload.get("event_id") or payload.get("trigger_id") or ""
        try:
            if self.sockets:
                found = await self._by_socket(kind, payload, attempt, headers)
            else:
                found = await self._by_door(kind, payload, headers)
        except Untold as error:
            self.tries.append(Told(kind, attempt, error.reason, identity))
            raise
        self.tries.append(Told(kind, attempt, "", identity))
        return found

    async def _by_socket(self, kind: str, payload: dict[str, Any], attempt: int, headers: Mapping[str, str]) -> Any:
        number = next(self._count)
        envelope = {
            "envelope_id": f"envelope-{number}", "type": kind, "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }  # fmt: skip
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": headers.get("x-slack-retry-reason", "")}
        return await self.sockets[number % len(self.sockets)].tell(envelope, self.patience)

    async def _by_door(self, kind: str, payload: dict[str, Any], headers: Mapping[str, str]) -> Any:
        if self.door is None:
            raise Untold("connection_failed")
        body, content_type = body_of(kind, payload)
        signed = signed_headers(self.secret, body, self.clock()) | {"content-type": content_type} | dict(headers)
        try:
            status, answered, content = await asyncio.wait_for(self.door(body, signed), self.patience)
        except TimeoutError:
            raise Untold("http_timeout") from None
        except (ClientError, OSError):
            raise Untold("connection_failed") from None
        if status != TAKEN:
            raise Untold("http_error", is_final=answered.get("x-slack-no-retry") == "1")
        if answered.get("content-type", "").startswith("application/json"):
            return json.loads(content) if content else None
        return {"text": content.decode()} if content else None


def body_of(kind: str, payload: dict[str, Any]) -> tuple[bytes, str]:
    """A payload as it stands in a post, and what that is called."""
    if kind == "events_api":
        return json.dumps(payload).encode(), "application/json"
    form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def signed_headers(secret: str, body: bytes, at: float) -> dict[str, str]:
    """The two headers by which an app knows that it is Slack, and when it was."""
    stamp = str(int(at))
    mac = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256)
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={mac.hexdigest()}"}


def door_at(session: ClientSession, address: str) -> Door:
    """A door that is an address on the network."""

    async def post(body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        patience = ClientTimeout(total=PATIENCE * 2)  # who waits decides; this only ends what was given up
        async with session.post(
            address, data=body, headers=dict(headers), timeout=patience, allow_redirects=False
        ) as answer:
            small = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, small, await answer.read()

    return post
