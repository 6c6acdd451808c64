"""The files of the Cloud API: asked for by id, had at an address for a while, given to it as forms.

>>> api.files.add("1003383421387256", JPEG, "image/jpeg")
>>> api.files.orders.append("cut")      # the next download breaks in the middle
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from tests.served import Handler

# What Meta takes, and how large: megabytes by type.
LIMITS = {
    "image/jpeg": 5, "image/png": 5, "image/webp": 1, "video/mp4": 16, "video/3gpp": 16, "audio/ogg": 16,
    "audio/mpeg": 16, "audio/mp4": 16, "audio/aac": 16, "audio/amr": 16, "application/pdf": 100, "text/plain": 100,
}  # fmt: skip
MEGA = 1024 * 1024


@dataclass(frozen=True)
class Kept:
    content: bytes
    mime: str

    @property
    def sha256(self) -> str:
        return base64.b64encode(hashlib.sha256(self.content).digest()).decode()


@dataclass
class FakeFiles:
    """``elsewhere`` is an address that is told in place of ours. ``asked`` are the paths of what was asked for."""

    kept: dict[str, Kept] = field(default_factory=dict)
    uploaded: dict[str, Kept] = field(default_factory=dict)
    orders: list[Literal["busy", "cut", "other"]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    elsewhere: str = ""

    def add(self, media_id: str, content: bytes, mime: str = "image/jpeg") -> dict[str, Any]:
        """Keeps a customer's file; returns what a webhook says of it."""
        self.kept[media_id] = Kept(content, mime)
        return {"id": media_id, "mime_type": mime, "sha256": self.kept[media_id].sha256}

    @property
    def downloads(self) -> int:
        return sum(path.startswith("/bytes/") for path in self.asked)

    def answer_get(self, handler: Handler, address: str, tokens: dict[str, str]) -> None:
        """One GET: of an id, or of the bytes."""
        path = urlsplit(handler.path)
        self.asked.append(path.path)
        token = handler.headers.get("authorization", "")
        if token not in {f"Bearer {one}" for one in tokens.values()}:
            return handler.say(401, b'{"error": {"code": 190, "message": "no"}}')
        if path.path.startswith("/bytes/"):
            return self._bytes(handler, path.path.rpartition("/")[2])
        file = self.kept.get(path.path.strip("/"))
        number = parse_qs(path.query).get("phone_number_id", [""])[0]
        if file is None or number not in tokens:
            return handler.say(400, b'{"error": {"code": 100, "error_subcode": 33, "message": "no such object"}}')
        if self.orders and self.orders[0] == "busy":
            self.orders.pop(0)
            return handler.say(503, b"")
        url = self.elsewhere or f"{address}/bytes/{path.path.strip('/')}"
        told = f'{{"url": "{url}", "mime_type": "{file.mime}", "sha256": "{file.sha256}", "id": "x"}}'
        return handler.say(200, told.encode())

    def _bytes(self, handler: Handler, media_id: str) -> None:
        file = self.kept.get(media_id)
        if file is None:
            return handler.say(404, b"")
        order = self.orders.pop(0) if self.orders else None
        content = b"\xff\xd8\xff another" if order == "other" else file.content
        with contextlib.suppress(OSError):
            handler.send_response(200)
            handler.send_header("content-type", file.mime)
            handler.send_header("content-length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[: len(content) // 2] if order == "cut" else content)
        if order == "cut":
            handler.close_connection = True
        return None

    def answer_post(self, handler: Handler, form: bytes, tokens: dict[str, str]) -> None:
        """One file of ours: a form with ``messaging_product``, ``type`` and ``file``."""
        number = handler.path.strip("/").split("/")[-2]
        self.asked.append(handler.path)
        if handler.headers.get("authorization", "") != f"Bearer {tokens.get(number)}":
            return handler.say(401, b'{"error": {"code": 190, "message": "no"}}')
        if self.orders and self.orders[0] == "busy":
            self.orders.pop(0)
            return handler.say(503, b"")
        parts = _parts(handler.headers.get("content-type", ""), form)
        mime = parts.get("type", b"").decode()
        content = parts.get("file", b"")
        if parts.get("messaging_product") != b"whatsapp" or not content or len(content) > LIMITS.get(mime, 0) * MEGA:
            return handler.say(400, b'{"error": {"code": 131053, "message": "Media upload error"}}')
        media_id = str(7000 + len(self.uploaded))
        self.uploaded[media_id] = Kept(content, mime)
        return handler.say(200, f'{{"id": "{media_id}"}}'.encode())


def _parts(content_type: str, form: bytes) -> dict[str, bytes]:
    boundary = content_type.partition("boundary=")[2].encode()
    found: dict[str, bytes] = {}
    for part in form.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        if name:
            found[name[1].decode()] = content.removesuffix(b"\r\n")
    return found
