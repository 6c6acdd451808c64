"""SQL of feedback: whom a review's feedback is for, what was said, and what became of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from tallybook.core import keys
from tallybook.core.db import Conn
from tallybook.monitor.feedback import PREFIX, Feedback, Said

CHANNEL = "bridge"


class Whom(msgspec.Struct, frozen=True):
    """Where a review's feedback goes: the group and bridge of its drop's last post, and who said that.

    ``quote`` is the provider's id of that post; None, as the sender, where no post is known.
    """

    group: str
    account: str
    phone: str | None = None
    quote: str | None = None
    quoted_sender: str | None = None


# Where no post is known, or one added from a list alone, the project's group is told, by the bridge that is read.
WHOM = """
select coalesce(l.chat, p.group_jid), coalesce(l.account, a.account, 'primary'), l.sender_phone, l.external_id,
    l.sender_raw
from qa_photo_reviews r
left join lateral (
    select m.chat, m.account, s.sender_phone, m.external_id, m.sender_raw from qa_submissions s
    join messages m on m.business_id = s.business_id and m.id = s.message_id
    where s.business_id = r.business_id and s.space = r.space and s.drop_number = r.drop_number
    and m.channel = %(channel)s::text
    order by s.said_at desc, s.message_id desc limit 1) l on true
left join lateral (
    select group_jid from monitor_projects
    where business_id = r.business_id and name = r.project) p on true
left join lateral (
    select account from source_positions
    where business_id = r.business_id and channel = %(channel)s::text order by moved_at desc limit 1) a on true
where r.business_id = %(business_id)s::int and r.id = %(id)s::uuid
"""


async def whom(conn: Conn, business_id: int, review_id: UUID) -> Whom | None:
    """Who is told of a review; None where neither a post nor a group of it is known."""
    names = {"business_id": business_id, "id": review_id, "channel": CHANNEL}
    row = await (await conn.execute(WHOM, names)).fetchone()
    return Whom(*row) if row and row[0] else None


# What became of it stands in the outbox until that forgets it; the yes stands here for good.
EVERY = """
select f.number, f.text, f.posts, f.who, f.put_at, f.sent_at, o.state, o.reason
from review_feedback f
left join outbox o on o.business_id = f.business_id and o.channel = %(channel)s::text
    and o.dedup_key = %(prefix)s::text || f.review_id || ':' || f.number
where f.business_id = %(business_id)s::int and f.review_id = %(id)s::uuid
order by f.number
"""
STATES = {
    "waiting": Said.WAITING, "sending": Said.WAITING, "sent": Said.SENT, "delivered": Said.SENT, "read": Said.SENT,
    "parked": Said.FAILED, "unknown": Said.UNKNOWN, "captured": Said.CAPTURED, "dropped": Said.DROPPED,
}  # fmt: skip


async def every(conn: Conn, business_id: int, review_id: UUID) -> list[Feedback]:
    """What was said of a review, oldest first, each with what became of it."""
    names = {"business_id": business_id, "id": review_id, "channel": CHANNEL, "prefix": PREFIX}
    rows = await (await conn.execute(EVERY, names)).fetchall()
    return [
        Feedback(number, text, posts, who, put_at, sent_at, _said(sent_at, state), reason)
        for number, text, posts, who, put_at, sent_at, state, reason in rows
    ]


def _said(sent_at: datetime | None, state: str | None) -> Said:
    return Said.SENT if sent_at else STATES.get(state or "", Said.UNKNOWN)


# How many posts a review was judged by. One that arrived late, as history, changed nothing of it.
POSTS = """
select count(*) from qa_submissions s
join qa_photo_reviews r on r.business_id = s.business_id and r.space = s.space and r.drop_number = s.drop_number
where r.business_id = %(business_id)s::int and r.id = %(id)s::uuid and s.effect <> 'history'
"""


async def posts(conn: Conn, business_id: int, review_id: UUID) -> int:
    row = await (await conn.execute(POSTS, {"business_id": business_id, "id": review_id})).fetchone()
    return int(row[0]) if row else 0


class Press(msgspec.Struct, frozen=True):
    """A press as it is written down."""

    review_id: UUID
    number: int
    text: str
    posts: int
    who: str
    account_id: int


ADD = f"""
insert into review_feedback (business_id, review_id, number, text, posts, who, account_id)
values (%(business_id)s::int, %(review_id)s::uuid, %(number)s::int, %(text)s, %(posts)s::int, %(who)s,
    %(account_id)s::int)
on conflict {keys.FEEDBACK.target} do nothing
"""


async def add(conn: Conn, business_id: int, press: Press) -> bool:
    """Writes a press down; False if one of this number was there."""
    values = msgspec.structs.asdict(press) | {"business_id": business_id, "who": press.who[:100]}
    return (await conn.execute(ADD, values)).rowcount == 1


class Yes(msgspec.Struct, frozen=True):
    """A press that the provider has just said yes to."""

    posts: int
    who: str
    account_id: int | None


MARK = """
update review_feedback set sent_at = now()
where business_id = %(business_id)s::int and review_id = %(id)s::uuid and number = %(number)s::int and sent_at is null
returning posts, who, account_id
"""


async def mark(conn: Conn, business_id: int, review_id: UUID, number: int) -> Yes | None:
    """Writes the yes down; None if it was there already, or if there is no such press."""
    names = {"business_id": business_id, "id": review_id, "number": number}
    row = await (await conn.execute(MARK, names)).fetchone()
    return Yes(*row) if row else None


# Only for the posts that it answers: one that came meanwhile took the mark away, and it stays away.
SENT = """
update qa_photo_reviews set feedback_sent = now(), updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::uuid
returning feedback_sent
"""


async def sent(conn: Conn, business_id: int, review_id: UUID) -> datetime | None:
    """Marks a review as answered; returns when. The caller holds it, and has counted its posts since."""
    row = await (await conn.execute(SENT, {"business_id": business_id, "id": review_id})).fetchone()
    return row[0] if row else None
