"""Did Meta send this? The signature of a webhook and the handshake before the first one. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from tallybook.core import signatures

SIGNATURE = "x-hub-signature-256"


def is_signed(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether one of the app's secrets signed these raw bytes. Constant in time; no header is a no."""
    return signatures.fits(headers.get(SIGNATURE, ""), secrets, body)


def challenge(query: Mapping[str, str], token: str | None) -> str | None:
    """What to answer to the handshake: the challenge as it came, or None where its token is not ours."""
    given = query.get("hub.verify_token", "")
    if token is None or query.get("hub.mode") != "subscribe":
        return None
    return query.get("hub.challenge", "") if hmac.compare_digest(given.encode(), token.encode()) else None
