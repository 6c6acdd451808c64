"""Posts JSON to a web address of the owner's choice, signed. Redirects are not followed and proxies not asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import msgspec

from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tallybook.core.numbers import seconds_in

from .addresses import LookUps, Resolve, checked
from .calls import LONGEST_WAIT, SECONDS, Call, posting
from .line import place_of

NAME = "webhook"
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
    tls: ssl.SSLContext | None = None
    resolve: Resolve = resolved
    seconds: float = SECONDS
    name: str = NAME
    # Nobody reports, and there is nobody to ask.
    settlement: Settlement = Settlement.NEVER

    async def send(self, outgoing: Outgoing) -> str:
        """Posts to one hook; returns the key that stands in the request. Raises SendErrors and OutcomeUnknown."""
        hook = self.hook(outgoing.to)
        delivery = outgoing.dedup_key.encode("ascii", "backslashreplace").decode()
        call = Call(hook.url, [hook.secret], delivery, msgspec.json.encode(outgoing.body))
        _judge(*await self._posted(call, await self._address(hook)))
        return delivery

    async def _address(self, hook: Hook) -> str:
        try:
            async with asyncio.timeout(self.seconds):
                return await checked(*place_of(hook.url), self.resolve, internal=hook.internal)
        except TimeoutError as error:
            raise Unreachable("the webhook's host could not be looked up in time") from error

    async def _posted(self, call: Call, address: str) -> tuple[int, float | None]:
        """The answer's status and when to ask again. Its body is not read: it is nobody's business of ours."""
        try:
            async with posting(call, address, self.tls, self.seconds) as answer:
                return answer.status_code, seconds_in(answer.headers.get("retry-after"), LONGEST_WAIT)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable("the webhook cannot be reached") from error
        except httpx.TransportError as error:
            raise OutcomeUnknown(f"the line to the webhook broke ({type(error).__name__})") from error


def _judge(status: int, wait: float | None) -> None:
    """Raises what the status means; any 2xx is a yes."""
    if httpx.codes.is_success(status):
        return
    if status == TOO_MANY:
        raise RateLimited("the webhook asked us to wait", wait)
    if httpx.codes.is_redirect(status):
        raise Refused(f"the webhook answered with a redirect ({status}), which is not followed")
    if status in TRY_LATER or httpx.codes.is_server_error(status):
        raise SendError(f"the webhook answered {status}", wait)
    raise Refused(f"the webhook refused it ({status})")
