"""How senders post over HTTP: to the address that is set and no other. Each channel judges the answers by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import httpx
import msgspec

from tallybook.channels.authorities import authorities
from tallybook.core.channel import OutcomeUnknown, Unreachable

MAX_ANSWER = 65_536  # bytes
T = TypeVar("T")


@dataclass(kw_only=True)
class Poster:
    """Posts to one provider, whom ``provider`` names at the start of a sentence.

    Times in seconds; together they stay below the time that the outbox gives a send.
    """

    provider: ClassVar[str]
    longest_answer: ClassVar[int] = MAX_ANSWER

    connect_timeout: float = 5.0
    answer_timeout: float = 30.0
    _client: httpx.AsyncClient | None = field(default=None, repr=False)

    async def aclose(self) -> None:
        """Closes the connections; a later send opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _post(self, address: str, **request: Any) -> tuple[int, Mapping[str, str], bytes]:
        """The status, headers and body, up to ``longest_answer``. ``request`` is httpx's: its headers and its body.

        Raises Unreachable where nothing has left, OutcomeUnknown where it may have.
        """
        try:
            async with self._connected().stream("POST", address, **request) as answer:
                return answer.status_code, answer.headers, await at_most(answer, self.longest_answer)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise Unreachable(f"{self.provider} cannot be reached at the address that is set.") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(f"{self.provider} took the message and gave no answer.") from error

    def _connected(self) -> httpx.AsyncClient:
        """Made at the first send: most processes never send. No proxy, no redirect: the address is the address."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers={"accept-encoding": "identity"},  # else a small answer could unpack into a large one
                timeout=httpx.Timeout(self.answer_timeout, connect=self.connect_timeout),
                # A kept connection that is closed at that moment would look like a send without an answer.
                limits=httpx.Limits(max_keepalive_connections=0),
                verify=authorities(),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


async def at_most(answer: httpx.Response, most: int = MAX_ANSWER) -> bytes:
    """The body, as far as any provider's answer goes; of a longer one the rest is not read."""
    content = bytearray()
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > most:
            break
    return bytes(content[:most])


def read_as(kind: type[T], content: bytes) -> T | None:
    """An answer's JSON; None where it is none of that kind. Pure."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
