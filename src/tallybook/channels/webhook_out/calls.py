"""One call of a web address of somebody's choice: signed, to the address that was checked, with no redirect followed.

Whatever the answer is, it is an answer: who calls judges it. Only that there is none is an error.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import msgspec

from tallybook.core.channel import Unreachable
from tallybook.core.numbers import seconds_in

from .addresses import Resolve, checked, resolved
from .line import Line, place_of
from .signing import DELIVERY, SIGNATURE, TIMESTAMP, signature

FIRST_BYTES = 300
SECONDS = 15.0
LONGEST_WAIT = 86_400.0  # seconds; who asks for more is asked again after a day


class Call(msgspec.Struct, frozen=True):
    """What is posted where. ``secrets``: one, or two while one is being changed; each signs.

    ``url`` may hold a token, so that it is shown nowhere.
    """

    url: str
    secrets: Sequence[str]
    delivery: str
    body: bytes

    def __repr__(self) -> str:
        return f"Call({self.delivery})"


class Answer(msgspec.Struct, frozen=True):
    """An answer's status, its first bytes as text, and after how many seconds to ask again, where it says so."""

    status: int
    says: str = ""
    wait: float | None = None


@dataclass(frozen=True)
class Caller:
    """Posts. ``internal`` lets addresses be those of the own network."""

    tls: ssl.SSLContext | None = None
    resolve: Resolve = resolved
    seconds: float = SECONDS
    internal: bool = False

    async def post(self, call: Call) -> Answer:
        """Raises Unreachable where nobody could be asked, Refused for an internal address, TimeoutError, OSError."""
        # A look-up has no limit of its own, and each read has one: one that drips must come to an end too.
        async with asyncio.timeout(self.seconds):
            address = await checked(*place_of(call.url), self.resolve, internal=self.internal)
            return await self._posted(call, address)

    async def _posted(self, call: Call, address: str) -> Answer:
        try:
            async with posting(call, address, self.tls, self.seconds) as answer:
                wait = seconds_in(answer.headers.get("retry-after"), LONGEST_WAIT)
                return Answer(answer.status_code, await _first(answer), wait)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable("nobody answers at this address") from error
        except httpx.HTTPError as error:
            raise ConnectionError(f"the line broke ({type(error).__name__})") from error


@asynccontextmanager
async def posting(
    call: Call, address: str, tls: ssl.SSLContext | None, seconds: float
) -> AsyncIterator[httpx.Response]:
    """Posts to the ``address`` of the call's host that was checked; nothing of the answer's body is read yet.

    Raises what httpx raises, each wait being of at most so many ``seconds``.
    """
    async with Line(call.url, address, tls, seconds).asked("POST", _headers(call), call.body) as answer:
        yield answer


def _headers(call: Call) -> dict[str, str]:
    now = int(time.time())
    return {
        "Content-Type": "application/json", TIMESTAMP: str(now), DELIVERY: call.delivery,
        SIGNATURE: ", ".join(signature(secret, now, call.body) for secret in call.secrets),
    }  # fmt: skip


async def _first(answer: httpx.Response) -> str:
    """The first bytes of an answer as text; no more of it is read. One that says nothing is well all the same."""
    said = b""
    try:
        async for part in answer.aiter_raw(FIRST_BYTES):
            said += part
            if len(said) >= FIRST_BYTES:
                break
    except httpx.HTTPError:
        pass
    return said[:FIRST_BYTES].decode("utf-8", "replace")
