"""The monitor's pages: the day's drops, and the review of one. Every part of a page can be asked for on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.monitor import history
from tallybook.monitor.jobs import TOPIC
from tallybook.monitor.service import assignment, reviews
from tallybook.monitor.types import Changes, Kind, Review, ReviewRow
from tallybook.settings import Settings

from . import errors, i18n, monitor_view, pages, review_beside, review_words
from .monitor_view import PAGE_SIZE, Query
from .needs import Asked, TheApp
from .times import Clock

MAX_FIELDS = 60
COUNTED = 2000  # counting a million takes longer than showing some of them


@dataclass(frozen=True)
class Look:
    """One look at the monitor: who looks, at which view of it, at what moment."""

    caller: Caller
    business: Business
    query: Query
    clock: Clock
    after: str = ""

    @property
    def who(self) -> reviews.Reviewer:
        return reviewer(self.caller)


def reviewer(caller: Caller) -> reviews.Reviewer:
    """The person behind a caller. Raises NotAllowed for who may not review, and for a token of nobody."""
    require(caller, Right.REVIEW)
    if caller.account_id is None:
        raise NotAllowed("This token belongs to no person, so it cannot hold a review.")
    return reviews.Reviewer(caller.account_id, caller.name)


def clock_of(request: Asked) -> Clock:
    """The caller's business's clock at this moment, in the reader's language."""
    lang = pages.language_of(request)
    return Clock(datetime.now(UTC), request.user.business, lang, i18n.words(lang))


def look(request: Asked) -> Look:
    """Reads a request. Raises NotAllowed and Invalid."""
    require(request.user, Right.SEE)
    clock = clock_of(request)
    # The first of a repeated name counts; an empty date is a date that was cleared.
    given = dict(reversed(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)))
    query = monitor_view.read_query(given, clock, request.user.account_id)
    return Look(request.user, request.user.business, query, clock, given.get("after", ""))


@get("/wa-monitor", include_in_schema=False)
async def monitor_page(request: Asked, app: TheApp) -> Response[str]:
    """The day's drops."""
    return await show(request, app, None)


