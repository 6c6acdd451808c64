"""Reviews as people work on them: listed, locked, ticked, marked wrong, completed."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotFound
from tallybook.monitor import rules
from tallybook.monitor.store import reviews as store
from tallybook.monitor.types import (
    STEP_COLUMNS,
    Change,
    Changes,
    DayCount,
    Filters,
    Lock,
    Place,
    Review,
    ReviewRow,
    Submission,
    Verdict,
    verdict,
    verdicts,
)

LOCK_LASTS = timedelta(minutes=5)
USUAL_DAYS = 14


class Locked(Conflict):
    """Somebody else is working on the review. ``details`` names who, and until when."""

    code = "LOCKED_BY_ANOTHER_USER"


class Reviewer(msgspec.Struct, frozen=True):
    """Who is working: the account that is logged in."""

    account_id: int
    name: str


async def day(conn: Conn, business: Business, now: datetime) -> list[DayCount]:
    """Each active project's business day so far, beside its own two weeks before."""
    today = rules.business_date(now, business.zone)
    return await store.day_counts(conn, business, today, USUAL_DAYS)


async def listed(
    conn: Conn, business: Business, filters: Filters, after: Place | None = None, limit: int = 50
) -> list[ReviewRow]:
    """A page of reviews, those posted again first, then the newest; ``after`` is the last row of the page before."""
    return await store.page(conn, business, filters, after, limit)


async def count(conn: Conn, business: Business, filters: Filters) -> int:
    return await store.count(conn, business, filters)


async def one(conn: Conn, business: Business, review_id: UUID, now: datetime) -> Review:
    """A review with its lock, if somebody holds it now. Raises NotFound outside the business."""
    review = await store.find(conn, business.id, review_id, now, LOCK_LASTS)
    if review is None:
        raise NotFound("There is no such review.")
    return review


async def history(conn: Conn, business: Business, review: Review) -> tuple[list[Submission], list[Change]]:
    """Every post of the review's drop and every change to the review, oldest first."""
    submissions = await store.submissions(conn, business.id, review.space, review.drop_number)
    return submissions, await store.changes(conn, business.id, review.id)


async def take_lock(conn: Conn, business: Business, review_id: UUID, who: Reviewer, now: datetime) -> Lock:
    """Takes or renews the lock. One statement decides, so of two at once one gets it and the other is told whose it is.

    Raises Locked with the holder's name.
    """
    lock = Lock(who.account_id, who.name, now + LOCK_LASTS)
    if await store.take_lock(conn, business.id, review_id, lock, LOCK_LASTS):
        return lock
    review = await one(conn, business, review_id, now)
    if review.lock is None:  # it was given back between the two statements
        raise Locked("Somebody else had this review a moment ago. Try again.")
    raise Locked(
        f"{review.lock.name} is working on this review.",
        locked_by=review.lock.name,
        until=review.lock.until.isoformat(),
    )


async def release_lock(conn: Conn, business: Business, review_id: UUID, who: Reviewer) -> None:
    """Gives the lock back; does nothing if it is no longer theirs."""
    await store.release_lock(conn, business.id, review_id, who.account_id)


async def save(
    conn: Conn, business: Business, review_id: UUID, who: Reviewer, changes: Changes, now: datetime
) -> Review:
    """Writes a reviewer's changes and renews the lock. Complete means all twelve right.

    The lock is taken first, in the same transaction: a write without it cannot happen.
    Raises Locked, NotFound or Invalid.
    """
    lock = await take_lock(conn, business, review_id, who, now)
    before = await one(conn, business, review_id, now)
    ticks, reasons, comment = rules.apply_changes(before, changes)
    after = msgspec.structs.replace(
        before,
        ticks=ticks,
        reasons=reasons,
        comment=comment,
        completed=all(v is Verdict.RIGHT for v in verdicts(ticks, reasons)),
        updated_at=now,
        lock=lock,
    )
    changed = _difference(before, after)
    if changed is not None:
        await store.write(conn, business.id, after)
        await audit.record(
            conn, business.id, who.name, who.account_id, "review.saved", "review", str(review_id), *changed
        )
    return after


def _difference(before: Review, after: Review) -> tuple[dict[str, object], dict[str, object]] | None:
    """What changed, field by field, as it was and as it is; None when nothing did."""
    old: dict[str, object] = {}
    new: dict[str, object] = {}
    for column in STEP_COLUMNS:
        was, now_is = _step(before, column), _step(after, column)
        if was != now_is:
            old[column], new[column] = was, now_is
    if before.comment != after.comment:
        old["comment"], new["comment"] = before.comment, after.comment
    if before.completed != after.completed:
        old["completed"], new["completed"] = before.completed, after.completed
    return (old, new) if new else None


def _step(review: Review, column: str) -> str:
    reason = review.reasons.get(column, "")
    mark = verdict(ticked=review.ticks.get(column, False), reason=reason)
    return f"{mark}: {reason}" if reason else str(mark)
