"""Reviews as people work on them: listed, locked, ticked, marked wrong, completed, looked at again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotFound
from tallybook.monitor import rules
from tallybook.monitor.store import review_export, review_list
from tallybook.monitor.store import reviews as store
from tallybook.monitor.store import statistics as kept
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

from . import statistics

USUAL_DAYS = 14


class Locked(Conflict):
    """Somebody else is working on the review. ``details`` names who, and until when."""

    code = "LOCKED_BY_ANOTHER_USER"


Changed = tuple[dict[str, object], dict[str, object]]  # as it was, as it is


class PostedMeanwhile(Conflict):
    """There is a post that the page did not show yet. ``details`` holds how many posts there are."""

    code = "POSTED_MEANWHILE"


class Reviewer(msgspec.Struct, frozen=True):
    """Who is working: the account that is logged in."""

    account_id: int
    name: str


async def day(conn: Conn, business: Business, now: datetime) -> list[DayCount]:
    """Each active project's business day so far, beside its own two weeks before."""
    today = rules.business_date(now, business.zone)
    if not await statistics.keeps_up(conn, business):
        return await review_list.day_counts(conn, business, today, USUAL_DAYS)
    # The days before are kept counts, which cost the same however much was posted on them.
    days = [today - timedelta(days=back) for back in range(USUAL_DAYS, 0, -1)]
    usual = await kept.drops_by_day(conn, business.id, days[0], days[-1])
    return [
        msgspec.structs.replace(one, usual=[usual.get((one.kind, one.project, day), 0) for day in days])
        for one in await review_list.day_counts(conn, business, today, 0)
    ]


async def listed(
    conn: Conn, business: Business, filters: Filters, after: Place | None = None, limit: int = 50
) -> list[ReviewRow]:
    """A page of reviews: those posted again and not looked at, then by their newest post, the newest first.

    ``after`` is the last row of the page before.
    """
    return await review_list.page(conn, business, filters, after, limit)


async def listed_and_counted(
    conn: Conn, business: Business, filters: Filters, after: Place | None, limit: int, most: int | None = None
) -> tuple[list[ReviewRow], int]:
    """A page as of ``listed``, and how many all pages hold, at ``most`` if that is given."""
    return await review_list.page_and_count(conn, business, filters, after, limit, most)


async def count(conn: Conn, business: Business, filters: Filters, most: int | None = None) -> int:
    """How many all pages hold, at ``most`` if that is given."""
    return await review_list.count(conn, business, filters, most)


def exported(
    conn: Conn, business: Business, filters: Filters, limit: int
) -> AsyncGenerator[list[review_export.ExportRow], None]:
    """All rows of a list in its order, in batches, as they were when the first were read."""
    return review_export.rows(conn, business, filters, limit)


async def one(conn: Conn, business: Business, review_id: UUID) -> Review:
    """A review with its lock, if somebody holds it now. Raises NotFound outside the business."""
    review = await store.find(conn, business.id, review_id)
    if review is None:
        raise NotFound("There is no such review.")
    return review


async def history(conn: Conn, business: Business, review: Review) -> tuple[list[Submission], list[Change]]:
    """Every post of the review's drop and every change to the review, oldest first."""
    submissions = await store.submissions(conn, business.id, review.space, review.drop_number)
    return submissions, await store.changes(conn, business.id, review.id)


async def take_lock(conn: Conn, business: Business, review_id: UUID, who: Reviewer) -> Lock:
    """Takes or renews the lock. One statement decides, so of two at once one gets it and the other is told whose it is.

    The lock ends by the database's clock. Raises Locked with the holder's name.
    """
    lock = await store.take_lock(conn, business.id, review_id, who.account_id, who.name)
    if lock is not None:
        return lock
    review = await one(conn, business, review_id)
    refuse_if_locked(review, who)
    raise Locked("Somebody else had this review a moment ago. Try again.")  # given back between the two statements


def refuse_if_locked(review: Review, who: Reviewer) -> None:
    """Raises Locked if somebody else is working on the review."""
    lock = review.lock
    if lock is not None and lock.account_id != who.account_id:
        raise Locked(f"{lock.name} is working on this review.", locked_by=lock.name, until=lock.until.isoformat())


async def release_lock(conn: Conn, business: Business, review_id: UUID, who: Reviewer) -> None:
    """Gives the lock back; does nothing if it is no longer theirs."""
    await store.release_lock(conn, business.id, review_id, who.account_id)


async def save(conn: Conn, business: Business, review_id: UUID, who: Reviewer, changes: Changes) -> Review:
    """Writes a reviewer's changes and renews the lock. Complete means all twelve right.

    The lock is taken first, in the same transaction: a write without it cannot happen. What becomes complete counts as
    looked at if ``changes.posts`` says that its writer saw every post of it. Raises Locked, NotFound or Invalid.
    """
    lock = await take_lock(conn, business, review_id, who)
    before = await one(conn, business, review_id)
    ticks, reasons, comment = rules.apply_changes(before, changes)
    completed = all(v is Verdict.RIGHT for v in verdicts(ticks, reasons))
    after = msgspec.structs.replace(
        before, ticks=ticks, reasons=reasons, comment=comment, completed=completed, lock=lock
    )  # fmt: skip
    if completed and not before.completed and changes.posts is not None:
        looked_at = await store.looked_at(conn, business.id, review_id, changes.posts)
        after = msgspec.structs.replace(after, resubmitted=before.resubmitted and looked_at is None)
    changed = _difference(before, after)
    if changed is None:
        return after
    updated_at = await store.write(conn, business.id, after)
    await audit.record(conn, business.id, who.name, who.account_id, "review.saved", "review", str(review_id), *changed)
    return msgspec.structs.replace(after, updated_at=updated_at)


async def look(conn: Conn, business: Business, review_id: UUID, who: Reviewer, posts: int) -> Review:
    """Takes “posted again” away from a review: somebody looked at its ``posts`` posts. A repeat does nothing.

    Takes no lock, but minds one. Raises NotFound, Locked, and PostedMeanwhile when there are other posts than those.
    """
    await store.hold(conn, business.id, review_id)
    before = await one(conn, business, review_id)
    refuse_if_locked(before, who)
    if not before.resubmitted:
        return before
    at = await store.looked_at(conn, business.id, review_id, posts)
    if at is None:
        now_there = len(await store.submissions(conn, business.id, before.space, before.drop_number))
        raise PostedMeanwhile("It was posted again meanwhile. Look at the new post first.", posts=now_there)
    after = msgspec.structs.replace(before, resubmitted=False, updated_at=at)
    was, is_now = {"resubmitted": True}, {"resubmitted": False, "posts": posts}
    await audit.record(
        conn, business.id, who.name, who.account_id, "review.looked_at", "review", str(review_id), was, is_now
    )
    return after


def _difference(before: Review, after: Review) -> Changed | None:
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
    if before.resubmitted != after.resubmitted:
        old["resubmitted"], new["resubmitted"] = before.resubmitted, after.resubmitted
    return (old, new) if new else None


def _step(review: Review, column: str) -> str:
    reason = review.reasons.get(column, "")
    mark = verdict(ticked=review.ticks.get(column, False), reason=reason)
    return f"{mark}: {reason}" if reason else str(mark)
