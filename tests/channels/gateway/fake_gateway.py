"""A gateway that sends, as a real HTTP server on this machine: it checks our signature, and sends once for a key.

>>> with FakeGateway(b"a secret") as gateway:
...     GatewaySender(gateway.address, [b"a secret"])
"""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tallybook.channels.gateway import verify


@dataclass
class FakeGateway:
    """``sent`` is what customers got. ``orders`` are obeyed once each: a status to answer with, "drop" or "after"."""

    secret: bytes
    sent: list[dict[str, Any]] = field(default_factory=list)
    orders: list[int | str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, body: dict[str, Any]) -> str:
        """Sends once for a key; its id."""
        key = body["key"]
        if key not in self.ids:
            self.ids[key] = f"3EB0OURS{len(self.ids):04}"
            self.sent.append(body)
        return self.ids[key]


class _Handler(BaseHTTPRequestHandler):
    fake: FakeGateway

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
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
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)
            return None
        return self._say(200, told)

    def _say(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
