"""A line to a web address of somebody's choice, by the number that was checked for its host."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from tallybook.channels.authorities import authorities

PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Line:
    """Connected to the ``address`` that was checked, while the certificate is held against the name in the ``url``.

    Each wait is of at most so many ``seconds``. No redirect is followed, and no proxy asked.
    """

    url: str
    address: str
    tls: ssl.SSLContext | None
    seconds: float

    @asynccontextmanager
    async def asked(
        self, method: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Asks; nothing of the answer's body is read yet. Raises what httpx raises, and ValueError for no such url."""
        parts = urlsplit(self.url)
        host, port = place_of(self.url)
        number = f"[{self.address}]" if ":" in self.address else self.address
        where = parts._replace(netloc=f"{number}:{port}", fragment="").geturl()
        named = {"sni_hostname": host} if parts.scheme == "https" else {}
        told = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "Tallybook", **headers}
        client = httpx.AsyncClient(
            verify=self.tls or authorities(), trust_env=False, follow_redirects=False, timeout=self.seconds
        )
        async with (
            client,
            client.stream(method, where, headers=told, content=content, extensions=named) as answer,
        ):
            yield answer


def place_of(url: str) -> tuple[str, int]:
    """The host and the port that a web address names. Pure. Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or PORTS[parts.scheme]
