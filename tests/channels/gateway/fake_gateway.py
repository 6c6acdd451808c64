"""A gateway that sends, as a real HTTP server on this machine: it checks our signature, and sends once for a key.

>>> with FakeGateway(b"a secret") as gateway:
...     GatewaySender(gateway.address, [b"a secret"])
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tallybook.channels.gateway import verify
from tests.served import Handler, Served


@dataclass
class FakeGateway(Served):
    """``sent`` is what customers got. ``orders`` are obeyed once each: a status to answer with, "drop" or "after"."""

    secret: bytes
    sent: list[dict[str, Any]] = field(default_factory=list)
    orders: list[int | str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)

    def handler(self) -> type[Handler]:
        return _Handler

    def take(self, body: dict[str, Any]) -> str:
        """Sends once for a key; its id."""
        key = body["key"]
        if key not in self.ids:
            self.ids[key] = f"3EB0OURS{len(self.ids):04}"
            self.sent.append(body)
        return self.ids[key]


class _Handler(Handler):
    fake: FakeGateway

    def do_POST(self) -> None:
        content = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path != "/messages":
            return self._say(404, {})
        if not verify.is_signed(headers, content, datetime.now(UTC), [self.fake.secret]):
            return self._say(401, {})
        order = self.fake.orders.pop(0) if self.fake.orders else 200
        if isinstance(order, int) and order != 200:
            return self._say(order, {"error": "27820000001"})
        told = {"id": self.fake.take(json.loads(content))} if order != "drop" else {}
        if order in {"drop", "after"}:
            return self.drop()
        return self._say(200, told)

    def _say(self, status: int, said: dict[str, Any]) -> None:
        self.say(status, json.dumps(said).encode())
