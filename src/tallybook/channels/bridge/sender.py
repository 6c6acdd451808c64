"""Sends into WhatsApp groups through a bridge's API, to the configured addresses and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tallybook.channels.posting import Poster
from tallybook.core.channel import Settlement
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limit, Limits

from .wire import Request, outcome_of, request_of

# What WhatsApp lets a number of this kind do before it takes it for a nuisance.
LIMITS = Limits((Limit(2, 60), Limit(20, 3600), Limit(100, 86_400)), cooldown=3600, grace=300)


@dataclass(frozen=True)
class Addresses:
    """Where messages are posted: ``bridge`` takes ``/send``, ``sender`` (if there is one) ``/send-message``."""

    bridge: str
    sender: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return f"Addresses(bridge={self.bridge!r}, sender={self.sender!r})"


@dataclass
class BridgeSender(Poster):
    """The channel ``bridge`` as a sender. What has no answer is settled by our own message in the bridge's file.

    A bridge that cannot be connected to has sent nothing. One that took the request and gave no answer may have.
    """

    provider: ClassVar[str] = "The bridge"

    addresses: Addresses
    limits: Limits = LIMITS
    name: str = "bridge"
    settlement: Settlement = Settlement.BY_ECHO

    async def send(self, outgoing: Outgoing) -> str:
        """Posts one message and returns its id, "" where the bridge gives none. Raises as core/channel.py says."""
        request = request_of(outgoing, mentioning=self.addresses.sender is not None)
        token = self.addresses.token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return outcome_of(*await self._post(self._address(request), json=request.body, headers=headers))

    def _address(self, request: Request) -> str:
        if request.mentions and self.addresses.sender is not None:
            return f"{self.addresses.sender}/send-message"
        return f"{self.addresses.bridge}/send"
