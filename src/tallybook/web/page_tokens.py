"""The token by which a page proves that it is ours, as it stands in the page: new in each answer, and of one business.

A compressed answer tells by its length whether what was asked for repeats a secret beside it. So the secret is never
written as it is: each answer has it mixed with new random bytes. The number of the business says for which one a form
was shown, should its reader have gone to another one in another tab. Pure.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from tallybook.core.numbers import number_in

LENGTH = 64  # bytes of the framework's token, which it writes as hexadecimal digits


def masked(token: str, business_id: int | None = None) -> str:
    """The token for one answer; one that is not the framework's stays as it is, and opens nothing."""
    secret = _from_hex(token)
    if secret is None:
        return token
    mask = secrets.token_bytes(LENGTH)
    text = base64.urlsafe_b64encode(mask + _mixed(mask, secret)).decode().rstrip("=")
    return text if business_id is None else f"{text}.{business_id}"


def unmasked(text: str) -> str:
    """The framework's token again; what was never masked stays as it is."""
    text = text.partition(".")[0]
    try:
        both = base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        return text
    return _mixed(both[:LENGTH], both[LENGTH:]).hex() if len(both) == 2 * LENGTH else text


def business_of(text: str) -> int | None:
    """For which business the page was shown; None for a page of nobody, and for a program's own token."""
    return number_in(text.partition(".")[2])


def _from_hex(token: str) -> bytes | None:
    try:
        secret = bytes.fromhex(token)
    except ValueError:
        return None
    return secret if len(secret) == LENGTH else None


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
