"""A WhatsApp gateway beside an unofficial number, as a channel that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tallybook.core.messages import Incoming

from . import parse, verify


@dataclass(frozen=True)
class GatewayWebhook:
    """Webhooks of one's own gateways. ``secrets`` are theirs, or several of one while it is being changed."""

    secrets: Sequence[bytes] = field(repr=False)
    name: str = parse.CHANNEL

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        return verify.is_signed(headers, body, now, self.secrets)

    def parse(self, body: bytes) -> list[Incoming]:
        return parse.parse(body)
