"""The Cloud API's sending as a real HTTP server on this machine, as strict as Meta's, made to fail at will.

>>> with FakeCloudApi({NUMBER: "a token"}) as api:
...     api.hear(NUMBER, "27820000001")
...     WhatsAppSender(api.address, token_of)
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.cloud_api.media import FakeFiles
from tests.cloud_api.rules import ENTRY, PAIR_BURST, PAIR_SECONDS, WINDOW, NotTaken, checked
from tests.cloud_api.templates import FakeTemplates
from tests.served import Handler, Served

PATIENCE = 30.0  # seconds


@dataclass
class Order:
    """What is done to one request in place of taking it.

    ``says``: that error, with that status, and nothing is taken. ``drop``: the connection breaks, before it was taken
    or ``after``. ``hang``: it breaks when ``let_go`` is set, before it was taken. ``slow``: it is taken, and answered
    when ``let_go`` is set. ``garbled``: it is taken, and the answer is ``text``.
    """

    kind: Literal["says", "drop", "hang", "slow", "garbled"]
    code: int | None = None
    status: int = 400
    after: bool = False
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    held: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Taken:
    """A message that was accepted, which is what a customer would get."""

    id: str
    number: str
    to: str
    text: str
    key: str
    quotes: str | None
    at: float
    body: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass
class FakeCloudApi(Served):
    """Serves until the block ends. ``tokens`` are those of the numbers; ``orders`` are obeyed once each, in turn.

    Whoever was not heard of within 24 hours (``hear``) may not be written to but by a template; who came by an
    advertisement and was answered, for 72. ``reads`` are the receipts. ``now`` is the server's clock.
    """

    tokens: dict[str, str]
    orders: list[Order] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    heard: dict[tuple[str, str], float] = field(default_factory=dict)
    referred: dict[tuple[str, str], float] = field(default_factory=dict)
    entered: dict[tuple[str, str], float] = field(default_factory=dict)
    templates: FakeTemplates = field(default_factory=FakeTemplates)
    reads: list[tuple[str, str, bool]] = field(default_factory=list)
    shift: float = 0.0
    files: FakeFiles = field(default_factory=FakeFiles)
    pairs: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handler(self) -> type[Handler]:
        return _Handler

    def let_go(self) -> None:
        for order in self.given:
            order.let_go.set()

    def __post_init__(self) -> None:
        self.given: list[Order] = []

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.taken]

    def now(self) -> float:
        return time.time() + self.shift

    def hear(self, number: str, customer: str, *, referred: bool = False) -> None:
        """A customer writes to a number of ours: it may answer freely for a day."""
        self.heard[number, customer] = self.now()
        if referred:
            self.referred[number, customer] = self.now()

    def order(self, kind: Literal["says", "drop", "hang", "slow", "garbled"], **more: Any) -> Order:
        self.given.append(Order(kind, **more))
        self.orders.append(self.given[-1])
        return self.given[-1]

    def next_order(self) -> Order | None:
        with self.lock:
            return self.orders.pop(0) if self.orders else None

    def take(self, path: str, token: str, content: bytes) -> dict[str, Any]:
        """Accepts a message, as the API would. Raises NotTaken."""
        with self.lock:
            number = path.strip("/").split("/")[-2] if path.endswith("/messages") else ""
            if number not in self.tokens:
                raise NotTaken(100, 400, subcode=33)
            if token != f"Bearer {self.tokens[number]}":
                raise NotTaken(190, 401)
            body = checked(content)
            if "status" in body:
                self.reads.append((number, body["message_id"], "typing_indicator" in body))
                return {"success": True}
            who, kind = body.get("to") or body["recipient"], body["type"]
            if kind == "template":
                self.templates.check(number, body["template"])
            self._check_limits((number, who), free=kind != "template")
            wamid = f"wamid.OURS{len(self.taken) + 1:06}"
            quotes = body.get("context", {}).get("message_id")
            key = body.get("biz_opaque_callback_data", "")
            text = body[kind].get("body", "") if kind == "text" else ""
            self.taken.append(Taken(wamid, number, who, text, key, quotes, self.now(), body))
            return {
                "messaging_product": "whatsapp", "contacts": [{"input": who, "wa_id": who}],
                "messages": [{"id": wamid, "message_status": "accepted"}],
            }  # fmt: skip

    def _check_limits(self, pair: tuple[str, str], *, free: bool) -> None:
        never = float("-inf")
        is_open = self.now() - self.heard.get(pair, never) <= WINDOW
        if free and not is_open and self.now() - self.entered.get(pair, never) > ENTRY:
            raise NotTaken(131047, 400)
        sent = self.pairs.setdefault(pair, deque())
        while sent and self.now() - sent[0] > PAIR_BURST * PAIR_SECONDS:
            sent.popleft()
        if len(sent) >= PAIR_BURST:
            raise NotTaken(131056, 400)
        sent.append(self.now())
        if self.now() - self.referred.get(pair, never) <= WINDOW:
            self.entered.setdefault(pair, self.now())


class _Handler(Handler):
    protocol_version = "HTTP/1.1"
    fake: FakeCloudApi

    def do_POST(self) -> None:
        content = self.body()
        self.fake.heads.append({name.lower(): value for name, value in self.headers.items()})
        self.fake.paths.append(self.path)
        if self.path.endswith("/media"):
            return self.fake.files.answer_post(self, content, self.fake.tokens)
        order = self.fake.next_order()
        if order is not None and order.kind == "says":
            error = {"code": order.code, "message": f"to {self.path}", "error_data": {"details": "27820000001"}}
            return self._say(order.status, {"error": error} if order.code is not None else None, order.headers)
        if order is not None and order.kind == "hang":
            order.held.set()
            order.let_go.wait(PATIENCE)
        if order is not None and (order.kind == "hang" or (order.kind == "drop" and not order.after)):
            return self.drop()
        try:
            answer = self.fake.take(self.path, self.headers.get("authorization", ""), content)
        except NotTaken as no:
            self.fake.refused.append(no.code)
            return self._say(no.status, {"error": no.words})
        if order is not None and order.kind == "slow":
            order.held.set()
            order.let_go.wait(PATIENCE)
        if order is not None and order.kind == "drop":
            return self.drop()
        return self._say(200, order.text if order is not None and order.kind == "garbled" else answer)

    def do_GET(self) -> None:
        try:
            told = self.fake.templates.answer(self.path, self.headers.get("authorization", ""), self.fake.tokens)
        except NotTaken as no:
            return self._say(no.status, {"error": no.words})
        if told is not None:
            return self._say(200, told)
        return self.fake.files.answer_get(self, self.fake.address, self.fake.tokens)

    def _say(self, status: int, said: Any, headers: Mapping[str, str] | None = None) -> None:
        body = said.encode() if isinstance(said, str) else json.dumps(said).encode() if said is not None else b""
        self.say(status, body, headers)
