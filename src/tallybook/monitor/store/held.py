"""SQL of held posts: those whose validity could not be established when they came, and how each was decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.monitor.types import Post

# A message that once no longer named the drop, and names it again, waits anew; what a person decided stays decided.
HOLD = f"""
insert into held_posts (business_id, project, drop_number, message_id, said_at, sender_phone, group_jid, reason)
select %(business_id)s, u.* from unnest(%(project)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[],
    %(said_at)s::timestamptz[], %(phone)s::text[], %(chat)s::text[], %(reason)s::text[]) as u
on conflict {keys.HELD_POST.target} do update set
    state = 'held', reason = excluded.reason, held_at = now(), decided_at = null, note = null
where held_posts.state = 'dismissed' and held_posts.decided_by is null
"""


async def hold(conn: Conn, business_id: int, held: Sequence[tuple[Post, str]]) -> list[tuple[str, str]]:
    """Keeps posts that cannot be judged yet, each with the reason; returns them as (drop number, project)."""
    ordered = sorted(held, key=lambda one: (one[0].project.name, one[0].drop_number, one[0].message_id))
    posts = [post for post, _ in ordered]
    await conn.execute(
        HOLD,
        {
            "business_id": business_id,
            **_columns(posts),
            "said_at": arrays.times([post.said_at for post in posts]),
            "phone": arrays.texts([post.phone for post in posts]),
            "chat": arrays.texts([post.chat for post in posts]),
            "reason": arrays.texts([reason for _, reason in ordered]),
        },
    )
    return [(post.drop_number, post.project.name) for post in posts]


TURN = f"""
insert into validity_turns (business_id, work) values (%(business_id)s::int, %(work)s::text)
on conflict {keys.VALIDITY_TURN.target} do update set work = excluded.work
"""


async def take_turn(conn: Conn, business_id: int, work: str) -> None:
    """Waits until nobody else of the business does this work; the turn is held until the transaction ends."""
    await conn.execute(TURN, {"business_id": business_id, "work": work})


class Waiting(msgspec.Struct, frozen=True):
    """A held post, as it is decided."""

    project: str
    drop_number: str
    message_id: int


WAITING = """
select project, drop_number, message_id from held_posts
where business_id = (select %(business_id)s::int) and state = 'held' and group_jid = any(%(groups)s::text[])
order by said_at, message_id
limit %(limit)s::int
"""


async def waiting(conn: Conn, business_id: int, groups: Sequence[str], limit: int) -> list[Waiting]:
    """The held posts of these groups that were said first. The caller has the turn of deciding."""
    values = {"business_id": business_id, "groups": list(groups), "limit": limit}
    return [Waiting(*row) for row in await (await conn.execute(WAITING, values)).fetchall()]


ANY_WAITING = "select exists (select from held_posts where business_id = %(business_id)s and state = 'held')"


async def any_waiting(conn: Conn, business_id: int) -> bool:
    row = await (await conn.execute(ANY_WAITING, {"business_id": business_id})).fetchone()
    return bool(row and row[0])


# The registers say what became of a post, not the one who filed it: another may have filed it before.
SETTLE = """
update held_posts h set state = f.state, decided_at = now(), decided_by = %(who)s, note = coalesce(%(note)s, h.note)
from (
    select u.project, u.drop_number, u.message_id, case
        when exists (select from qa_submissions s where s.business_id = (select %(business_id)s::int)
            and s.space = any(%(spaces)s::text[]) and s.drop_number = u.drop_number and s.message_id = u.message_id)
            or exists (select from marketing_posts p where p.business_id = (select %(business_id)s::int)
            and p.project = u.now_of and p.drop_number = u.drop_number and p.message_id = u.message_id)
            then %(filed)s::text
        when exists (select from invalid_drop_submissions i where i.business_id = (select %(business_id)s::int)
            and i.project = u.now_of and i.drop_number = u.drop_number and i.message_id = u.message_id)
            then 'rejected' end as state
    from unnest(%(project)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[], %(now_of)s::text[])
        as u (project, drop_number, message_id, now_of)
    offset 0) f
where h.business_id = (select %(business_id)s::int) and h.project = f.project and h.drop_number = f.drop_number
    and h.message_id = f.message_id and h.state <> f.state and h.state in ('held', 'dismissed', 'rejected')
returning h.project, h.drop_number, h.message_id, h.state
"""


class Settling(msgspec.Struct, frozen=True):
    """How posts are settled: in which spaces they may stand, as what they count when filed, by whom, and why."""

    spaces: list[str]
    filed: str = "filed"
    who: str | None = None
    note: str | None = None


async def settle(
    conn: Conn, business_id: int, posts: Sequence[tuple[Waiting, str]], how: Settling
) -> dict[Waiting, str]:
    """Writes down what became of posts, each given with the project that it belongs to now; what waits on is left.

    Returns the states of those that changed.
    """
    ordered = sorted(posts, key=lambda one: (one[0].project, one[0].drop_number, one[0].message_id))
    cursor = await conn.execute(
        SETTLE,
        {
            "business_id": business_id,
            "spaces": how.spaces,
            "filed": how.filed,
            "who": how.who,
            "note": how.note,
            "project": arrays.texts([one.project for one, _ in ordered]),
            "drop_number": arrays.texts([one.drop_number for one, _ in ordered]),
            "message_id": arrays.numbers(one.message_id for one, _ in ordered),
            "now_of": arrays.texts([project for _, project in ordered]),
        },
    )
    return {Waiting(*row[:3]): row[3] for row in await cursor.fetchall()}


GONE = """
update held_posts h set state = 'dismissed', decided_at = now(), note = %(note)s::text
from unnest(%(project)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[])
    as u (project, drop_number, message_id)
where h.business_id = (select %(business_id)s::int) and h.project = u.project and h.drop_number = u.drop_number
    and h.message_id = u.message_id and h.state in ('held', 'rejected')
"""
SAYS_NO_LONGER = "the message no longer names it"


async def let_go(conn: Conn, business_id: int, posts: Sequence[Waiting]) -> int:
    """Puts posts aside whose messages no longer name the drop. Nobody decided it, so an edit may bring them back."""
    ordered = sorted(posts, key=lambda one: (one.project, one.drop_number, one.message_id))
    values = {
        "business_id": business_id,
        "note": SAYS_NO_LONGER,
        "project": arrays.texts([one.project for one in ordered]),
        "drop_number": arrays.texts([one.drop_number for one in ordered]),
        "message_id": arrays.numbers(one.message_id for one in ordered),
    }
    return (await conn.execute(GONE, values)).rowcount


COUNT = """
select reason, count(*), min(held_at) from held_posts
where business_id = %(business_id)s::int and state = 'held' group by reason
"""


async def count(conn: Conn, business_id: int) -> dict[str, tuple[int, datetime]]:
    """How many are held for each reason, and since when."""
    rows = await (await conn.execute(COUNT, {"business_id": business_id})).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def _columns(posts: Sequence[Post]) -> dict[str, str]:
    return {
        "project": arrays.texts([post.project.name for post in posts]),
        "drop_number": arrays.texts([post.drop_number for post in posts]),
        "message_id": arrays.numbers(post.message_id for post in posts),
    }
