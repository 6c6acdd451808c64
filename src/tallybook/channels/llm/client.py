"""Asks an endpoint that speaks OpenAI's chat completions, within a time and a size. Tries nothing twice.

The key stands in the request's header alone, and no error of ours quotes what was sent or what came back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2

from tallybook.core.later import later
from tallybook.core.numbers import seconds_in

from .chat import Asked, Fault, ModelFault, Reply
from .wire import body_of, read_reply

if TYPE_CHECKING:
    import openai
else:
    openai = later("openai")

MAX_ANSWER = 1_048_576  # bytes
LONGEST_WAIT = 3600.0  # seconds; an endpoint that asks for more is believed no longer
STATUSES = {401: Fault.KEY, 403: Fault.KEY, 408: Fault.AWAY, 429: Fault.BUSY}
OWN_FAULT = 500  # from here the endpoint says that it is at fault itself
NO_KEY = "none"  # else the client would look for one in the environment, which is not ours
PLAIN = {"accept-encoding": "identity"}  # so that the size of what is read is the size of what was sent


class _TooLarge(Exception):
    """More came than an answer has."""


class _Measured(httpx2.AsyncByteStream):
    """A stream that ends with an error beyond its size."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for part in self._inner:
            read += len(part)
            if read > MAX_ANSWER:
                raise _TooLarge
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Limited(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await super().handle_async_request(request)
        if "content-encoding" in answer.headers or not isinstance(answer.stream, httpx2.AsyncByteStream):
            await answer.aclose()
            raise _TooLarge
        answer.stream = _Measured(answer.stream)
        return answer


class _Client(NamedTuple):
    """A client of the library, and how it asks: both are imported when they are first named."""

    library: Any
    ask: Callable[..., Awaitable[Any]]


@dataclass
class Endpoint:
    """A language model's endpoint. It opens nothing until it is asked."""

    address: str
    key: str | None = field(default=None, repr=False)
    _client: _Client | None = field(default=None, repr=False)

    async def ask(self, asked: Asked) -> Reply:
        """The model's answer. Raises ModelFault."""
        client = await self._connected()
        try:
            async with asyncio.timeout(asked.seconds):
                raw = await client.ask(**body_of(asked))
                return read_reply(raw.content)
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            raise fault from None

    async def aclose(self) -> None:
        """Closes the connections; a later question opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.library.close()

    async def _connected(self) -> _Client:
        # The library takes more than a second to import, in which nothing else of this process would go on. A client
        # that is not kept, since another was quicker or its question was given up, has no connections.
        if self._client is None:
            made = await asyncio.to_thread(self._made)
            self._client = self._client or made
        return self._client

    def _made(self) -> _Client:
        http = httpx2.AsyncClient(transport=_Limited(), follow_redirects=False, headers=PLAIN)
        made = openai.AsyncOpenAI(
            api_key=self.key or NO_KEY, base_url=self.address, max_retries=0, http_client=http, default_headers=PLAIN
        )
        return _Client(made, made.chat.completions.with_raw_response.create)


def fault_of(error: Exception) -> ModelFault | None:
    """What an error of the client's means; None for one that it does not know."""
    if isinstance(error, ModelFault):
        return error
    if isinstance(error, openai.APIStatusError):
        usual = Fault.AWAY if error.status_code >= OWN_FAULT else Fault.REFUSED
        wait = seconds_in(error.response.headers.get("retry-after"), LONGEST_WAIT)
        return ModelFault(STATUSES.get(error.status_code, usual), wait)
    fault = next((fault for kinds, fault in _kinds() if isinstance(error, kinds)), None)
    if isinstance(error.__cause__, _TooLarge):
        fault = Fault.TOO_LARGE
    return ModelFault(fault) if fault is not None else None


def _kinds() -> tuple[tuple[tuple[type[Exception], ...], Fault], ...]:
    """What each kind of error means; the first that fits."""
    return (
        ((_TooLarge,), Fault.TOO_LARGE),
        ((TimeoutError, openai.APITimeoutError), Fault.SLOW),
        ((openai.APIConnectionError, httpx2.HTTPError), Fault.AWAY),
        ((openai.OpenAIError, ValueError), Fault.MALFORMED),
    )
