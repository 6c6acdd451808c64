"""SQL of one review: the whole of it, its lock, and what is written to it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from tallybook.core.db import Conn
from tallybook.monitor.types import LOCK_LASTS, STEP_COLUMNS, Change, Effect, Lock, Review, Submission, Verdict

from .statistics_marks import mark_review

_STEPS = ", ".join(f"r.{column}" for column in STEP_COLUMNS)
_TICKS = ", ".join(f"%({column})s" for column in STEP_COLUMNS)


FIND = f"""
select r.id, r.drop_number, r.project, r.space, r.review_date, r.whatsapp_message_date, r.user_name, r.submitted_by,
    r.assigned_agent, array[{_STEPS}], r.incorrect_comments, r.comment, r.resubmitted, r.completed, r.feedback_sent,
    r.updated_at, r.locked_by_account, r.locked_by,
    case when r.locked_at > now() - %(lasts)s::interval then r.locked_at + %(lasts)s::interval end, r.assigned_account
from qa_photo_reviews r
where r.business_id = %(business_id)s and r.id = %(id)s
"""


async def find(conn: Conn, business_id: int, review_id: UUID) -> Review | None:
    """A review of this business, with the lock on it if it has not run out."""
    cursor = await conn.execute(FIND, {"business_id": business_id, "id": review_id, "lasts": LOCK_LASTS})
    row = await cursor.fetchone()
    if row is None:
        return None
    return Review(
        id=row[0], drop_number=row[1], project=row[2], space=row[3], review_date=row[4], said_at=row[5],
        user_name=row[6], submitted_by=row[7], assigned_agent=row[8],
        ticks=dict(zip(STEP_COLUMNS, row[9], strict=True)), reasons=row[10], comment=row[11] or "",
        resubmitted=row[12], completed=row[13], feedback_sent=row[14], updated_at=row[15],
        lock=Lock(row[16] or 0, row[17], row[18]) if row[18] else None, assigned_account=row[19],
    )  # fmt: skip


SUBMISSIONS = """
select s.project, s.sender_phone, s.said_at, m.seen_at, s.effect
from qa_submissions s
join messages m on m.business_id = s.business_id and m.id = s.message_id
where s.business_id = %(business_id)s and s.space = %(space)s and s.drop_number = %(drop_number)s
order by s.said_at, s.message_id
"""


async def submissions(conn: Conn, business_id: int, space: str, drop_number: str) -> list[Submission]:
    """Every post of a drop in its space, in the order they were said."""
    names = {"business_id": business_id, "space": space, "drop_number": drop_number}
    return [
        Submission(row[0], row[1], row[2], row[3], Effect(row[4]))
        for row in await (await conn.execute(SUBMISSIONS, names)).fetchall()
    ]


CHANGES = """
select at, who, action, before, after from audit_log
where business_id = %(business_id)s and subject = 'review' and subject_id = %(id)s
order by id
"""


async def changes(conn: Conn, business_id: int, review_id: UUID) -> list[Change]:
    """Who changed what in a review, oldest first."""
    cursor = await conn.execute(CHANGES, {"business_id": business_id, "id": str(review_id)})
    return [Change(*row) for row in await cursor.fetchall()]


# One conditional update: the row lock of PostgreSQL decides between two at once, and its clock when a lock ends.
TAKE_LOCK = """
update qa_photo_reviews set locked_by = %(name)s, locked_by_account = %(account_id)s, locked_at = now()
where business_id = %(business_id)s and id = %(id)s
and (locked_at is null or locked_at <= now() - %(lasts)s::interval or locked_by_account = %(account_id)s)
returning locked_at + %(lasts)s::interval
"""


async def take_lock(conn: Conn, business_id: int, review_id: UUID, account_id: int, name: str) -> Lock | None:
    """Takes or renews the lock; None if somebody else holds one that has not run out."""
    cursor = await conn.execute(
        TAKE_LOCK,
        {"business_id": business_id, "id": review_id, "account_id": account_id, "name": name, "lasts": LOCK_LASTS},
    )
    row = await cursor.fetchone()
    return Lock(account_id, name, row[0]) if row else None


# For the rest of the transaction no post of the drop can touch the review: it waits. A statement that runs after this
# one sees every post that came before; one that found the row by itself would see only those of its own beginning.
HOLD = "select from qa_photo_reviews where business_id = %(business_id)s and id = %(id)s for update"


async def hold(conn: Conn, business_id: int, review_id: UUID) -> None:
    """Makes others who write to the review wait until this transaction ends."""
    await conn.execute(HOLD, {"business_id": business_id, "id": review_id})


LOOKED_AT = """
update qa_photo_reviews r set resubmitted = false, updated_at = now()
where r.business_id = %(business_id)s and r.id = %(id)s and r.resubmitted
and %(posts)s::bigint = (
    select count(*) from qa_submissions s
    where s.business_id = r.business_id and s.space = r.space and s.drop_number = r.drop_number)
returning r.updated_at
"""


async def looked_at(conn: Conn, business_id: int, review_id: UUID, posts: int) -> datetime | None:
    """Takes “posted again” away if there are no other posts than these. The caller holds the row.

    Returns when, or None if there was nothing to take away or a later post is there.
    """
    cursor = await conn.execute(LOOKED_AT, {"business_id": business_id, "id": review_id, "posts": posts})
    row = await cursor.fetchone()
    if row:
        await mark_review(conn, business_id, review_id)
    return row[0] if row else None


RELEASE_LOCK = """
update qa_photo_reviews set locked_by = null, locked_by_account = null, locked_at = null
where business_id = %(business_id)s and id = %(id)s and locked_by_account = %(account_id)s
"""


async def release_lock(conn: Conn, business_id: int, review_id: UUID, account_id: int) -> None:
    await conn.execute(RELEASE_LOCK, {"business_id": business_id, "id": review_id, "account_id": account_id})


WRITE = f"""
update qa_photo_reviews set ({", ".join(STEP_COLUMNS)}) = row ({_TICKS}),
    completed_photos = %(completed_photos)s, outstanding_photos = %(outstanding_photos)s,
    completed = %(completed)s, incomplete = %(incomplete)s,
    incorrect_steps = %(incorrect_steps)s::text[], incorrect_comments = %(incorrect_comments)s::jsonb,
    comment = %(comment)s, updated_at = now()
where business_id = %(business_id)s and id = %(id)s
returning updated_at
"""


async def write(conn: Conn, business_id: int, review: Review) -> datetime:
    """Writes what a reviewer may change; returns when. The caller holds the review's lock, in this transaction."""
    right = sum(v is Verdict.RIGHT for v in review.verdicts)
    cursor = await conn.execute(
        WRITE,
        {
            "business_id": business_id,
            "id": review.id,
            **{column: review.ticks.get(column, False) for column in STEP_COLUMNS},
            "completed_photos": right,
            "outstanding_photos": len(STEP_COLUMNS) - right,
            "completed": review.completed,
            "incomplete": not review.completed,
            "incorrect_steps": list(review.reasons),
            "incorrect_comments": Jsonb(review.reasons),
            "comment": review.comment,
        },
    )
    row = await cursor.fetchone()
    await mark_review(conn, business_id, review.id)
    return row[0] if row else review.updated_at
