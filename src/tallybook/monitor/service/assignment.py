"""Whose a review is: given to somebody who may judge it, or to nobody."""

from __future__ import annotations

from uuid import UUID

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid
from tallybook.monitor.store import assignment as store
from tallybook.monitor.store import reviews as review_store
from tallybook.monitor.store.assignment import Judge
from tallybook.monitor.types import Review

from . import reviews
from .reviews import Reviewer


class AssignedMeanwhile(Conflict):
    """Somebody else gave the review to somebody since it was shown. ``details`` names whose it is now."""

    code = "ASSIGNED_MEANWHILE"


class Wanted(msgspec.Struct, frozen=True):
    """Whose a review is to be, and whose it was when it was shown: accounts, None for nobody."""

    to: int | None = None
    was: int | None = None


async def judges(conn: Conn, business: Business) -> list[Judge]:
    """Who may be given reviews, by name."""
    return await store.judges(conn, business.id)


async def assign(conn: Conn, business: Business, review_id: UUID, who: Reviewer, wanted: Wanted) -> Review:
    """Gives a review to somebody. The last one wins only if it saw the one before; a repeat does nothing.

    Raises NotFound, Locked, AssignedMeanwhile, and Invalid for somebody who may not judge it.
    """
    await review_store.hold(conn, business.id, review_id)
    before = await reviews.one(conn, business, review_id)
    judge = await _judge(conn, business, wanted.to)
    is_nobodys = before.assigned_account is None and before.assigned_agent is None
    if before.assigned_account == wanted.to and (wanted.to is not None or is_nobodys):
        return before
    reviews.refuse_if_locked(before, who)
    if before.assigned_account != wanted.was:
        raise AssignedMeanwhile(
            "Somebody else assigned this review meanwhile.",
            assigned_to=before.assigned_account, name=before.assigned_agent,
        )  # fmt: skip
    at = await store.assign(conn, business.id, review_id, judge)
    was, is_now = {"assigned_agent": before.assigned_agent}, {"assigned_agent": judge and judge.name}
    await audit.record(
        conn, business.id, who.name, who.account_id, "review.assigned", "review", str(review_id), was, is_now
    )
    return msgspec.structs.replace(
        before, assigned_account=wanted.to, assigned_agent=judge and judge.name, updated_at=at or before.updated_at
    )


async def _judge(conn: Conn, business: Business, account_id: int | None) -> Judge | None:
    if account_id is None:
        return None
    for judge in await store.judges(conn, business.id):
        if judge.account_id == account_id:
            return judge
    raise Invalid("Nobody of that number may judge reviews here.")
