"""A WhatsApp bridge's API on a real port, strict about everything that real ones are strict about.

>>> with FakeBridge(bridge.messages_path, groups=[LAWLEY]) as fake:
...     BridgeSender(Addresses(fake.api, fake.sender))

What it sends stands in the bridge's file as our own message, as WhatsApp's echo would.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.channels.bridge.bridge_file import STORE, _row
from tests.served import Handler, Served

OWN = "27820000099"
JID = re.compile(r"[0-9-]+@g\.us|[0-9]+@s\.whatsapp\.net")
SHAPES = {
    "/api/send": frozenset({"recipient", "message"}),
    "/send-message": frozenset({"group_jid", "recipient_jid", "message"}),
}

# What it says where nothing left, and where WhatsApp did not say whether it took what left.
UNSENT = {
    "disconnected": "Not connected to WhatsApp",
    "fails": "Error sending message: server returned error 500",
    "refuses": "Error sending message: server returned error 479",
}
UNANSWERED = {
    "timeout": "Error sending message: timed out waiting for message send response",
    "lost": "Error sending message: websocket disconnected before message send returned response",
}


@dataclass(frozen=True)
class Shown:
    """A message as it stands in the group. ``at`` is by the clock of the process."""

    chat: str
    text: str
    id: str
    at: float
    mentions: str | None


@dataclass
class FakeBridge(Served):
    """Serves until the block ends. ``orders`` are obeyed once each, in turn; else it sends.

    Orders: ``disconnected`` (500), ``fails`` (500), ``slow`` (sends, answers after ``delay``), ``slow-unsent``,
    ``drops`` (sends and closes the connection), ``timeout`` (500: timed out, though it was sent).
    A group that is not in ``groups`` gets nothing, and the answer is yes all the same.
    """

    messages_path: Path | None = None
    groups: Collection[str] = ()
    own: str = OWN
    token: str | None = None
    delay: float = 30.0
    orders: list[str] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def handler(self) -> type[Handler]:
        return _Handler

    def let_go(self) -> None:
        self.closing.set()

    @property
    def api(self) -> str:
        return f"{self.address}/api"

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.shown]

    def show(self, chat: str, text: str, mentions: str | None) -> str:
        """Puts a message into its group and its echo into the bridge's file; into a foreign group, nothing."""
        with self.lock:
            shown = Shown(chat, text, f"3EBF{len(self.shown):016X}", time.monotonic(), mentions)
            if chat not in self.groups:
                return shown.id
            self.shown.append(shown)
            self._echo(shown)
        return shown.id

    def _echo(self, shown: Shown) -> None:
        if self.messages_path is None:
            return
        now = datetime.now(UTC).replace(microsecond=0)
        with closing(sqlite3.connect(self.messages_path, timeout=10, isolation_level=None)) as file:
            file.execute(STORE, _row((shown.id, shown.chat, self.own, shown.text, now, True, "")))

    def order(self) -> str:
        with self.lock:
            self.asked += 1
            return self.orders.pop(0) if self.orders else "send"


class _Handler(Handler):
    fake: FakeBridge

    def do_POST(self) -> None:
        content = self.body()
        if self.path not in SHAPES:
            return self._answer(404, "404 page not found")
        if self.fake.token and self.headers.get("authorization") != f"Bearer {self.fake.token}":
            return self._answer(401, "Unauthorized")
        wrong = _wrong(self.path, content)
        if wrong:
            return self._answer(400, wrong)
        return self._obey(json.loads(content))

    def do_GET(self) -> None:
        self._answer(405 if self.path in SHAPES else 404, "Method not allowed")

    do_PUT = do_DELETE = do_GET

    def _obey(self, body: dict[str, str]) -> None:
        order = self.fake.order()
        if order in UNSENT:
            return self._answer(500, UNSENT[order])
        if order == "slow-unsent":
            self.fake.closing.wait(self.fake.delay)
            return self._answer(500, "Not connected to WhatsApp")
        message_id = self._send(body)
        if order == "drops":
            return self.connection.close()
        if order == "slow":
            self.fake.closing.wait(self.fake.delay)
        if order in UNANSWERED:
            return self._answer(500, UNANSWERED[order])
        more = {"message_id": message_id} if self.path == "/send-message" else {}
        return self._answer(200, f"Message sent to {body.get('recipient') or body['group_jid']}", more)

    def _send(self, body: dict[str, str]) -> str:
        if self.path == "/api/send":
            return self.fake.show(body["recipient"], body["message"], None)
        number = body["recipient_jid"].partition("@")[0]
        return self.fake.show(body["group_jid"], f"@{number} {body['message']}", body["recipient_jid"])

    def _answer(self, status: int, says: str, more: dict[str, str] | None = None) -> None:
        if status != 200:
            self.fake.refused.append((status, says))
        content = json.dumps({"success": status == 200, "message": says} | (more or {})).encode()
        self.say(status, content)


def _wrong(path: str, content: bytes) -> str | None:
    """What is wrong with a request, in the bridge's words; keys of other spellings are as good as none."""
    try:
        body = json.loads(content)
    except ValueError:
        return "Invalid request format"
    if not isinstance(body, dict) or any(not body.get(key) for key in SHAPES[path]):
        return f"{', '.join(sorted(SHAPES[path]))} are required"
    if not all(JID.fullmatch(body[key]) for key in SHAPES[path] - {"message"}):
        return "Invalid JID"
    return None
