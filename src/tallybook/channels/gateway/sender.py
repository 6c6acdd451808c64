"""Answers customers of a number that a gateway of one's own serves, by the address that is set and no other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tallybook.core.channel import OutcomeUnknown, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limit, Limits

from .outgoing import OfGateway, body_of, headers_of, outcome_of
from .parse import CHANNEL

# An unofficial number that writes like a machine is soon no number any more.
LIMITS = Limits((Limit(1, 2), Limit(15, 60), Limit(200, 3600), Limit(1000, 86_400)), cooldown=4)
MAX_ANSWER = 65_536


@dataclass
class GatewaySender:
    """The channel ``gateway`` as a sender. What has no answer is settled by the reports that come by webhook.

    Our key stands in the body: a gateway that gets it twice sends once. Times in seconds; together they stay below the
    time that the outbox gives a send.
    """

    address: str | None
    secrets: Sequence[bytes] = field(repr=False, default=())
    limits: Limits = LIMITS
    connect_timeout: float = 5.0
    answer_timeout: float = 30.0
    name: str = CHANNEL
    settlement: Settlement = Settlement.BY_REPORT
    _client: httpx.AsyncClient | None = field(default=None, repr=False)

    async def send(self, outgoing: Outgoing) -> str:
        """Posts one message and returns its id, "" where the gateway gives none yet. Raises as core/channel.py says."""
        if self.address is None or not self.secrets:
            raise OfGateway("No gateway is set that sends: set TALLYBOOK_GATEWAY_API_URL and TALLYBOOK_GATEWAY_SECRET.")
        body = body_of(outgoing)
        headers = headers_of(body, self.secrets[0], int(time.time()))
        try:
            address = f"{self.address}/messages"
            async with self._connected().stream("POST", address, content=body, headers=headers) as answer:
                content = await _at_most(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise Unreachable("The gateway cannot be reached at the address that is set.") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown("The gateway took the message and gave no answer.") from error
        return outcome_of(answer.status_code, answer.headers, content)

    async def aclose(self) -> None:
        """Closes the connections; a later send opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connected(self) -> httpx.AsyncClient:
        """Made at the first send: most processes never send. No proxy, no redirect: the address is the address."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers={"accept-encoding": "identity"},
                timeout=httpx.Timeout(self.answer_timeout, connect=self.connect_timeout),
                # A kept connection that is closed at that moment would look like a send without an answer.
                limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


async def _at_most(answer: httpx.Response) -> bytes:
    """The body, as far as any gateway's answer goes."""
    content = bytearray()
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > MAX_ANSWER:
            break
    return bytes(content[:MAX_ANSWER])
