"""How a webhook of ours is signed, for the one who checks it. Pure."""

from __future__ import annotations

import hashlib
import hmac

SIGNATURE, TIMESTAMP, DELIVERY = "X-Tallybook-Signature", "X-Tallybook-Timestamp", "X-Tallybook-Delivery"


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """``sha256=`` and the HMAC of the seconds since 1970, a full stop and the raw body."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"sha256={signed.hexdigest()}"
