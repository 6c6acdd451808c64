"""Calls of Slack's API, each workspace by its own token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import msgspec

from tallybook.channels.posting import Poster
from tallybook.core.channel import Unreachable

from .answers import OfWorkspace, outcome_of
from .outgoing import Call

# The token of a workspace, None where none was given. May raise anything.
TokenOf: TypeAlias = Callable[[str], Awaitable[str | None]]


async def token_for(token_of: TokenOf, account: str) -> str:
    """The token of a workspace, fit to stand in a header. Raises a SendError."""
    try:
        token = await token_of(account)
    except Exception as error:  # whatever it was, nothing has left, and the outbox must know that
        raise Unreachable("The workspace's token could not be looked up.") from error
    if not token:
        raise OfWorkspace("The Slack workspace has no token: give the account one, or set TALLYBOOK_SLACK_BOT_TOKEN.")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise OfWorkspace("The Slack workspace's token cannot be one: give the account another.")
    return token


@dataclass
class SlackCalls(Poster):
    """Calls below ``address``. The token is looked up for each, and stands in the request's header alone."""

    provider: ClassVar[str] = "Slack"
    longest_answer: ClassVar[int] = 4_000_000  # bytes; a page of a channel's history may hold many blocks

    address: str
    token_of: TokenOf = field(repr=False)
    answer_timeout: float = field(default=10.0, kw_only=True)

    async def call(self, account: str, call: Call) -> dict[str, Any]:
        """What Slack answers to a call in a workspace. Raises as core/channel.py says."""
        headers = {"authorization": f"Bearer {await token_for(self.token_of, account)}"}
        return outcome_of(*await self._post(f"{self.address}/{call.method}", data=as_form(call), headers=headers))


def as_form(call: Call) -> dict[str, str]:
    """What a call is told, as a form: the one spelling that every method takes. Pure."""
    return {name: value if isinstance(value, str) else _json(value) for name, value in call.told.items()}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
