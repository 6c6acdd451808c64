"""A gateway that sends, as a real HTTP server on this machine: it checks our signature, and sends once for a key.

>>> with FakeGateway(b"a secret") as gateway:
...     GatewaySender(gateway.address, [b"a secret"])
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tallybook.channels.gateway import verify
from tests.served import Handler, Served


@dataclass
class FakeGateway(Served):
    """``sent`` is what customers got. ``orders`` are obeyed once each: a status to answer with, "drop" or "after".

    ``files`` are those of customers by (account, id), ``given`` those that it was given, by the id that it gave them.
    ``of_files`` are obeyed by what is asked about files.
    """

    secret: bytes
    sent: list[dict[str, Any]] = field(default_factory=list)
    orders: list[int | str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    given: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    of_files: list[int | str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def handler(self) -> type[Handler]:
        return _Handler

    def take(self, body: dict[str, Any]) -> str:
        """Sends once for a key; its id."""
        key = body["key"]
        if "id" in body.get("file", {}) and body["file"]["id"] not in self.given:
            raise KeyError("a file that it was not given")
        if key not in self.ids:
            self.ids[key] = f"3EB0OURS{len(self.ids):04}"
            self.sent.append(body)
        return self.ids[key]


class _Handler(Handler):
    fake: FakeGateway

    def do_POST(self) -> None:
        content = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = urlsplit(self.path)
        if path.path not in {"/messages", "/files", "/files/get"}:
            return self._say(404, {})
        if not verify.is_signed(headers, content, datetime.now(UTC), [self.fake.secret]):
            return self._say(401, {})
        if path.path != "/messages":
            return self._file(path.path, parse_qs(path.query), headers, content)
        order = self.fake.orders.pop(0) if self.fake.orders else 200
        if isinstance(order, int) and order != 200:
            return self._say(order, {"error": "27820000001"})
        told = {"id": self.fake.take(json.loads(content))} if order != "drop" else {}
        if order in {"drop", "after"}:
            return self.drop()
        return self._say(200, told)

    def _file(self, path: str, query: dict[str, list[str]], headers: dict[str, str], content: bytes) -> None:
        self.fake.asked.append(path)
        order = self.fake.of_files.pop(0) if self.fake.of_files else 200
        if isinstance(order, int) and order != 200:
            return self._say(order, {"error": "27820000001"})
        if path == "/files":
            name = f"file-{len(self.fake.given) + 1}"
            self.fake.given[name] = (query["account"][0], headers["content-type"], content)
            return self._say(200, {"id": name})
        asked = json.loads(content)
        found = self.fake.files.get((asked["account"], asked["id"]))
        if found is None:
            return self._say(404, {})
        if order != "cut":
            return self.say(200, found)
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("content-length", str(len(found)))
            self.end_headers()
            self.wfile.write(found[: len(found) // 2])
        self.close_connection = True
        return None

    def _say(self, status: int, said: dict[str, Any]) -> None:
        self.say(status, json.dumps(said).encode())
