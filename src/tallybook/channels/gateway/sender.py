"""Answers customers of a number that a gateway of one's own serves, by the address that is set and no other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tallybook.channels.files import WithFile, as_it_is
from tallybook.channels.posting import Poster
from tallybook.core.channel import Settlement
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limit, Limits

from .outgoing import OfGateway, body_of, headers_of, outcome_of
from .parse import CHANNEL

# An unofficial number that writes like a machine is soon no number any more.
LIMITS = Limits((Limit(1, 2), Limit(15, 60), Limit(200, 3600), Limit(1000, 86_400)), cooldown=4)


@dataclass
class GatewaySender(Poster):
    """The channel ``gateway`` as a sender. What has no answer is settled by the reports that come by webhook.

    Our key stands in the body: a gateway that gets it twice sends once.
    """

    provider: ClassVar[str] = "The gateway"

    address: str | None
    secrets: Sequence[bytes] = field(repr=False, default=())
    with_file: WithFile = field(default=as_it_is, repr=False)
    limits: Limits = LIMITS
    name: str = CHANNEL
    settlement: Settlement = Settlement.BY_REPORT

    async def send(self, outgoing: Outgoing) -> str:
        """Posts one message and returns its id, "" where the gateway gives none yet. Raises as core/channel.py says."""
        if self.address is None or not self.secrets:
            raise OfGateway("No gateway is set that sends: set TALLYBOOK_GATEWAY_API_URL and TALLYBOOK_GATEWAY_SECRET.")
        body = body_of(await self.with_file(outgoing))
        headers = headers_of(body, self.secrets[0], int(time.time()))
        return outcome_of(*await self._post(f"{self.address}/messages", content=body, headers=headers))
