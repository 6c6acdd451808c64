"""Slack as a server on this machine, as strict as the real one and made to fail at will: for tests and for the demo.

>>> async with FakeSlack() as slack:
...     SlackSender(slack.api, token_of)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

from aiohttp import ClientSession, WSMsgType, web

from .acts import Acts
from .limits import NotTaken
from .methods import METHODS
from .telling import MOST_SOCKETS, Socket, Teller, door_at
from .tiers import TIERS, Tiers
from .workspace import Workspace

SECRET, BOT_TOKEN, APP_TOKEN = "a-signing-secret-of-nobody", "a-bot-token-of-nobody", "an-app-token-of-nobody"
OPEN = "apps.connections.open"
AS_JSON = frozenset({"blocks", "view", "metadata"})
TRUE = frozenset({"true", "1", True})
LAST_SECONDS = 10.0  # from the word that a socket ends until it does
MOST_BODY = 1_000_000  # bytes

Kind: TypeAlias = Literal["says", "drop", "slow", "stuck", "garbled"]


@dataclass
class Order:
    """What is done to one call in place of answering it, if it is of ``method``.

    ``says``: that error, and nothing is done. ``drop``: the connection breaks, before it is done or ``after``.
    ``slow``: it is done, and answered when ``let_go`` is set; ``stuck``: not even done. ``garbled``: it is done, and
    the answer is ``text``. ``held`` is set once it has come, and is done if it is to be.
    """

    kind: Kind
    method: str = ""
    code: str = ""
    status: int = 200
    after: bool = False
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class FakeSlack:
    """Serves until the block ends, on ``port`` or a free one. ``orders`` are obeyed once each, in turn.

    ``app`` is the address at which the product takes what Slack tells; a test may give ``teller`` a door instead.
    ``calls`` are the methods that were called and taken, ``refused`` those that were not, with the reason. ``pages``
    add what else is served.
    """

    app: str = ""
    port: int = 0
    secret: str = SECRET
    bot_token: str = BOT_TOKEN
    app_token: str = APP_TOKEN
    workspace: Workspace = field(default_factory=Workspace)
    tiers: Tiers = field(default_factory=Tiers)
    orders: deque[Order] = field(default_factory=deque)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    tickets: set[str] = field(default_factory=set)
    pages: list[Callable[[web.Application], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.teller = Teller(self.secret, clock=self.workspace.now)
        self.acts = Acts(self.workspace, self.teller)
        self._given: list[Order] = []

    @property
    def api(self) -> str:
        """The address of the API, without a slash behind it."""
        return f"http://127.0.0.1:{self.port}/api"

    async def __aenter__(self) -> Self:
        server = web.Application(client_max_size=MOST_BODY)
        server.router.add_post("/api/{method}", self._called)
        server.router.add_post("/replies/{reply}", self._replied)
        server.router.add_get("/link", self._linked)
        for add_to in self.pages:
            add_to(server)
        self._runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.acts.address = f"http://127.0.0.1:{self.port}"
        self._session = ClientSession()
        if self.app:
            self.teller.door = door_at(self._session, self.app)
        return self

    async def __aexit__(self, *_: object) -> None:
        for order in self._given:
            order.let_go.set()
        for socket in [*self.teller.sockets]:
            await socket.line.close()
        await self._session.close()
        await self._runner.cleanup()

    def order(self, kind: Kind, method: str = "", **more: Any) -> Order:
        """The next call, of that method where one is named, meets this."""
        self._given.append(Order(kind, method, **more))
        self.orders.append(self._given[-1])
        return self._given[-1]

    async def refresh(self, reason: str = "refresh_requested", last: float = LAST_SECONDS) -> None:
        """Tells the oldest socket that it ends, and ends it ``last`` seconds later."""
        socket = self.teller.sockets[0]
        await socket.line.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "demo"}})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(socket.gone.wait(), last)
        await socket.line.close()

    def answer(self, method: str, token: str, told: dict[str, Any]) -> dict[str, Any]:
        """What Slack answers to a call. Raises NotTaken."""
        if not token:
            raise NotTaken("not_authed")
        if method not in TIERS:
            raise NotTaken("unknown_method")
        if token != (self.app_token if method == OPEN else self.bot_token):
            raise NotTaken("invalid_auth")
        wait = self.tiers.wait(method, str(told.get("channel", "")), self.workspace.now())
        if wait is not None:
            raise NotTaken("ratelimited", wait=wait)
        if method == OPEN:
            return {"url": f"ws://127.0.0.1:{self.port}/link?ticket={self._ticket()}"}
        return METHODS[method](self.workspace, told)

    async def _called(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        order = self._order_for(method)
        if order is not None and (instead := await self._instead(order, request)) is not None:
            return instead
        answer = await self._taken(method, request)
        if order is None:
            return answer
        order.held.set()
        if order.kind == "slow":
            await order.let_go.wait()
            return answer
        return web.Response(text=order.text) if order.kind == "garbled" else _broken(request)

    @staticmethod
    async def _instead(order: Order, request: web.Request) -> web.Response | None:
        """What comes of a call that is not even looked at; None for one that is."""
        if order.kind in {"slow", "garbled"} or order.after:
            return None
        order.held.set()
        if order.kind == "says":
            return web.json_response({"ok": False, "error": order.code}, status=order.status, headers=order.headers)
        if order.kind == "stuck":
            await order.let_go.wait()
        return _broken(request)

    async def _taken(self, method: str, request: web.Request) -> web.Response:
        told = await _told(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer").strip()
        try:
            answer = self.answer(method, token, told)
        except NotTaken as error:
            self.refused.append((method, error.code))
            wait = error.more.get("wait")
            says: dict[str, Any] = {"ok": False, "error": error.code}
            if error.says:
                says["response_metadata"] = {"messages": [error.says]}
            if wait is not None:
                return web.json_response(says, status=429, headers={"retry-after": str(wait)})
            return web.json_response(says)
        self.calls.append((method, told))
        return web.json_response({"ok": True, **answer})

    def _order_for(self, method: str) -> Order | None:
        for order in self.orders:
            if order.method in {"", method}:
                self.orders.remove(order)
                return order
        return None

    async def _replied(self, request: web.Request) -> web.Response:
        try:
            self.acts.answered(request.match_info["reply"], await request.json())
        except NotTaken as error:
            return web.json_response({"ok": False, "error": error.code}, status=404)
        return web.Response(text="ok")

    def _ticket(self) -> str:
        ticket = secrets.token_hex(8)
        self.tickets.add(ticket)
        return ticket

    async def _linked(self, request: web.Request) -> web.StreamResponse:
        """A socket of the app, until either side ends it. Its address is good for one."""
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            return web.Response(status=401)
        self.tickets.remove(ticket)
        line = web.WebSocketResponse()
        await line.prepare(request)
        if len(self.teller.sockets) >= MOST_SOCKETS:
            await line.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await line.close()
            return line
        socket = Socket(line)
        self.teller.sockets.append(socket)
        try:
            await line.send_json({
                "type": "hello", "num_connections": len(self.teller.sockets),
                "connection_info": {"app_id": "A0TALLYBOOK"}, "debug_info": {"approximate_connection_time": 18060},
            })  # fmt: skip
            async for message in line:
                if message.type == WSMsgType.TEXT:
                    socket.hear(json.loads(message.data))
        finally:
            self.teller.sockets.remove(socket)
            socket.gone.set()
        return line


async def _told(request: web.Request) -> dict[str, Any]:
    """What a call is told, as a form or as JSON; what is JSON within it, read."""
    if request.content_type == "application/json":
        told: dict[str, Any] = await request.json()
    else:
        told = {name: str(value) for name, value in (await request.post()).items()}
    for name in AS_JSON & told.keys():
        if isinstance(told[name], str):
            told[name] = json.loads(told[name])
    told["include_all_metadata"] = told.get("include_all_metadata") in TRUE
    return told


def _broken(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
