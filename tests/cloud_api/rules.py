"""What Meta documents of a message to be sent: its shape, its lengths, and the limits on sending."""

from __future__ import annotations

import json
import re
from typing import Any

WINDOW = 24 * 3600.0  # seconds
ENTRY = 72 * 3600.0
PAIR_BURST = 45
PAIR_SECONDS = 6.0
PHONE = re.compile(r"[1-9][0-9]{6,14}")
KNOWN = frozenset({
    "messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data",
})  # fmt: skip
FILES = {"image", "video", "audio", "document", "sticker"}
OF_FILE = {"id", "link", "caption", "filename"}
TITLES = {
    100: "(#100) Invalid parameter", 190: "Authentication error", 131009: "Parameter value is not valid",
    131047: "Re-engagement message", 131051: "Unsupported message type", 131056: "Pair rate limit hit",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation", 132012: "Parameter format does not match",
    132015: "Template is Paused", 132016: "Template is Disabled", 132018: "Template parameters are not valid",
}  # fmt: skip


class NotTaken(Exception):
    """A message is not taken, with the code that says why."""

    def __init__(self, code: int, status: int, *, subcode: int | None = None) -> None:
        super().__init__(code)
        self.code, self.status, self.subcode = code, status, subcode

    @property
    def words(self) -> dict[str, Any]:
        words: dict[str, Any] = {
            "message": TITLES[self.code], "type": "OAuthException", "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": TITLES[self.code]}, "fbtrace_id": "A",
        }  # fmt: skip
        return words | ({"error_subcode": self.subcode} if self.subcode else {})


def need(holds: bool, code: int = 100) -> None:
    if not holds:
        raise NotTaken(code, 400)


def checked(content: bytes) -> dict[str, Any]:
    """The body of a message, or of a receipt (``status``). Raises NotTaken for any other."""
    try:
        body = json.loads(content)
    except ValueError:
        raise NotTaken(100, 400) from None
    need(isinstance(body, dict) and body.get("messaging_product") == "whatsapp")
    if "status" in body:
        return _receipt(body)
    kind = body.get("type")
    need(kind in CHECKS or kind in FILES, 131051)
    need(not set(body) - KNOWN - {kind})
    need(body.get("recipient_type", "individual") == "individual")
    to, recipient = body.get("to"), body.get("recipient")
    need(to is None or (isinstance(to, str) and bool(PHONE.fullmatch(to))), 131009)
    need(to is not None or (isinstance(recipient, str) and bool(recipient)))
    context, key = body.get("context", {}), body.get("biz_opaque_callback_data", "")
    need(isinstance(context, dict) and isinstance(context.get("message_id", ""), str))
    need(isinstance(key, str) and len(key) <= 512)
    need(isinstance(body.get(kind), dict))
    CHECKS.get(kind, _file)(body[kind])
    return body


def _receipt(body: dict[str, Any]) -> dict[str, Any]:
    need(set(body) <= {"messaging_product", "status", "message_id", "typing_indicator"} and body["status"] == "read")
    need(isinstance(body.get("message_id"), str) and bool(body["message_id"]))
    need(body.get("typing_indicator", {"type": "text"}) == {"type": "text"})
    return body


def text_of(value: Any, longest: int) -> None:
    need(isinstance(value, str) and 1 <= len(value) <= longest)


def _text(text: dict[str, Any]) -> None:
    text_of(text.get("body"), 4096)


def _file(file: dict[str, Any]) -> None:
    need(bool(file.get("id")) != bool(file.get("link")) and not set(file) - OF_FILE)
    text_of(file.get("caption", "x"), 1024)


def _reaction(reaction: dict[str, Any]) -> None:
    need(set(reaction) == {"message_id", "emoji"} and bool(reaction["message_id"]))


def _interactive(asked: dict[str, Any]) -> None:
    text_of(asked.get("body", {}).get("text"), 1024)
    action = asked.get("action", {})
    if asked.get("type") == "button":
        replies = [one["reply"] for one in action.get("buttons", []) if one.get("type") == "reply"]
        need(1 <= len(replies) <= 3 and len({one["id"] for one in replies}) == len(replies))
        for one in replies:
            text_of(one["title"], 20)
        return
    need(asked.get("type") == "list")
    text_of(action.get("button"), 20)
    rows = [row for section in action.get("sections", []) for row in section.get("rows", [])]
    need(1 <= len(rows) <= 10 and len({row["id"] for row in rows}) == len(rows))
    for row in rows:
        text_of(row["title"], 24)
        text_of(row.get("description", "x"), 72)


def _template(template: dict[str, Any]) -> None:
    need(bool(template.get("name")) and bool(template.get("language", {}).get("code")))


CHECKS = {"text": _text, "reaction": _reaction, "interactive": _interactive, "template": _template}
