"""One thing done to many reviews: shown with its numbers first, then done row by row, each row's outcome told.

Each row is its own savepoint: one that somebody else works on, or that was posted again meanwhile, is left as it is and
named, and the rest is done. Completing is not among what can be done to many: it takes twelve right steps of each.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from uuid import UUID

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.monitor.store import assignment as store
from tallybook.monitor.store.assignment import Shown
from tallybook.monitor.types import Filters

from . import assignment, reviews
from .assignment import Wanted
from .reviews import Reviewer

MOST = 500


class Act(enum.StrEnum):
    """What can safely be done to many reviews at once."""

    LOOKED_AT = "looked_at"
    ASSIGN = "assign"
    UNLOCK = "unlock"


class Row(msgspec.Struct, frozen=True):
    """A review as it was shown: what is done to it is done to nothing newer."""

    id: UUID
    posts: int
    assigned: int | None = None


class Order(msgspec.Struct, frozen=True):
    """What to do; ``to`` is the account that an ASSIGN gives to, None for nobody."""

    act: Act
    to: int | None = None


class Became(enum.StrEnum):
    DONE = "done"
    AS_IT_WAS = "as_it_was"
    LEFT = "left"


class Outcome(msgspec.Struct, frozen=True):
    """What became of one row; ``why`` says why it was left as it is. ``locked_by`` is whose work that is."""

    id: UUID
    drop_number: str
    became: Became
    why: str = ""
    locked_by: str | None = None


class Preview(msgspec.Struct, frozen=True):
    """What would become of each row now, and the rows as they are shown by it."""

    rows: list[Row]
    outcomes: list[Outcome]

    def count(self, became: Became) -> int:
        return sum(one.became is became for one in self.outcomes)


async def preview(conn: Conn, business: Business, who: Reviewer, order: Order, ids: Sequence[UUID]) -> Preview:
    """Says what an order would do to these reviews of the business; writes nothing. Raises Invalid for too many."""
    if len(ids) > MOST:
        raise Invalid(f"At most {MOST} drops can be changed at once.", most=MOST)
    found = await store.shown(conn, business.id, list(dict.fromkeys(ids)))
    rows = [Row(one.id, one.posts, one.assigned_account) for one in found]
    return Preview(rows, [expected(one, order, who) for one in found])


def expected(row: Shown, order: Order, who: Reviewer) -> Outcome:
    """What would become of a row. Pure."""
    held = row.locked_by_account is not None
    mine = row.locked_by_account == who.account_id
    if order.act is Act.UNLOCK:
        changes = held and mine
    elif order.act is Act.LOOKED_AT:
        changes = row.resubmitted
    else:
        by_hand = order.to is None and row.assigned_agent is not None
        changes = row.assigned_account != order.to or by_hand
    if changes and held and not mine:
        return Outcome(row.id, row.drop_number, Became.LEFT, locked_by=row.locked_by)
    return Outcome(row.id, row.drop_number, Became.DONE if changes else Became.AS_IT_WAS)


async def run(conn: Conn, business: Business, who: Reviewer, order: Order, rows: Sequence[Row]) -> list[Outcome]:
    """Does it to each row as it was shown, in the order of their ids, and tells what became of each.

    Raises Invalid for too many. A repeat finds everything as it should be.
    """
    given = {row.id: row for row in rows}
    now = await preview(conn, business, who, order, sorted(given))
    outcomes = {}
    for planned in now.outcomes:
        outcomes[planned.id] = await _one(conn, business, who, order, (given[planned.id], planned))
    return [outcomes[row_id] for row_id in given if row_id in outcomes]


async def _one(conn: Conn, business: Business, who: Reviewer, order: Order, given: tuple[Row, Outcome]) -> Outcome:
    row, planned = given
    if planned.became is Became.AS_IT_WAS:
        return planned
    try:
        async with conn.transaction():
            await _do(conn, business, who, order, row)
    except (Conflict, Invalid, NotFound) as error:
        locked_by = error.details.get("locked_by")
        left = msgspec.structs.replace(planned, became=Became.LEFT, why=error.message)
        return msgspec.structs.replace(left, locked_by=str(locked_by)) if locked_by else left
    return msgspec.structs.replace(planned, became=Became.DONE, locked_by=None)


async def _do(conn: Conn, business: Business, who: Reviewer, order: Order, row: Row) -> None:
    if order.act is Act.LOOKED_AT:
        await reviews.look(conn, business, row.id, who, row.posts)
    elif order.act is Act.UNLOCK:
        await reviews.release_lock(conn, business, row.id, who)
    else:
        await assignment.assign(conn, business, row.id, who, Wanted(order.to, row.assigned))


async def all_that_fit(conn: Conn, business: Business, filters: Filters) -> list[UUID]:
    """The reviews that a list's filters leave, one more than MOST at most."""
    return [row.id for row in await reviews.listed(conn, business, filters, None, MOST + 1)]
