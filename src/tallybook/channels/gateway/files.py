"""Files at a gateway: one that a customer sent is asked for by its id, one of ours is given to it before it is sent.

It is asked at the address that is set and no other: an address that stands in a webhook is never asked for anything.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import httpx
import msgspec

from tallybook.channels.authorities import authorities
from tallybook.channels.files import AGAIN, CANNOT_READ, LONGEST_ID, PART, File, NotThere, Take
from tallybook.channels.posting import at_most, read_as
from tallybook.core import signatures
from tallybook.core.channel import Refused, SendError, Unreachable
from tallybook.core.numbers import seconds_in

from . import verify
from .outgoing import DONE, FAILED, LONGEST_WAIT, NOT_NOW, NOT_OURS, TOO_MANY, Answer, OfGateway, headers_of

NOT_FOUND = frozenset({404, 410})
GONE = "The gateway does not have this file any more."
AWAY = "The gateway cannot be reached for the file."
NOT_SET = "No gateway is set that has files: set TALLYBOOK_GATEWAY_API_URL and TALLYBOOK_GATEWAY_SECRET."
SIGNED_OTHERWISE = "The gateway does not take our signature: look at TALLYBOOK_GATEWAY_SECRET on both sides."
NOT_TAKEN = "The gateway did not say that it took the file."


@dataclass
class GatewayFiles:
    """The files of a gateway's numbers. Times in seconds: for an answer, and for all of one file."""

    keeps: ClassVar[timedelta] = timedelta(days=1)  # what it was given

    address: str | None
    secrets: Sequence[bytes] = field(repr=False, default=())
    timeout: float = 20.0
    longest: float = 900.0

    async def fetch(self, account: str, media_id: str, take: Take) -> None:
        """Hands the bytes of a customer's file to ``take`` as they come. Raises NotThere, or what ``take`` raises."""
        if self.address is None or not self.secrets:
            raise NotThere(NOT_SET, passing=True)
        body = msgspec.json.encode({"account": account, "id": media_id})
        headers = headers_of(body, self.secrets[0], int(time.time()))
        asked = f"{self.address}/files/get"
        try:
            async with (
                asyncio.timeout(self.longest),
                self._client() as client,
                client.stream("POST", asked, content=body, headers=headers) as answer,
            ):
                _look_at(answer)
                async for part in answer.aiter_bytes(PART):
                    await take(part)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise NotThere(AWAY, passing=True) from error

    async def upload(self, account: str, path: Path, file: File) -> str:
        """Gives the gateway a file; returns its id there. Raises a SendError: nothing is sent by that."""
        if self.address is None or not self.secrets:
            raise OfGateway(NOT_SET)
        asked = f"{self.address}/files"
        try:
            headers = await asyncio.to_thread(_headers, path, file.mime, self.secrets[0])
            async with self._client() as client:
                sent = client.stream("POST", asked, params={"account": account}, content=_parts(path), headers=headers)
                async with sent as answer:
                    content = await at_most(answer)
        except OSError as error:
            raise SendError(CANNOT_READ, AGAIN) from error
        except (httpx.ConnectError, httpx.UnsupportedProtocol) as error:
            raise Unreachable("The gateway cannot be reached with the file.") from error
        except httpx.HTTPError as error:
            raise SendError("The gateway cannot be reached with the file.", AGAIN) from error
        return _id_in(answer.status_code, content)

    def _client(self) -> httpx.AsyncClient:
        """No proxy, no redirect: the address is the address. No compression: what comes is as long as it is."""
        return httpx.AsyncClient(
            headers={"accept-encoding": "identity"}, timeout=self.timeout, verify=authorities(),
            follow_redirects=False, trust_env=False,
        )  # fmt: skip


def _look_at(answer: httpx.Response) -> None:
    """Raises NotThere for an answer that is no file."""
    status = answer.status_code
    if status in DONE:
        return
    if status in NOT_FOUND:
        raise NotThere(GONE)
    if status in NOT_OURS:
        raise NotThere(SIGNED_OTHERWISE, passing=True)
    raise NotThere(AWAY, passing=True, wait=seconds_in(answer.headers.get("retry-after"), LONGEST_WAIT) or 0.0)


def _headers(path: Path, mime: str, secret: bytes) -> dict[str, str]:
    """Those of a file that leaves at this moment: signed over its bytes, as a message is. Raises OSError."""
    stamp = str(int(time.time()))
    made = hmac.new(secret, verify.signed_bytes(stamp, b""), "sha256")
    with path.open("rb") as opened:
        while part := opened.read(PART):
            made.update(part)
    return {
        "content-type": mime or "application/octet-stream", "content-length": str(path.stat().st_size),
        verify.TIMESTAMP: stamp, verify.SIGNATURE: f"{signatures.SCHEME}{made.hexdigest()}",
    }  # fmt: skip


async def _parts(path: Path) -> AsyncIterator[bytes]:
    opened = await asyncio.to_thread(path.open, "rb")
    try:
        while part := await asyncio.to_thread(opened.read, PART):
            yield part
    finally:
        await asyncio.to_thread(opened.close)


def _id_in(status: int, content: bytes) -> str:
    given = read_as(Answer, content)
    if status in DONE and given is not None and 0 < len(given.id) <= LONGEST_ID:
        return given.id
    if status in NOT_OURS:
        raise OfGateway(SIGNED_OTHERWISE)
    if status in DONE or status == TOO_MANY or status in NOT_NOW or status in FAILED:
        # It answers: it may be this file alone that it cannot take, and the number's other messages must not wait.
        raise SendError(NOT_TAKEN, AGAIN)
    raise Refused(f"The gateway does not take the file (HTTP {status}).")
