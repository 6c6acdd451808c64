"""Chat completions as a real HTTP server on this machine, as strict as the API, made to fail at will.

>>> with FakeModel("a key") as model:
...     model.says("We are open until six.")
...     Endpoint(model.address, "a key")
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fake_llm.rules import NotTaken, checked
from tests.served import Handler, Served

PATIENCE = 30.0  # seconds
TOKENS = (100, 20)  # of each question, and each answer


@dataclass
class Order:
    """What is answered to one request: a status with raw bytes. ``slow`` waits until ``let_go`` is set."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False
    held: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)


@dataclass
class FakeModel(Served):
    """What it is asked stands in ``asked``. Without an order it says ``usual``."""

    key: str
    usual: str = "I will ask."
    orders: list[Order] = field(default_factory=list)
    given: list[Order] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handler(self) -> type[Handler]:
        return _Handler

    def let_go(self) -> None:
        for order in self.given:
            order.let_go.set()

    @property
    def address(self) -> str:
        return f"{super().address}/v1"

    def says(self, text: str, **more: Any) -> Order:
        return self.order(200, json.dumps(answer_of({"content": text}, **more)).encode())

    def uses(self, *calls: tuple[str, Any]) -> Order:
        """It wants to use tools: names with their arguments, which are JSON unless they are a text."""
        wanted = [
            {"id": f"call_{number}", "type": "function", "function": {
                "name": name, "arguments": given if isinstance(given, str) else json.dumps(given)}}
            for number, (name, given) in enumerate(calls)
        ]  # fmt: skip
        told = answer_of({"content": None, "tool_calls": wanted}, finish="tool_calls")
        return self.order(200, json.dumps(told).encode())

    def fails(self, status: int, **headers: str) -> Order:
        told = {"error": {"message": "about 27820000001", "type": "some", "code": None}}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.order(status, json.dumps(told).encode(), named)

    def order(
        self, status: int, content: bytes, headers: Mapping[str, str] | None = None, *, slow: bool = False
    ) -> Order:
        self.given.append(Order(status, content, headers or {}, slow))
        self.orders.append(self.given[-1])
        return self.given[-1]

    def next_order(self) -> Order | None:
        with self.lock:
            return self.orders.pop(0) if self.orders else None

    def take(self, path: str, key: str, content: bytes) -> bytes:
        """Answers as the API would. Raises NotTaken."""
        if path != "/v1/chat/completions":
            raise NotTaken(404, "Unknown request URL.")
        if key != f"Bearer {self.key}":
            raise NotTaken(401, "Incorrect API key provided.")
        self.asked.append(checked(content))
        return json.dumps(answer_of({"content": self.usual})).encode()


def answer_of(message: dict[str, Any], *, finish: str = "stop", tokens: tuple[int, int] = TOKENS) -> dict[str, Any]:
    """A completion."""
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "small",
        "choices": [{"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
    }  # fmt: skip


class _Handler(Handler):
    protocol_version = "HTTP/1.1"
    fake: FakeModel

    def do_POST(self) -> None:
        content = self.body()
        try:
            usual = self.fake.take(self.path, self.headers.get("authorization", ""), content)
        except NotTaken as no:
            self.fake.refused.append(no.status)
            told = {"error": {"message": no.words, "type": "invalid_request_error"}}
            return self.say(no.status, json.dumps(told).encode())
        order = self.fake.next_order() or Order(200, usual)
        if order.slow:
            order.held.set()
            order.let_go.wait(PATIENCE)
        return self.say(order.status, order.content, order.headers)
