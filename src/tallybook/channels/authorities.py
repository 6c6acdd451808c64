"""By whom a server's certificate must be vouched for: the same for every client, and read once."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def authorities() -> ssl.SSLContext:
    """Reading them takes longer than most of what is then asked, and nothing else goes on meanwhile."""
    return httpx.create_ssl_context(trust_env=False)