@get("/wa-monitor/{review_id:uuid}", include_in_schema=False)
async def review_page(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Response[str]:
    """The day's drops with one review open."""
    return await show(request, app, review_id)


@post("/wa-monitor/{review_id:uuid}", include_in_schema=False)
async def save_review(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Response[Any]:
    """Saves the whole form: how a review is worked on where no script runs."""
    asked = look(request)
    who = asked.who
    form = await request.form()
    typed = {name: value for name, value in list(form.multi_items())[:MAX_FIELDS] if isinstance(value, str)}
    try:
        await save(app, asked, review_id, who, monitor_view.read_form(typed))
    except (Conflict, Invalid) as error:
        return await show(request, app, review_id, typed, error)
    return Redirect(asked.query.link(f"{monitor_view.PATH}/{review_id}"), status_code=303)


@post("/wa-monitor/{review_id:uuid}/looked-at", include_in_schema=False)
async def look_at_review(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Response[Any]:
    """Takes “posted again” away, where no script runs."""
    asked = look(request)
    who = asked.who
    form = await request.form()
    try:
        await looked_at(app, asked, review_id, who, monitor_view.read_posts(str(form.get("posts", ""))))
    except (Conflict, Invalid) as error:
        return await show(request, app, review_id, {}, error)
    return Redirect(asked.query.link(f"{monitor_view.PATH}/{review_id}"), status_code=303)


async def looked_at(app: App, asked: Look, review_id: UUID, who: reviews.Reviewer, posts: int) -> Review:
    """Takes “posted again” away and tells every open page, in one transaction."""

    async def work(conn: Conn) -> Review:
        review = await reviews.look(conn, asked.business, review_id, who, posts)
        await wake_up(conn, TOPIC, asked.business.id)
        return review

    return await app.db.run("look at review", work)


async def save(app: App, asked: Look, review_id: UUID, who: reviews.Reviewer, changes: Changes) -> Review:
    """Saves changes and tells every open page, in one transaction."""

    async def work(conn: Conn) -> Review:
        review = await reviews.save(conn, asked.business, review_id, who, changes)
        await wake_up(conn, TOPIC, asked.business.id)
        return review

    return await app.db.run("save review", work)


async def show(
    request: Asked,
    app: App,
    review_id: UUID | None,
    typed: Mapping[str, str] | None = None,
    error: Conflict | Invalid | None = None,
) -> Response[str]:
    """The page, or the part of it that was asked for."""
    asked = look(request)
    part = _part(request)

    async def work(conn: Conn) -> dict[str, Any]:
        context: dict[str, Any] = {"clock": asked.clock, "filters": asked.query, "review": None, "lost": None}
        if part != "review":
            context |= await _list(conn, asked, whole=part != "rows")
        if review_id is not None:
            context |= await _review(conn, asked, app.settings, review_id, typed or {})
        return context

    context = await app.db.run("show monitor", work)
    context["trouble"] = monitor_view.trouble_of(error, asked.clock.words) if error else None
    status = errors.status_of(error) if error else 404 if context["lost"] and part is None else 200
    name = {None: "page", "list": "part_list", "rows": "rows", "review": "review", "fresh": "part_fresh"}[part]
    answer = pages.page(request, f"monitor/{name}.html", context, status)
    if part == "list":
        answer.headers["hx-push-url"] = asked.query.link()
    return answer


def _part(request: Asked) -> str | None:
    """Which part of the page is asked for; None for all of it, as when a browser goes back."""
    if "hx-request" not in request.headers or "hx-history-restore-request" in request.headers:
        return None
    part = request.headers.get("x-part") or request.headers.get("hx-target")
    return part if part in {"list", "rows", "review", "fresh"} else None


async def _list(conn: Conn, asked: Look, *, whole: bool) -> dict[str, Any]:
    query = asked.query
    after = monitor_view.read_cursor(asked.after)
    filters = query.filters
    if not whole:
        return _rows(query, await reviews.listed(conn, asked.business, filters, after, PAGE_SIZE + 1))
    rows, total = await reviews.listed_and_counted(conn, asked.business, filters, after, PAGE_SIZE + 1, COUNTED + 1)
    days = await reviews.day(conn, asked.business, asked.clock.now)
    return _rows(query, rows) | {
        "total": total,
        "counted": COUNTED,
        "judges": await assignment.judges(conn, asked.business),
        "days": [monitor_view.day_view(day, query) for day in days],
        "projects": [day.project for day in days if day.kind is Kind.QA],
    }


def _rows(query: Query, rows: list[ReviewRow]) -> dict[str, Any]:
    """A page's rows; one more than it holds says that there is another page."""
    shown = rows[:PAGE_SIZE]
    older = query.link(after=monitor_view.write_cursor(shown[-1])) if len(rows) > PAGE_SIZE else None
    return {"rows": shown, "older": older}


async def _review(
    conn: Conn, asked: Look, settings: Settings, review_id: UUID, typed: Mapping[str, str]
) -> dict[str, Any]:
    try:
        review = await reviews.one(conn, asked.business, review_id)
    except NotFound as error:
        return {"lost": asked.clock.words.gettext(error.message)}
    posts, changes = await reviews.history(conn, asked.business, review)
    beside = await review_beside.of_review(conn, asked.business, settings, review, typed)
    verdicts = review.verdicts
    latest = changes[-1].who if changes else ""
    return {
        "review": review,
        "verdicts": verdicts,
        "steps": monitor_view.step_views(review, typed),
        "was": monitor_view.marks_of(verdicts),
        "comment": typed.get("comment", review.comment),
        "reasons": monitor_view.REASONS,
        "posts": posts,
        "changes": [review_words.change_view(change, asked.clock.words) for change in changes],
        "outside": review_words.by_hand_view(history.by_hand(review, posts, changes), asked.clock.words),
        "changed_by": "" if latest == asked.caller.name else latest,
        "may_write": may(asked.caller, Right.REVIEW) and asked.caller.account_id is not None,
        **beside,
        **review_beside.in_words(beside, asked.clock.words),
        "mine": review.lock is not None and review.lock.account_id == asked.caller.account_id,
    }


HANDLERS = [monitor_page, review_page, save_review, look_at_review]
