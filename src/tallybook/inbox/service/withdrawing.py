"""The bot's answer is taken back at the last moment where it answers no longer, or where somebody else speaks.

The first look is when the answer is put, the second when it is about to be sent: between the two it may have waited,
for its number or for the provider. What is in hand after the second may cross with what comes; nothing can hold that.
"""

from __future__ import annotations

from tallybook.core.db import Conn
from tallybook.core.wakeups import wake_up
from tallybook.core.withdrawing import Claimed
from tallybook.inbox.store import withdrawals as store
from tallybook.inbox.store.withdrawals import Standing
from tallybook.inbox.types import CHANNELS

TOPIC = "inbox"
WROTE_AGAIN = "the customer wrote again before it left"
PERSON_ANSWERED = "a person answered before it left"
SENT_AWAY = "the bot was sent away before it left"


async def stands(conn: Conn, business_id: int, claimed: Claimed) -> str | None:
    """Why an answer of the bot no longer stands, and its burst waits to be decided on anew; None where it stands.

    Holds its thread until the message is in hand. Of one that may have been sent already only the resending ends.
    """
    out = claimed.outgoing
    if out.channel not in CHANNELS:
        return None
    thread = await store.hold(conn, business_id, out.dedup_key)
    found = await store.standing(conn, business_id, thread, out.dedup_key) if thread is not None else None
    reason = why_not(found) if found is not None else None
    if found is None or reason is None:
        return None
    if not claimed.resent:
        await store.withdraw(conn, business_id, found, reason)
        await wake_up(conn, TOPIC, business_id)
    return reason


def why_not(found: Standing) -> str | None:
    """Pure. A person's words count for more than the customer's next ones."""
    reasons = (
        (found.person_wrote, PERSON_ANSWERED),
        (not found.bot_active, SENT_AWAY),
        (found.customer_wrote, WROTE_AGAIN),
    )
    return next((reason for holds, reason in reasons if holds), None)
