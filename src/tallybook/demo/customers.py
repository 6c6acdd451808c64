"""The demo's WhatsApp: customers who write, through the product's own door, and a provider that takes what is answered.

A process of its own. It knows the door's secret as WhatsApp would, and a token, by which it does what a person might.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import select
import signal
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from tallybook.settings import Settings

from . import talks

AGAIN_SECONDS = 0.5
SLOWER = 5  # customers write so many times more seldom than drops are posted …
LEAST_SECONDS = 10.0  # … and never faster, so that the bot has its turn between two of them
DELIVERED, READ = timedelta(seconds=1), timedelta(seconds=4)
MARK = "talks-told"
Report = tuple[datetime, bytes]


@dataclass
class Provider:
    """Takes what is sent, as WhatsApp's API does, and later tells how far it came."""

    address: tuple[str, int]
    due: deque[Report] = field(default_factory=deque)

    def start(self) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(self.address, type("Handler", (_Handler,), {"provider": self}))
        Thread(target=server.serve_forever, daemon=True).start()
        return server

    def take(self, content: bytes) -> dict[str, object]:
        asked = json.loads(content)
        if "status" in asked:
            return {"success": True}
        message_id, to = f"wamid.demo.{uuid4().hex}", str(asked.get("to", ""))
        ours, now = str(asked.get("biz_opaque_callback_data", "")), datetime.now(UTC)
        for became, after in (("sent", timedelta()), ("delivered", DELIVERED), ("read", READ)):
            self.due.append((now + after, talks.status(message_id, to, became, now + after, ours)))
        return {"messaging_product": "whatsapp", "contacts": [{"input": to}], "messages": [{"id": message_id}]}


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.endswith("/messages"):
            self._say(200, self.provider.take(content))
        else:
            self._nothing()

    def do_GET(self) -> None:
        if self.path.partition("?")[0].endswith("/message_templates"):
            self._say(200, {"data": []})
        else:
            self._nothing()

    def _nothing(self) -> None:
        self._say(400, {"error": {"code": 100, "message": "The demo's WhatsApp knows nothing of this."}})

    def _say(self, status: int, what: object) -> None:
        content = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing: what was sent stands in the product's own log."""


@dataclass
class Door:
    """The product's door for webhooks, and its API."""

    client: httpx.Client
    secret: bytes
    is_over: Callable[[float], bool]

    def tell(self, content: bytes) -> None:
        """Posts a webhook until it is taken, as WhatsApp does."""
        signature = hmac.new(self.secret, content, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
        self._until_taken(lambda: self.client.post("/webhooks/whatsapp", content=content, headers=headers))

    def do(self, path: str, **asked: str) -> None:
        """Has the API do something, once it knows of what."""
        self._until_taken(lambda: self.client.post(path, json=asked))

    def _until_taken(self, ask: Callable[[], httpx.Response]) -> None:
        while True:
            try:
                if ask().is_success:
                    return
            except httpx.TransportError:
                pass
            if self.is_over(AGAIN_SECONDS):
                sys.exit(0)


def tell_past(door: Door, folder: Path) -> None:
    """The talks of the days before, and what people made of them; once for each demo."""
    if (folder / MARK).exists():
        return
    for content in talks.past(datetime.now(UTC)):
        door.tell(content)
    conversation = "/api/whatsapp/conversations/%2B{}/{}"
    door.do(conversation.format(talks.LEAD.phone, "lead"))
    door.do(conversation.format(talks.CLOSED.phone, "close"))
    door.do(conversation.format(talks.SNOOZED.phone, "snooze"), until="week")
    (folder / MARK).touch()


def main(folder: str, token_file: str, seconds: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = Settings.load()
    api = urlsplit(settings.whatsapp_api_url)
    provider = Provider((api.hostname or "127.0.0.1", api.port or 0))
    provider.start()
    token = Path(token_file).read_text(encoding="utf-8").strip()
    headers = {"Authorization": f"Bearer {token}"}

    def is_over(wait: float) -> bool:
        return bool(select.select([sys.stdin], [], [], wait)[0])

    with httpx.Client(base_url=f"http://{settings.host}:{settings.port}", headers=headers, trust_env=False) as client:
        door = Door(client, (settings.whatsapp_app_secret or "").encode(), is_over)
        tell_past(door, Path(folder))
        _go_on(door, provider, max(float(seconds) * SLOWER, LEAST_SECONDS))


def _go_on(door: Door, provider: Provider, every: float) -> None:
    """Customers write, and what was answered is delivered and read."""
    count, following = 0, datetime.now(UTC) + timedelta(seconds=every)
    while not door.is_over(AGAIN_SECONDS):
        now = datetime.now(UTC)
        for _ in range(len(provider.due)):
            at, content = provider.due.popleft()
            if at <= now:
                door.tell(content)
            else:
                provider.due.append((at, content))
        if now >= following:
            who, text = talks.COMING[count % len(talks.COMING)]
            door.tell(talks.written(who, talks.Line(0, text), f"wamid.demo.{uuid4().hex}", now))
            count, following = count + 1, now + timedelta(seconds=every)


if __name__ == "__main__":
    main(*sys.argv[1:])
