"""What Meta documents of a message to be sent: its shape, its lengths, and the limits on sending."""

from __future__ import annotations

import json
import re
from typing import Any

WINDOW = 24 * 3600.0  # seconds
PAIR_BURST = 45
PAIR_SECONDS = 6.0
PHONE = re.compile(r"[1-9][0-9]{6,14}")
KNOWN = frozenset({
    "messaging_product", "recipient_type", "to", "recipient", "type", "text", "context", "biz_opaque_callback_data",
})  # fmt: skip
TITLES = {
    100: "(#100) Invalid parameter", 190: "Authentication error", 131009: "Parameter value is not valid",
    131047: "Re-engagement message", 131051: "Unsupported message type", 131056: "Pair rate limit hit",
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


def checked(content: bytes) -> dict[str, Any]:
    """The body of a text message. Raises NotTaken for any other."""
    try:
        body = json.loads(content)
    except ValueError:
        raise NotTaken(100, 400) from None
    if not isinstance(body, dict) or set(body) - KNOWN or body.get("messaging_product") != "whatsapp":
        raise NotTaken(100, 400)
    if body.get("recipient_type", "individual") != "individual":
        raise NotTaken(100, 400)
    if body.get("type") != "text":
        raise NotTaken(131051, 400)
    to, recipient = body.get("to"), body.get("recipient")
    if to is not None and not (isinstance(to, str) and PHONE.fullmatch(to)):
        raise NotTaken(131009, 400)
    if to is None and not (isinstance(recipient, str) and recipient):
        raise NotTaken(100, 400)
    _check_parts(body)
    return body


def _check_parts(body: dict[str, Any]) -> None:
    text, context = body.get("text"), body.get("context", {})
    words = text.get("body") if isinstance(text, dict) else None
    if not isinstance(words, str) or not 1 <= len(words) <= 4096:
        raise NotTaken(100, 400)
    if not isinstance(context, dict) or not isinstance(context.get("message_id", ""), str):
        raise NotTaken(100, 400)
    key = body.get("biz_opaque_callback_data", "")
    if not isinstance(key, str) or len(key) > 512:
        raise NotTaken(100, 400)
