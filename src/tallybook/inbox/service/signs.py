"""What leaves for a customer and is no message of a thread, reactions and receipts: hears what became of them.

Apart from those who send them, since whoever files a report hears of it too.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core.db import Conn
from tallybook.core.messages import Status
from tallybook.core.numbers import number_in
from tallybook.core.outcomes import Became
from tallybook.core.withdrawing import Claimed
from tallybook.inbox.store import reacting, receipts

REACTION = "react:"
RECEIPT = "receipt:"
OVERTAKEN = "another one was put since"
NOT_SENT = {
    Status.PARKED: "WhatsApp did not take it", Status.DROPPED: "it waited too long",
    Status.CAPTURED: "only the environment prod sends",
}  # fmt: skip


def about(outgoing_key: str) -> int | None:
    """The number of the message that a reaction or a receipt is about; None of anything else. Pure."""
    prefix = next((one for one in (REACTION, RECEIPT) if outgoing_key.startswith(one)), None)
    return number_in(outgoing_key.removeprefix(prefix).partition(":")[0]) if prefix else None


async def heard(conn: Conn, business_id: int, became: Sequence[Became]) -> bool:
    """Whether any of these was one."""
    put = [one for one in became if one.dedup_key.startswith(REACTION)]
    shown = [one for one in became if one.dedup_key.startswith(RECEIPT)]
    if put:
        await _reactions(conn, business_id, put)
    if shown:
        await _receipts(conn, business_id, shown)
    return bool(put or shown)


async def stands(conn: Conn, business_id: int, claimed: Claimed) -> str | None:
    """Why a reaction is not to leave: sent late, it would win over the one that was put since."""
    key = claimed.outgoing.dedup_key
    if not key.startswith(REACTION) or await reacting.is_last(conn, business_id, key):
        return None
    return OVERTAKEN


async def _reactions(conn: Conn, business_id: int, became: Sequence[Became]) -> None:
    yes = [one.dedup_key for one in became if one.is_yes]
    no = [one.dedup_key for one in became if one.status in NOT_SENT]
    if yes:
        await reacting.sent(conn, business_id, yes)
    if no:
        await reacting.refused(conn, business_id, no)


async def _receipts(conn: Conn, business_id: int, became: Sequence[Became]) -> None:
    numbers = [(one, int(one.dedup_key.removeprefix(RECEIPT))) for one in became]
    yes = [number for one, number in numbers if one.is_yes]
    if yes:
        await receipts.became(conn, business_id, yes, None)
    for status, reason in NOT_SENT.items():
        no = [number for one, number in numbers if one.status is status]
        if no:
            await receipts.became(conn, business_id, no, reason)
