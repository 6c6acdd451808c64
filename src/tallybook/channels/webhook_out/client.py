"""Posts JSON to a web address of the owner's choice, signed. Redirects are not followed and proxies not asked."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx
import msgspec

from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Settlement, Unreachable
from tallybook.core.messages import Outgoing

from .addresses import LookUps, Resolve, checked
from .signing import DELIVERY, SIGNATURE, TIMESTAMP, signature

NAME = "webhook"
SECONDS = 15.0
LONGEST_WAIT = 3600.0
PORTS = {"https": 443, "http": 80}
TRY_LATER = frozenset({408, 425})
TOO_MANY = 429
# Hosts of others, whose name servers may hang, keep no alarm waiting.
resolved = LookUps(2)


class Hook(msgspec.Struct, frozen=True):
    """A web address that is told. Its ``url`` may hold a token, so that it is shown nowhere."""

    name: str
    url: str
    secret: str
    internal: bool = False

    def __repr__(self) -> str:
        return f"Hook({self.name})"


@dataclass
class Webhooks:
    """Webhooks as a channel; a message's recipient is the hook's name. ``hook`` raises Refused for an unknown one."""

    hook: Callable[[str], Hook]
    tls: ssl.SSLContext | bool = True
    resolve: Resolve = resolved
    seconds: float = SECONDS
    name: str = NAME
    # Nobody reports, and there is nobody to ask.
    settlement: Settlement = Settlement.NEVER

    async def send(self, outgoing: Outgoing) -> str:
        """Posts to one hook; returns the key that stands in the request. Raises SendErrors and OutcomeUnknown."""
        hook = self.hook(outgoing.to)
        parts = urlsplit(hook.url)
        port = parts.port or PORTS[parts.scheme]
        address = await self._address(hook, parts.hostname or "", port)
        body = msgspec.json.encode(outgoing.body)
        now = int(time.time())
        headers = {
            "Host": parts.netloc.rpartition("@")[2], "Content-Type": "application/json", "User-Agent": "Tallybook",
            TIMESTAMP: str(now), SIGNATURE: signature(hook.secret, now, body), DELIVERY: outgoing.dedup_key.encode(
                "ascii", "backslashreplace").decode(),
        }  # fmt: skip
        _judge(await self._posted(parts, _at(parts, address, port), headers, body))
        return headers[DELIVERY]

    async def _address(self, hook: Hook, host: str, port: int) -> str:
        try:
            async with asyncio.timeout(self.seconds):
                return await checked(host, port, self.resolve, internal=hook.internal)
        except TimeoutError as error:
            raise Unreachable("the webhook's host could not be looked up in time") from error

    async def _posted(
        self, parts: SplitResult, url: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str | None]:
        """The answer's status and when to ask again. Its body is not read: it is nobody's business of ours."""
        # Connected to the address that was checked, while the certificate is held against the name.
        named = {"sni_hostname": parts.hostname} if parts.scheme == "https" else {}
        client = httpx.AsyncClient(verify=self.tls, trust_env=False, follow_redirects=False, timeout=self.seconds)
        try:
            async with (
                client,
                client.stream("POST", url, headers=headers, content=body, extensions=named) as answer,
            ):
                return answer.status_code, answer.headers.get("retry-after")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable("the webhook cannot be reached") from error
        except httpx.TransportError as error:
            raise OutcomeUnknown(f"the line to the webhook broke ({type(error).__name__})") from error


def _at(parts: SplitResult, address: str, port: int) -> str:
    """The same address of the web, by number."""
    host = f"[{address}]" if ":" in address else address
    return parts._replace(netloc=f"{host}:{port}", fragment="").geturl()


def _judge(answer: tuple[int, str | None]) -> None:
    """Raises what the status means; any 2xx is a yes."""
    status, wait = answer
    if httpx.codes.is_success(status):
        return
    if status == TOO_MANY:
        raise RateLimited("the webhook asked us to wait", _seconds(wait))
    if httpx.codes.is_redirect(status):
        raise Refused(f"the webhook answered with a redirect ({status}), which is not followed")
    if status in TRY_LATER or httpx.codes.is_server_error(status):
        raise SendError(f"the webhook answered {status}", _seconds(wait))
    raise Refused(f"the webhook refused it ({status})")


def _seconds(text: str | None) -> float | None:
    return min(float(text), LONGEST_WAIT) if text and text.isdecimal() else None
