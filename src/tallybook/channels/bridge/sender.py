"""Sends into WhatsApp groups through a bridge's API, to the configured addresses and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx

from tallybook.core.channel import OutcomeUnknown, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limit, Limits

from .wire import Request, outcome_of, request_of

# What WhatsApp lets a number of this kind do before it takes it for a nuisance.
LIMITS = Limits((Limit(2, 60), Limit(20, 3600), Limit(100, 86_400)), cooldown=3600, grace=300)
MAX_ANSWER = 65_536


@dataclass(frozen=True)
class Addresses:
    """Where messages are posted: ``bridge`` takes ``/send``, ``sender`` (if there is one) ``/send-message``."""

    bridge: str
    sender: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return f"Addresses(bridge={self.bridge!r}, sender={self.sender!r})"


@dataclass
class BridgeSender:
    """The channel ``bridge`` as a sender. What has no answer is settled by our own message in the bridge's file.

    A bridge that cannot be connected to has sent nothing. One that took the request and gave no answer may have.
    Times in seconds; together they stay below the time that the outbox gives a send.
    """

    addresses: Addresses
    limits: Limits = LIMITS
    connect_timeout: float = 5.0
    answer_timeout: float = 30.0
    name: str = "bridge"
    settlement: Settlement = Settlement.BY_ECHO
    _client: httpx.AsyncClient | None = field(default=None, repr=False)

    async def send(self, outgoing: Outgoing) -> str:
        """Posts one message and returns its id, "" where the bridge gives none. Raises as core/channel.py says."""
        request = request_of(outgoing, mentioning=self.addresses.sender is not None)
        try:
            async with self._connected().stream("POST", self._address(request), json=request.body) as answer:
                content = await _at_most(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise Unreachable("The bridge cannot be reached at the address that is set.") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown("The bridge took the message and gave no answer.") from error
        return outcome_of(answer.status_code, answer.headers, content)

    async def aclose(self) -> None:
        """Closes the connections; a later send opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _address(self, request: Request) -> str:
        if request.mentions and self.addresses.sender is not None:
            return f"{self.addresses.sender}/send-message"
        return f"{self.addresses.bridge}/send"

    def _connected(self) -> httpx.AsyncClient:
        """Made at the first send: most processes never send. No proxy, no redirect: the address is the address."""
        if self._client is None:
            token = self.addresses.token
            self._client = httpx.AsyncClient(
                headers={"authorization": f"Bearer {token}"} if token else {},
                timeout=httpx.Timeout(self.answer_timeout, connect=self.connect_timeout),
                # A kept connection that the bridge closes at that moment would look like a send without an answer.
                limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


async def _at_most(answer: httpx.Response) -> bytes:
    """The body, as far as any bridge's answer goes; the status decides, so a longer one is merely not read."""
    content = bytearray()
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > MAX_ANSWER:
            break
    return bytes(content)
