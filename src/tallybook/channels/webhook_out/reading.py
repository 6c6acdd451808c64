"""Reads what stands at a web address of somebody's choice, guarded as a webhook's is: small, soon, and not from inside.

Few redirects are followed, each to an address that is checked like the first. Proxies are not asked.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from tallybook.core.channel import Refused, Unreachable

from .addresses import LookUps, Resolve, checked
from .line import PORTS, Line, place_of

SECONDS = 20.0
MOST_BYTES = 1_000_000
MOST_REDIRECTS = 3
HEADERS = {"Accept": "text/calendar", "Accept-Encoding": "identity"}
# Hosts of others, whose name servers may hang, keep no alarm and no webhook waiting.
resolved = LookUps(2)


class Unreadable(Exception):
    """Nothing was read. It says why by a word, which names no address.

    ``late``, ``internal``, ``nobody``, ``broken``, ``open``, ``wanders``, ``large``; or ``answers`` and a status.
    """


@dataclass(frozen=True)
class Reader:
    """Reads. ``internal`` lets addresses be those of the own network, and lines be open ones."""

    tls: ssl.SSLContext | None = None
    resolve: Resolve = resolved
    seconds: float = SECONDS
    most: int = MOST_BYTES
    internal: bool = False

    async def read(self, url: str) -> bytes:
        """What stands there. Raises Unreadable."""
        try:
            async with asyncio.timeout(self.seconds):
                return await self._followed(url)
        except TimeoutError:
            raise Unreadable("late") from None
        except Refused:
            raise Unreadable("internal") from None
        except (Unreachable, httpx.ConnectError):
            raise Unreadable("nobody") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            raise Unreadable("broken") from None

    async def _followed(self, url: str) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            schemes = PORTS if self.internal else {"https"}
            if urlsplit(url).scheme not in schemes:
                raise Unreadable("open")
            found = await self._got(url)
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
        raise Unreadable("wanders")

    async def _got(self, url: str) -> bytes | str:
        """What stands there, or where it is said to be."""
        address = await checked(*place_of(url), self.resolve, internal=self.internal)
        async with Line(url, address, self.tls, self.seconds).asked("GET", HEADERS) as answer:
            if answer.is_redirect and "location" in answer.headers:
                return str(answer.headers["location"])
            if not answer.is_success:
                raise Unreadable(f"answers {answer.status_code}")
            return await self._body(answer)

    async def _body(self, answer: httpx.Response) -> bytes:
        """As it comes: what is packed, though we asked for it not to be, might be any size."""
        found = bytearray()
        async for part in answer.aiter_raw():
            found += part
            if len(found) > self.most:
                raise Unreadable("large")
        return bytes(found)
