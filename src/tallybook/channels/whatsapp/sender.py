"""Answers customers through the Cloud API, each number by its own access token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from tallybook.channels.files import WithFile, as_it_is
from tallybook.channels.posting import Poster
from tallybook.core.channel import OutcomeUnknown, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limit, Limits

from .answers import OfNumber, outcome_of
from .around import CHANNEL
from .outgoing import is_repeatable, request_of

# What a number may send, and how long the API lets one wait for the same customer. What a person pressed for need not
# cool down: a few in a row are borrowed from the future, and what is over is told by PairLimited.
LIMITS = Limits((Limit(80, 1),), cooldown=6)
# The access token of an account, None where none was given. May raise anything.
TokenOf: TypeAlias = Callable[[str], Awaitable[str | None]]


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
class WhatsAppSender(Poster):
    """The channel ``whatsapp`` as a sender. What has no answer is settled by the reports that come by webhook.

    The token is looked up for each send, so that a new one holds at once; it stands in the request's header alone.
    """

    provider: ClassVar[str] = "WhatsApp"

    address: str
    token_of: TokenOf = field(repr=False)
    with_file: WithFile = field(default=as_it_is, repr=False)
    limits: Limits = LIMITS
    answer_timeout: float = field(default=20.0, kw_only=True)
    name: str = CHANNEL
    settlement: Settlement = Settlement.BY_REPORT

    async def send(self, outgoing: Outgoing) -> str:
        """Posts one message and returns its id. Raises as core/channel.py says."""
        request = request_of(await self.with_file(outgoing))
        headers = {"authorization": f"Bearer {await token_for(self.token_of, outgoing.account)}"}
        try:
            answer = await self._post(f"{self.address}/{request.path}", json=request.body, headers=headers)
        except OutcomeUnknown as error:
            if is_repeatable(outgoing):
                raise Unreachable("WhatsApp gave no answer.") from error
            raise
        return outcome_of(*answer)

    async def show_typing(self, account: str, about: str) -> None:
        """Shows a customer for some seconds that somebody answers ``about``, which marks it as read. Raises as send."""
        body: Any = {"read": {"about": about, "typing": True}}  # as it is when it comes from the outbox
        await self.send(Outgoing(self.name, account, "", "", body))
