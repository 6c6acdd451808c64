"""The monitor for programs: the same lists, reviews and locks as JSON."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.wakeups import wake_up
from tallybook.monitor.jobs import TOPIC
from tallybook.monitor.service import reviews
from tallybook.monitor.types import Change, Changes, DayCount, Lock, PostCount, Review, ReviewRow, Submission, Verdict

from . import monitor, monitor_view
from .answers import Ok, ok
from .needs import Asked, TheApp

PATH = "/api/wa-monitor-drops"
PAGE_SIZE = 50
TAGS = ["Monitor"]


class DropsPage(msgspec.Struct, frozen=True):
    """A page of reviews. ``after`` leads to the next one; it is null on the last. ``total`` counts all that fit."""

    drops: list[ReviewRow]
    total: int
    after: str | None


class WholeReview(msgspec.Struct, frozen=True):
    """A review with its verdicts in display order, every post of its drop and every change to it, oldest first."""

    review: Review
    verdicts: list[Verdict]
    posts: list[Submission]
    changes: list[Change]


class Looked(msgspec.Struct, frozen=True):
    """How many posts of the drop somebody looked at: all that were known when they were shown."""

    posts: PostCount


class Released(msgspec.Struct, frozen=True):
    released: bool = True


@get(PATH, tags=TAGS)
async def list_drops(  # noqa: PLR0917 - the filters of the URL, called by name
    request: Asked,
    app: TheApp,
    project: FromQuery[str | None] = None,
    q: FromQuery[str | None] = None,
    show: FromQuery[str | None] = None,
    posted: FromQuery[str | None] = None,
    first: Annotated[str | None, QueryParameter(name="from")] = None,
    last: Annotated[str | None, QueryParameter(name="to")] = None,
    assigned: FromQuery[str | None] = None,
    after: FromQuery[str | None] = None,
) -> Ok[DropsPage]:
    """Reviews of drops posted on these business dates: those posted again and not looked at first, then the newest.

    Without ``from`` and ``to`` those of today in the business's time zone; empty ones mean any day. ``show`` is
    ``all``, ``open`` or ``complete``; ``posted`` is ``any``, ``once`` or ``again``; ``q`` is a part of a drop number.
    ``assigned`` is ``me``, ``nobody`` or an account's number.
    ``open`` is not complete, or posted again and not looked at since; ``again`` is the latter alone.
    A page holds 50; give its ``after`` to get the next. 400 for a filter or an ``after`` that means nothing.
    """
    require(request.user, Right.SEE)
    given = {"project": project, "q": q, "show": show, "posted": posted, "from": first, "to": last}
    given["assigned"] = assigned
    present = {name: value for name, value in given.items() if value is not None}
    filters = monitor_view.read_query(present, monitor.clock_of(request), request.user.account_id).filters
    place = monitor_view.read_cursor(after)

    async def work(conn: Conn) -> DropsPage:
        business = request.user.business
        rows, total = await reviews.listed_and_counted(conn, business, filters, place, PAGE_SIZE + 1)
        more = monitor_view.write_cursor(rows[PAGE_SIZE - 1]) if len(rows) > PAGE_SIZE else None
        return DropsPage(rows[:PAGE_SIZE], total, more)

    return ok(await app.db.run("list drops", work))


@get(f"{PATH}/{{review_id:uuid}}", tags=TAGS)
async def get_drop(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Ok[WholeReview]:
    """One review with its posts, its changes and the lock on it, if somebody holds it. 404 outside the business."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> WholeReview:
        review = await reviews.one(conn, request.user.business, review_id)
        posts, changes = await reviews.history(conn, request.user.business, review)
        return WholeReview(review, review.verdicts, posts, changes)

    return ok(await app.db.run("get drop", work))


@patch(f"{PATH}/{{review_id:uuid}}", tags=TAGS)
async def change_drop(request: Asked, app: TheApp, review_id: FromPath[UUID], data: JSONBody[Changes]) -> Ok[Review]:
    """Ticks steps, gives or takes away reasons, changes the comment; only what is given is written.

    Takes the lock, or renews it, in the same transaction. A reason makes its step wrong; an empty one takes it away.
    ``posts`` says how many posts were seen: with it, what becomes complete is looked at too, unless another post came.
    409 LOCKED_BY_ANOTHER_USER names who works on it and until when; 400 for an unknown step or a text too long.
    """
    who = monitor.reviewer(request.user)
    return ok(await monitor.save(app, monitor.look(request), review_id, who, data))


@post(f"{PATH}/{{review_id:uuid}}/lock", tags=TAGS, status_code=200)
async def lock_drop(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Ok[Lock]:
    """Takes the lock for five minutes, or renews it. 409 LOCKED_BY_ANOTHER_USER says who holds it and until when."""
    who = monitor.reviewer(request.user)

    async def work(conn: Conn) -> Lock:
        lock = await reviews.take_lock(conn, request.user.business, review_id, who)
        await wake_up(conn, TOPIC, request.user.business.id)
        return lock

    return ok(await app.db.run("lock review", work))


@post(f"{PATH}/{{review_id:uuid}}/unlock", tags=TAGS, status_code=200)
async def unlock_drop(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Ok[Released]:
    """Gives the caller's own lock back; changes nothing if it is no longer theirs."""
    who = monitor.reviewer(request.user)

    async def work(conn: Conn) -> None:
        await reviews.release_lock(conn, request.user.business, review_id, who)
        await wake_up(conn, TOPIC, request.user.business.id)

    await app.db.run("unlock review", work)
    return ok(Released())


@post(f"{PATH}/{{review_id:uuid}}/looked-at", tags=TAGS, status_code=200)
async def look_at_drop(request: Asked, app: TheApp, review_id: FromPath[UUID], data: JSONBody[Looked]) -> Ok[Review]:
    """Says that somebody looked at what was posted again: the review is as complete as it was. A repeat does nothing.

    409 POSTED_MEANWHILE if there are other posts than ``posts``, with how many; 409 LOCKED_BY_ANOTHER_USER names who
    works on it.
    """
    who = monitor.reviewer(request.user)
    return ok(await monitor.looked_at(app, monitor.look(request), review_id, who, data.posts))


@get("/api/wa-monitor-daily-drops", tags=TAGS)
async def daily_drops(request: Asked, app: TheApp) -> Ok[list[DayCount]]:
    """Each project's distinct drops of today so far, beside each of its fourteen days before."""
    require(request.user, Right.SEE)
    now = monitor.clock_of(request).now

    async def work(conn: Conn) -> list[DayCount]:
        return await reviews.day(conn, request.user.business, now)

    return ok(await app.db.run("count the day", work))


HANDLERS = [list_drops, get_drop, change_drop, lock_drop, unlock_drop, look_at_drop, daily_drops]
