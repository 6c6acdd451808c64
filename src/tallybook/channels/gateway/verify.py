"""Did our gateway send this, and just now? Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tallybook.core import signatures
from tallybook.core.numbers import number_in

SIGNATURE, TIMESTAMP = "x-tallybook-signature", "x-tallybook-timestamp"
# How far a signature's moment may be from ours. What comes twice within it has its effects once, by its key.
WINDOW = timedelta(minutes=5)
LONGEST_TIMESTAMP = 12  # digits


def signed_bytes(timestamp: str, body: bytes) -> bytes:
    """What is signed: the seconds since 1970 as they stand in the header, a full stop and the raw body."""
    return timestamp.encode() + b"." + body


def is_signed(headers: Mapping[str, str], body: bytes, now: datetime, secrets: Sequence[bytes]) -> bool:
    """Whether one of the secrets signed these raw bytes within the window. Constant in time; no header is a no."""
    told = headers.get(TIMESTAMP, "")
    moment = number_in(told, LONGEST_TIMESTAMP)
    if moment is None or abs(now.timestamp() - moment) > WINDOW.total_seconds():
        return False
    return signatures.fits(headers.get(SIGNATURE, ""), secrets, signed_bytes(told, body))
