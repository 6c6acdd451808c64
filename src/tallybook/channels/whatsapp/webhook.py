"""The WhatsApp Cloud API as a channel that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tallybook.core.messages import Incoming

from . import parse, verify
from .around import CHANNEL


@dataclass(frozen=True)
class WhatsAppWebhook:
    """Webhooks of one Meta app. ``secrets`` are the app's, several while one is being changed."""

    secrets: Sequence[bytes] = field(repr=False)
    verify_token: str | None = field(default=None, repr=False)
    name: str = CHANNEL

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:  # noqa: ARG002 - Meta signs no moment
        return verify.is_signed(headers, body, self.secrets)

    def parse(self, body: bytes) -> list[Incoming]:
        return parse.parse(body)

    def greet(self, query: Mapping[str, str]) -> str | None:
        """The answer to Meta's handshake; None where its token is not ours."""
        return verify.challenge(query, self.verify_token)
