"""SQL of filing posts, a batch at a time. Every write takes its rows in key order."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.monitor.types import Effect, Post

from .drops import SpacedDrop, columns

MANUAL = "manual"  # the channel and the kind of a message that nobody sent: a line of a list, added by a person
BY_HAND = "Manual Entry"

# One look into the key's index for each drop; a join would rather read the whole table. The sub-select hides the
# business from the planner: one newer than the table's statistics looks empty to it, so that any index seems as good
# (measured on a first catch-up: 39 s instead of 0.4 s).
FIND_REVIEWS = """
select u.space, u.drop_number, r.id, r.whatsapp_message_date
from unnest(%(space)s::text[], %(drop_number)s::text[]) as u (space, drop_number)
cross join lateral (
    select id, whatsapp_message_date from qa_photo_reviews
    where business_id = (select %(business_id)s::int) and space = u.space and drop_number = u.drop_number
    order by review_date desc
    limit 1) r
"""


async def find_reviews(
    conn: Conn, business_id: int, drops: Iterable[SpacedDrop]
) -> dict[SpacedDrop, tuple[UUID, datetime | None]]:
    """The newest review of each drop that has one, and when its message was said."""
    cursor = await conn.execute(FIND_REVIEWS, {"business_id": business_id, **columns(sorted(drops))})
    return {(row[0], row[1]): (row[2], row[3]) for row in await cursor.fetchall()}


FIND_SUBMISSIONS = """
select s.space, s.drop_number, s.message_id
from qa_submissions s
join unnest(%(space)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[]) as u (space, drop_number, message_id)
    using (space, drop_number, message_id)
where s.business_id = (select %(business_id)s::int)
"""


async def known_submissions(conn: Conn, business_id: int, posts: Sequence[Post]) -> set[tuple[str, str, int]]:
    """Which of these posts are filed already, as (space, drop number, message id)."""
    cursor = await conn.execute(FIND_SUBMISSIONS, {"business_id": business_id, **_post_columns(posts)})
    return {(row[0], row[1], row[2]) for row in await cursor.fetchall()}


# Leaves one mark for the whole batch: the days that statistics must count again.
ADD_SUBMISSIONS = f"""
with marked as (
    insert into statistics_marks (business_id, days)
    select b.id, array(select distinct (u.at at time zone b.time_zone)::date
        from unnest(%(said_at)s::timestamptz[]) as u (at))
    from businesses b where b.id = %(business_id)s)
insert into qa_submissions
    (business_id, space, drop_number, message_id, project, sender_phone, said_at, effect)
select %(business_id)s, u.* from unnest(%(space)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[],
    %(project)s::text[], %(phone)s::text[], %(said_at)s::timestamptz[], %(effect)s::text[]) as u
on conflict {keys.SUBMISSION.target} do nothing
"""


async def add_submissions(conn: Conn, business_id: int, decided: Sequence[tuple[Post, Effect]]) -> None:
    """Keeps every post with what it did. The caller holds the drops' locks."""
    posts = [post for post, _ in decided]
    await conn.execute(
        ADD_SUBMISSIONS,
        {
            "business_id": business_id,
            **_post_columns(posts),
            "project": arrays.texts([post.project.name for post in posts]),
            "phone": arrays.texts([post.phone for post in posts]),
            "said_at": arrays.times(post.said_at for post in posts),
            "effect": arrays.texts([effect for _, effect in decided]),
        },
    )


CREATE_REVIEWS = f"""
insert into qa_photo_reviews (business_id, id, space, drop_number, project, review_date, user_name, submitted_by,
    sender_phone, comment, whatsapp_message_date, last_said_at, bridge_source)
select %(business_id)s, u.id, u.space, u.drop_number, u.project, u.review_date,
    coalesce(u.phone, case when u.bridge = '{MANUAL}' then '{BY_HAND}' else 'unresolved' end),
    u.phone, u.phone, u.comment, u.said_at, u.said_at, u.bridge
from unnest(%(ids)s::uuid[], %(space)s::text[], %(drop_number)s::text[], %(project)s::text[], %(review_date)s::date[],
    %(phone)s::text[], %(comment)s::text[], %(said_at)s::timestamptz[], %(bridge)s::text[])
    as u (id, space, drop_number, project, review_date, phone, comment, said_at, bridge)
on conflict {keys.REVIEW.target} do nothing
"""
MADE_REVIEWS = """
select space, drop_number from qa_photo_reviews
where business_id = (select %(business_id)s::int) and id = any(%(ids)s::uuid[])
"""


async def create_reviews(
    conn: Conn, business_id: int, posts: Sequence[Post], dates: Sequence[date], notes: Sequence[str]
) -> set[SpacedDrop]:
    """Makes a review for each post; returns those made. One is not made if a row written by hand got there first."""
    ids = arrays.texts(_new_ids(len(posts)))
    cursor = await conn.execute(
        CREATE_REVIEWS,
        {
            "business_id": business_id,
            "ids": ids,
            **_post_columns(posts),
            "project": arrays.texts([post.project.name for post in posts]),
            "review_date": arrays.texts([day.isoformat() for day in dates]),
            "phone": arrays.texts([_digits(post.phone) for post in posts]),
            "comment": arrays.texts(notes),
            "said_at": arrays.times([post.said_at for post in posts]),
            "bridge": arrays.texts([post.bridge for post in posts]),
        },
    )
    if cursor.rowcount == len(posts):
        return {(post.project.space, post.drop_number) for post in posts}
    cursor = await conn.execute(MADE_REVIEWS, {"business_id": business_id, "ids": ids})
    return {(row[0], row[1]) for row in await cursor.fetchall()}


