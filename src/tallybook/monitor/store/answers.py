"""SQL of what a drop's posters were told: replies in their group and feedback, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from tallybook.core.db import Conn
from tallybook.monitor.feedback import PREFIX
from tallybook.monitor.reply_types import CHANNEL

FEEDBACK = "feedback"


class Answer(msgspec.Struct, frozen=True):
    """Something said of a drop in its group. ``kind`` is a reply's, or ``feedback``, which a person sent.

    ``state`` is the outbox's, None where that has forgotten it; ``text`` is empty then, save of feedback.
    """

    kind: str
    put_at: datetime
    who: str | None
    text: str
    state: str | None
    reason: str | None


ANSWERS = """
select r.kind, r.put_at, null, coalesce(o.body ->> 'text', ''), o.state, o.reason
from monitor_replies r
left join outbox o on o.business_id = r.business_id and o.channel = %(channel)s::text and o.dedup_key = r.dedup_key
where r.business_id = %(business_id)s::int and r.drop_number = %(drop_number)s
union all
select %(feedback)s::text, f.put_at, f.who, f.text, case when o.state is null and f.sent_at is not null then 'sent'
        else o.state end, o.reason
from review_feedback f
left join outbox o on o.business_id = f.business_id and o.channel = %(channel)s::text
    and o.dedup_key = %(prefix)s::text || f.review_id || ':' || f.number
where f.business_id = %(business_id)s::int and f.review_id = any(%(reviews)s::uuid[])
order by 2
"""


async def of_drop(conn: Conn, business_id: int, drop_number: str, review_ids: Sequence[UUID]) -> list[Answer]:
    """What was said of a drop and of its reviews, the oldest first."""
    values = {
        "business_id": business_id, "drop_number": drop_number, "reviews": list(review_ids), "channel": CHANNEL,
        "prefix": PREFIX, "feedback": FEEDBACK,
    }  # fmt: skip
    return [Answer(*row) for row in await (await conn.execute(ANSWERS, values)).fetchall()]
