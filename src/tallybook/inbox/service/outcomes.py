"""What became of what we sent: the thread hears it in the transaction that writes it down.

A report may come before we know the provider's id of a message, and waits for it then. The two do not miss each other:
the report names our key, so that whoever brings it takes the outbox's row first, and so has whoever calls ``told``.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core.db import Conn
from tallybook.core.messages import Status
from tallybook.core.outcomes import Became
from tallybook.core.wakeups import wake_up
from tallybook.inbox.store import answers, dropped, reports
from tallybook.inbox.store import sending as store
from tallybook.inbox.store.answers import Lost
from tallybook.inbox.types import CHANNELS

from . import consent, hooks, signs, withdrawing

TOPIC = "inbox"
BOT = "bot:"
LOST = frozenset({Status.DROPPED, Status.PARKED})
NOT_LEFT = "there was an answer, and it was not sent"
AFTER_ALL = "its answer was sent after all"
OVERTAKEN = (withdrawing.WROTE_AGAIN, withdrawing.PERSON_ANSWERED, withdrawing.SENT_AWAY)


async def told(conn: Conn, business_id: int, became: Sequence[Became]) -> None:
    """Hears from the outbox what became of messages; of the same yes any number of times. See core/outcomes.py."""
    keys = sorted({one.dedup_key for one in became if one.channel in CHANNELS})
    heard = await store.hear(conn, business_id, keys) if keys else []
    if await signs.heard(conn, business_id, became):
        await wake_up(conn, TOPIC, business_id)
    if not heard:
        return
    handed_over = await _lose(conn, business_id, became)
    found = sorted({one.dedup_key for one in became if one.is_yes and one.dedup_key.startswith(BOT)})
    if found:
        await answers.sent_after_all(conn, business_id, found, (NOT_LEFT, AFTER_ALL))
    places = [(channel, account, external) for channel, account, external in heard if external is not None]
    early = await reports.take(conn, business_id, places) if places else []
    if early:
        await reports.raise_to(conn, business_id, early)
    await hooks.heard(conn, business_id, keys)
    await hooks.handed_over(conn, business_id, handed_over)
    await consent.refused_of(conn, business_id, keys)
    await wake_up(conn, TOPIC, business_id)


async def _lose(conn: Conn, business_id: int, became: Sequence[Became]) -> list[tuple[int, str]]:
    """A burst whose answer did not leave is a person's, and what was dropped its page tells as not said.

    The threads that were handed over, each with the reason.
    """
    lost = sorted({one.dedup_key for one in became if one.status in LOST and one.dedup_key.startswith(BOT)})
    given = Lost(lost, CHANNELS, NOT_LEFT, OVERTAKEN)
    handed_over = await answers.hand_over(conn, business_id, given) if lost else []
    await dropped.tell(conn, business_id, sorted({one.dedup_key for one in became if one.status is Status.DROPPED}))
    return handed_over
