"""Did Slack send this, and just now? Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tallybook.core.numbers import number_in

SIGNATURE, TIMESTAMP = "x-slack-signature", "x-slack-request-timestamp"
SCHEME = "v0"
# How far a request's moment may be from ours. What comes twice within it has its effects once, by its key.
WINDOW = timedelta(minutes=5)
LONGEST_TIMESTAMP = 12  # digits


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What Slack writes into the header for these raw bytes and this moment, in seconds since 1970."""
    signed = b":".join((SCHEME.encode(), timestamp.encode("utf-8", "surrogatepass"), body))
    return f"{SCHEME}={hmac.new(secret, signed, hashlib.sha256).hexdigest()}"


def refusal(headers: Mapping[str, str], body: bytes, now: datetime, secrets: Sequence[bytes]) -> str | None:
    """Why a request is not let in, in a word for a metric; None for one that a secret signed within the window.

    The signature is compared in constant time.
    """
    told = headers.get(TIMESTAMP, "")
    moment = number_in(told, LONGEST_TIMESTAMP)
    if moment is None:
        return "timestamp" if told else "unsigned"
    if abs(now.timestamp() - moment) > WINDOW.total_seconds():
        return "late"
    given = headers.get(SIGNATURE, "").encode("utf-8", "surrogatepass")
    found = [hmac.compare_digest(given, signature(secret, told, body).encode()) for secret in secrets]
    return None if True in found else "signature"  # all were tried, so that the time does not tell which one fitted


def is_signed(headers: Mapping[str, str], body: bytes, now: datetime, secrets: Sequence[bytes]) -> bool:
    """Whether one of the secrets signed these raw bytes within the window."""
    return refusal(headers, body, now, secrets) is None
