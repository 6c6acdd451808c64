"""Slack as a channel that is told. Each request becomes one Incoming, keyed by its identity. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from msgspec import Raw

from tallybook.core.content import Content, Person
from tallybook.core.messages import Identity, Incoming
from tallybook.core.updates import Said, Update, moment

from . import requests, verify
from .requests import Request

CHANNEL = "slack"
# They let whoever has them answer in our name for a while, and are of no use later.
NOT_KEPT = frozenset({"token", "response_url", "response_urls"})


@dataclass(frozen=True)
class SlackWebhook:
    """Requests of one Slack app. ``secrets`` are its signing secrets, several while one is being changed."""

    secrets: Sequence[bytes] = field(repr=False)
    name: str = CHANNEL

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        return verify.is_signed(headers, body, now, self.secrets)

    def refusal(self, headers: Mapping[str, str], body: bytes, now: datetime) -> str | None:
        """Why a request is not let in: unsigned, timestamp, late (is the clock right?) or signature."""
        return verify.refusal(headers, body, now, self.secrets)

    def parse(self, body: bytes) -> list[Incoming]:
        """The one thing that was done. Raises for what is no request of Slack's, or of no workspace."""
        return [incoming_of(requests.read(body))]


def incoming_of(request: Request) -> Incoming:
    """The request as core takes it: unique by its workspace, its identity and what it is. Raises ValueError."""
    if not request.team or not request.identity:
        raise ValueError("a request of no workspace, or one that changes nothing")
    kept = _kept(request.payload)
    content = Content(type=request.kind, as_sent=kept, person=Person(user_id=request.user))
    update = Update(
        kind=f"{request.kind}:{request.name}",
        external_id=request.identity,
        chat=request.channel or request.user or request.team,
        sender=Identity(raw=request.user),
        at=moment(request.at),
        said=Said(content, (), request.text),  # nothing is edited: what is changed later is another thing done
        from_us=request.ours,
    )
    return update.incoming(CHANNEL, request.team)


def _kept(payload: Raw) -> Raw:
    whole = msgspec.json.decode(payload)
    return Raw(msgspec.json.encode({name: value for name, value in whole.items() if name not in NOT_KEPT}))
