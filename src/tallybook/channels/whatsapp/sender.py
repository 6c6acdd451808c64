"""Answers customers through the Cloud API, each number by its own access token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx

from tallybook.core.channel import OutcomeUnknown, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limit, Limits

from .answers import OfNumber, outcome_of
from .around import CHANNEL
from .outgoing import is_repeatable, request_of

# What a number may send, and how long the API lets one wait for the same customer. What a person pressed for need not
# cool down: a few in a row are borrowed from the future, and what is over is told by PairLimited.
LIMITS = Limits((Limit(80, 1),), cooldown=6)
MAX_ANSWER = 65_536
# The access token of an account, None where none was given. May raise anything.
TokenOf: TypeAlias = Callable[[str], Awaitable[str | None]]
# Gives the provider the file of a message, if it needs one; the message, naming it. Raises a SendError.
WithFile: TypeAlias = Callable[[Outgoing], Awaitable[Outgoing]]


async def as_it_is(outgoing: Outgoing) -> Outgoing:
    return outgoing


async def token_for(token_of: TokenOf, account: str) -> str:
    """The access token of a number, fit to stand in a header. Raises a SendError."""
    try:
        token = await token_of(account)
    except Exception as error:  # whatever it was, nothing has left, and the outbox must know that
        raise Unreachable("The number's access token could not be looked up.") from error
    if not token:
        raise OfNumber("The number has no access token: give the account one.")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise OfNumber("The number's access token cannot be one: give the account another.")
    return token


@dataclass
class WhatsAppSender:
    """The channel ``whatsapp`` as a sender. What has no answer is settled by the reports that come by webhook.

    The token is looked up for each send, so that a new one holds at once; it stands in the request's header alone.
    Times in seconds; together they stay below the time that the outbox gives a send.
    """

    address: str
    token_of: TokenOf = field(repr=False)
    with_file: WithFile = field(default=as_it_is, repr=False)
    limits: Limits = LIMITS
    connect_timeout: float = 5.0
    answer_timeout: float = 20.0
    name: str = CHANNEL
    settlement: Settlement = Settlement.BY_REPORT
    _client: httpx.AsyncClient | None = field(default=None, repr=False)

    async def send(self, outgoing: Outgoing) -> str:
        """Posts one message and returns its id. Raises as core/channel.py says."""
        request = request_of(await self.with_file(outgoing))
        headers = {"authorization": f"Bearer {await token_for(self.token_of, outgoing.account)}"}
        try:
            address = f"{self.address}/{request.path}"
            async with self._connected().stream("POST", address, json=request.body, headers=headers) as answer:
                content = await at_most(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise Unreachable("WhatsApp cannot be reached at the address that is set.") from error
        except httpx.HTTPError as error:
            if is_repeatable(outgoing):
                raise Unreachable("WhatsApp gave no answer.") from error
            raise OutcomeUnknown("WhatsApp took the message and gave no answer.") from error
        return outcome_of(answer.status_code, answer.headers, content)

    async def show_typing(self, account: str, about: str) -> None:
        """Shows a customer for some seconds that somebody answers ``about``, which marks it as read. Raises as send."""
        body: Any = {"read": {"about": about, "typing": True}}  # as it is when it comes from the outbox
        await self.send(Outgoing(self.name, account, "", "", body))

    async def aclose(self) -> None:
        """Closes the connections; a later send opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connected(self) -> httpx.AsyncClient:
        """Made at the first send: most processes never send. No proxy, no redirect: the address is the address."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers={"accept-encoding": "identity"},  # else a small answer could unpack into a large one
                timeout=httpx.Timeout(self.answer_timeout, connect=self.connect_timeout),
                # A kept connection that is closed at that moment would look like a send without an answer.
                limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


async def at_most(answer: httpx.Response) -> bytes:
    """The body, as far as any answer of the API goes; of a longer one the rest is not read."""
    content = bytearray()
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > MAX_ANSWER:
            break
    return bytes(content[:MAX_ANSWER])
