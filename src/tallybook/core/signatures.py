"""The signature of a webhook, in the spelling that several providers share: ``sha256=`` and an HMAC in hex. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

SCHEME = "sha256="


def split_secrets(text: str) -> list[bytes]:
    """Secrets as a setting gives them: several between commas, such as while one is being changed."""
    return [one.strip().encode() for one in text.split(",") if one.strip()]


def signature(secret: bytes, signed: bytes) -> str:
    """What the sender writes into the header for these bytes."""
    return SCHEME + hmac.digest(secret, signed, "sha256").hex()


def fits(given: str, secrets: Sequence[bytes], signed: bytes) -> bool:
    """Whether one of the secrets made the given signature. In constant time; without a secret nothing fits."""
    told = given.encode("utf-8", "surrogatepass")
    found = [hmac.compare_digest(told, signature(secret, signed).encode()) for secret in secrets]
    return True in found  # all were tried, so that the time does not tell which one fitted
