"""Who is told what became of what was to be sent: in the transaction that writes it down.

A yes is told by the sending itself, however late, by its provider's report, and by our own message coming back; so of
one message perhaps more than once, and never of one that was captured, dropped or refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import msgspec

from .db import Conn
from .messages import Status


class Became(msgspec.Struct, frozen=True):
    """What became of a message of ours, by the channel and key under which it was put.

    A yes is SENT, DELIVERED or READ. WAITING: it was not sent and will be tried again.
    """

    channel: str
    dedup_key: str
    status: Status

    @property
    def is_yes(self) -> bool:
        return self.status in {Status.SENT, Status.DELIVERED, Status.READ}


# Called with the connection of that transaction and the business. What it raises undoes the record of the yes, which is
# then made again: by the message's coming back, or by the outbox.
Tell: TypeAlias = Callable[[Conn, int, Sequence[Became]], Awaitable[None]]


async def tell_nobody(conn: Conn, business_id: int, became: Sequence[Became]) -> None:
    """For those whose messages nobody waits for."""