# Ticks and reasons stay; whoever judges the drop is told that there is something new to look at. The reviews are also
# asked for by "any": to a planner without statistics a join alone would look cheaper by way of all the business's rows.
RESUBMIT = """
update qa_photo_reviews r set
    resubmitted = true, incomplete = false, feedback_sent = null, last_said_at = greatest(r.last_said_at, u.said_at),
    submitted_by = coalesce(u.phone, r.submitted_by), sender_phone = coalesce(u.phone, r.sender_phone),
    user_name = coalesce(u.phone, r.user_name), updated_at = now(),
    comment = case when length(r.comment) >= %(noted)s then r.comment else concat_ws(E'\\n', r.comment, u.note) end
from unnest(%(ids)s::uuid[], %(phone)s::text[], %(note)s::text[], %(said_at)s::timestamptz[])
    as u (id, phone, note, said_at)
where r.business_id = (select %(business_id)s::int) and r.id = u.id and r.id = any(%(ids)s::uuid[])
"""


async def resubmit(conn: Conn, business_id: int, again: dict[UUID, tuple[Post, str]], noted: int) -> None:
    """Marks reviews as posted again; ``again`` holds each review's newest post and its notes.

    A comment of ``noted`` characters or more gets no more notes.
    """
    await conn.execute(
        RESUBMIT,
        {
            "business_id": business_id,
            "ids": arrays.texts([str(review_id) for review_id in again]),
            "phone": arrays.texts([_digits(post.phone) for post, _ in again.values()]),
            "note": arrays.texts([note for _, note in again.values()]),
            "said_at": arrays.times([post.said_at for post, _ in again.values()]),
            "noted": noted,
        },
    )


# As in FIND_REVIEWS, one look into the index for each drop, whatever the planner knows; "offset" keeps it from joining.
# How the lists stand comes with it, in rows of a mark and a project: read by a statement of their own, an import might
# begin and end in between, and a drop that it adds would be refused. Marks are small letters, which no drop has.
LISTED = """
select v.drop_number, v.project
from unnest(%(drop_number)s::text[]) as u (drop_number)
cross join lateral (
    select drop_number, project from valid_drop_numbers
    where business_id = (select %(business_id)s::int) and drop_number = u.drop_number
    offset 0) v
union all
select 'empty', p.name from unnest(%(projects)s::text[]) as p (name)
where (select true from valid_drop_numbers
    where business_id = (select %(business_id)s::int) and project = p.name limit 1) is null
union all
select case when i.withdraws then 'withdrawing' else 'importing' end, unnest(i.projects) from valid_imports i
where i.business_id = (select %(business_id)s::int) and i.state = 'running' and i.lease_until > clock_timestamp()
union all
select 'none', ''
where (select true from valid_drop_numbers where business_id = (select %(business_id)s::int) limit 1) is null
"""


class Listed(NamedTuple):
    """What the lists say of a batch's drops, and which lists cannot say it now.

    ``valid`` has (drop number, project). ``empty`` names projects without a list, ``importing`` those whose list is
    being imported, ``withdrawing`` those of them whose list may lose entries by it. ``none``: there is no list at all.
    """

    valid: set[tuple[str, str]]
    empty: frozenset[str] = frozenset()
    importing: frozenset[str] = frozenset()
    withdrawing: frozenset[str] = frozenset()
    none: bool = False


async def listed(conn: Conn, business_id: int, drops: Iterable[str], projects: Iterable[str]) -> Listed:
    """The entries of these drops in the projects' lists, and how the lists of ``projects`` stand, as of one moment."""
    values = {"business_id": business_id, "projects": arrays.texts(sorted(set(projects)))}
    cursor = await conn.execute(LISTED, values | {"drop_number": arrays.texts(sorted(set(drops)))})
    found: set[tuple[str, str]] = {(row[0], row[1]) for row in await cursor.fetchall()}
    marks = {entry for entry in found if entry[0] in MARKS}
    valid = found - marks if marks else found
    empty, importing, withdrawing = (
        frozenset(project for mark, project in marks if mark == one) for one in ("empty", "importing", "withdrawing")
    )
    return Listed(valid, empty, importing | withdrawing, withdrawing, ("none", "") in marks)


MARKS = frozenset({"empty", "importing", "withdrawing", "none"})


def _post_columns(posts: Sequence[Post]) -> dict[str, str]:
    return {
        "space": arrays.texts([post.project.space for post in posts]),
        "drop_number": arrays.texts([post.drop_number for post in posts]),
        "message_id": arrays.numbers(post.message_id for post in posts),
    }


def _digits(phone: str | None) -> str | None:
    """The registers hold phones as their readers know them: E.164 without the plus."""
    return phone and phone.removeprefix("+")


def _new_ids(count: int) -> list[str]:
    """Version 7 UUIDs: random, but rising with time, so that a million reviews do not scatter over the index."""
    prefix = f"{time.time_ns() // 1_000_000:012x}"
    noise = secrets.token_hex(10 * count)
    return [
        f"{prefix}7{noise[at : at + 3]}{'89ab'[int(noise[at + 3], 16) % 4]}{noise[at + 4 : at + 19]}"
        for at in range(0, 20 * count, 20)
    ]
