"""SQL of whose reviews are, and of many reviews looked at together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from tallybook.core import arrays
from tallybook.core.db import Conn
from tallybook.monitor.types import LOCK_LASTS


class Judge(msgspec.Struct, frozen=True):
    """Somebody who may judge reviews."""

    account_id: int
    name: str


JUDGES = """
select a.id, a.display_name from accounts a
join account_roles r on r.account_id = a.id and r.business_id = %(business_id)s::int
where a.active and r.role in ('admin', 'lead', 'reviewer')
order by a.display_name, a.id
"""


async def judges(conn: Conn, business_id: int) -> list[Judge]:
    """Who may judge this business's reviews, by name."""
    return [Judge(*row) for row in await (await conn.execute(JUDGES, {"business_id": business_id})).fetchall()]


ASSIGN = """
update qa_photo_reviews set assigned_account = %(account_id)s::int, assigned_agent = %(name)s::text, updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::uuid
returning updated_at
"""


async def assign(conn: Conn, business_id: int, review_id: UUID, judge: Judge | None) -> datetime | None:
    """Writes whose a review is, or that it is nobody's; returns when. The caller holds it."""
    names = {"account_id": judge and judge.account_id, "name": judge and judge.name}
    row = await (await conn.execute(ASSIGN, names | {"business_id": business_id, "id": review_id})).fetchone()
    return row[0] if row else None


class Shown(msgspec.Struct, frozen=True):
    """A review as somebody sees it who is about to do something to many."""

    id: UUID
    drop_number: str
    posts: int
    resubmitted: bool
    locked_by_account: int | None
    locked_by: str | None
    assigned_account: int | None
    assigned_agent: str | None


SHOWN = """
select r.id, r.drop_number, (
        select count(*) from qa_submissions s
        where s.business_id = r.business_id and s.space = r.space and s.drop_number = r.drop_number),
    r.resubmitted, l.account, l.name, r.assigned_account, r.assigned_agent
from unnest(%(ids)s::uuid[]) with ordinality as u (id, place)
join qa_photo_reviews r on r.business_id = (select %(business_id)s::int) and r.id = u.id
left join lateral (
    select r.locked_by_account as account, r.locked_by as name
    where r.locked_at > now() - %(lasts)s::interval) l on true
order by u.place
"""


async def shown(conn: Conn, business_id: int, ids: Sequence[UUID]) -> list[Shown]:
    """These reviews of the business, in this order; others are left out."""
    names = {"business_id": business_id, "ids": arrays.texts([str(one) for one in ids]), "lasts": LOCK_LASTS}
    return [Shown(*row) for row in await (await conn.execute(SHOWN, names)).fetchall()]
