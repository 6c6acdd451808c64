"""Random secrets that are handed out once and kept only as a hash."""

from __future__ import annotations

import hashlib
import secrets

API_PREFIX = "tb_"


def new() -> str:
    """256 random bits, safe in a cookie, a header and a URL."""
    return secrets.token_urlsafe(32)


def new_api_token() -> str:
    """The same, and recognisable: a scanner for leaked secrets can find it."""
    return API_PREFIX + new()


def digest(token: str) -> bytes:
    """What is stored. A plain hash is enough, since nobody can guess 256 bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
