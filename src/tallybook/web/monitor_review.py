"""What is done to one review beside its steps: feedback, assignment, photos. As forms, and as JSON for programs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody
from litestar.response import Redirect

from tallybook import photo_link
from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, Unavailable
from tallybook.core.file_types import FILE, SHOWN_TYPES
from tallybook.core.kept_files import path_of
from tallybook.core.wakeups import wake_up
from tallybook.monitor.jobs import TOPIC
from tallybook.monitor.service import assignment, feedback, photos, reviews
from tallybook.monitor.service.assignment import Wanted
from tallybook.monitor.service.feedback import Talk
from tallybook.monitor.store.assignment import Judge
from tallybook.monitor.store.photos import Kept
from tallybook.monitor.types import Review

from . import monitor, monitor_view
from .answers import Ok, ok
from .file_answers import AWAY
from .monitor import Look
from .monitor_view import read_number, read_posts
from .needs import Asked, TheApp

API = "/api/wa-monitor-drops/{review_id:uuid}"
PAGE = "/wa-monitor/{review_id:uuid}"
TAGS = ["Monitor"]
# A sender's bytes: never run, never framed, never taken for anything but what their content was found to be.
PHOTO_HEADERS = {
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=86400, immutable",
    "cross-origin-resource-policy": "same-origin",
}
T = TypeVar("T")


async def _in_one(app: App, asked: Look, what: str, work: Callable[[Conn], Awaitable[T]]) -> T:
    """Does the work and tells every open page, in one transaction."""

    async def told(conn: Conn) -> T:
        done = await work(conn)
        await wake_up(conn, TOPIC, asked.business.id)
        return done

    return await app.db.run(what, told)


async def _from_form(
    request: Asked, app: App, review_id: UUID, do: Callable[[Look, dict[str, str]], Awaitable[object]]
) -> Response[Any]:
    """Does what a form asks, and shows the review; with what was typed and why not, where it cannot be done."""
    asked = monitor.look(request)
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    try:
        await do(asked, typed)
    except (Conflict, Invalid) as error:
        if "application/json" in request.headers.get("accept", ""):
            raise
        return await monitor.show(request, app, review_id, typed, error)
    return Redirect(asked.query.link(f"{monitor_view.PATH}/{review_id}"), status_code=303)


# ── Feedback ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _send(app: App, asked: Look, review_id: UUID, given: feedback.Asked) -> Review:
    who = asked.who
    return await _in_one(
        app, asked, "send feedback", lambda conn: feedback.send(conn, asked.business, review_id, who, given)
    )


@post(f"{PAGE}/feedback", include_in_schema=False)
async def send_feedback(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Response[Any]:
    """Sends what stands in the field, once for each number that a page showed."""

    async def do(asked: Look, form: dict[str, str]) -> None:
        number, posts = read_number(form.get("number", "")), read_posts(form.get("posts", ""))
        await _send(app, asked, review_id, feedback.Asked(form.get("feedback", ""), number, posts))

    return await _from_form(request, app, review_id, do)


@get(f"{API}/feedback", tags=TAGS)
async def get_feedback(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Ok[Talk]:
    """What was said of a review and what became of it, what is proposed now, and the number of the next press."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> Talk:
        review = await reviews.one(conn, request.user.business, review_id)
        return await feedback.talk(conn, request.user.business, review)

    return ok(await app.db.run("get feedback", work))


@post(f"{API}/feedback", tags=TAGS, status_code=200)
async def post_feedback(
    request: Asked, app: TheApp, review_id: FromPath[UUID], data: JSONBody[feedback.Asked]
) -> Ok[Review]:
    """Has feedback sent into the group of the drop's last post.

    ``number`` is that of ``GET …/feedback``; a repeat of the same number and text sends nothing more.
    ``feedback_sent`` is set once the provider has said yes. 409 POSTED_MEANWHILE if there are other posts than
    ``posts``; 409 SAID_MEANWHILE if that number was another text; 409 while the last one waits to be sent.
    """
    return ok(await _send(app, monitor.look(request), review_id, data))


# ── Assignment ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def _assign(app: App, asked: Look, review_id: UUID, wanted: Wanted) -> Review:
    who = asked.who
    return await _in_one(
        app, asked, "assign review", lambda conn: assignment.assign(conn, asked.business, review_id, who, wanted)
    )


@post(f"{PAGE}/assign", include_in_schema=False)
async def assign_review(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Response[Any]:
    """Gives a review to a person, or to nobody."""

    async def do(asked: Look, form: dict[str, str]) -> None:
        to, was = form.get("to", ""), form.get("was", "")
        await _assign(app, asked, review_id, Wanted(read_number(to) if to else None, read_number(was) if was else None))

    return await _from_form(request, app, review_id, do)


@get("/api/wa-monitor-judges", tags=TAGS)
async def list_judges(request: Asked, app: TheApp) -> Ok[list[Judge]]:
    """The people who may judge reviews, to whom one can be assigned."""
    require(request.user, Right.SEE)
    return ok(await app.db.run("list judges", lambda conn: assignment.judges(conn, request.user.business)))


@post(f"{API}/assign", tags=TAGS, status_code=200)
async def post_assign(request: Asked, app: TheApp, review_id: FromPath[UUID], data: JSONBody[Wanted]) -> Ok[Review]:
    """Gives a review to an account, or with a null ``to`` to nobody. ``was`` says whose it was when it was shown.

    409 ASSIGNED_MEANWHILE if it is another's by now; 409 LOCKED_BY_ANOTHER_USER while somebody works on it.
    """
    return ok(await _assign(app, monitor.look(request), review_id, data))


# ── Photos ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class PhotoSaid(msgspec.Struct, frozen=True):
    """Whether a photo belongs to the drop."""

    belongs: bool


async def _say(app: App, asked: Look, review_id: UUID, said: photos.Said) -> None:
    who, near = asked.who, photo_link.within(app.settings)
    await _in_one(app, asked, "say of photo", lambda conn: photos.say(conn, asked.business, review_id, who, said, near))


@post(f"{PAGE}/photos/{{message_id:int}}", include_in_schema=False)
async def say_of_photo(
    request: Asked, app: TheApp, review_id: FromPath[UUID], message_id: FromPath[int]
) -> Response[Any]:
    """Confirms or refuses a photo, or has its file fetched (again)."""

    async def do(asked: Look, form: dict[str, str]) -> None:
        if form.get("do") in {"confirm", "refuse"}:
            await _say(app, asked, review_id, photos.Said(message_id, form["do"] == "confirm"))
            return
        require(request.user, Right.REVIEW)
        near = photo_link.within(app.settings)
        await _in_one(
            app, asked, "fetch photo", lambda conn: photos.ask(conn, asked.business, review_id, message_id, near)
        )

    return await _from_form(request, app, review_id, do)


@get(f"{API}/photos", tags=TAGS)
async def list_photos(request: Asked, app: TheApp, review_id: FromPath[UUID]) -> Ok[list[photos.Photo]]:
    """The photos of a review's drop in the order they were said: certain, probable, and those that were refused.

    What is ``kept`` stands at ``/wa-monitor/{review}/photos/{message_id}``.
    """
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> list[photos.Photo]:
        review = await reviews.one(conn, request.user.business, review_id)
        return await photos.listed(conn, request.user.business, review, photo_link.within(app.settings))

    return ok(await app.db.run("list photos", work))


@post(f"{API}/photos/{{message_id:int}}", tags=TAGS, status_code=200)
async def post_photo(
    request: Asked, app: TheApp, review_id: FromPath[UUID], message_id: FromPath[int], data: JSONBody[PhotoSaid]
) -> Ok[PhotoSaid]:
    """Says whether a probable photo belongs to the drop. 409 for one that was confirmed for another drop."""
    await _say(app, monitor.look(request), review_id, photos.Said(message_id, data.belongs))
    return ok(data)


@get(f"{PAGE}/photos/{{message_id:int}}", include_in_schema=False)
async def show_photo(
    request: Asked, app: TheApp, review_id: FromPath[UUID], message_id: FromPath[int]
) -> Response[bytes]:
    """A kept file: as a picture if its content is one, else as a file to be put away. 503 while the disk is away."""
    require(request.user, Right.SEE)
    business, near = request.user.business, photo_link.within(app.settings)
    found = await app.db.run("find photo", lambda conn: photos.kept(conn, business, review_id, message_id, near))
    folder = photo_link.folder(app.settings)
    try:
        content = await asyncio.to_thread(path_of(folder, found.sha256).read_bytes)
    except FileNotFoundError:
        # Where the whole folder is missing a disk is not mounted, and no photo of it is lost.
        if not await asyncio.to_thread(os.path.isdir, folder):
            raise Unavailable(AWAY) from None
        await app.db.run("photo is gone", lambda conn: photos.lost(conn, business, message_id))
        raise NotFound("There is no such photo.") from None
    except OSError as error:
        raise Unavailable(AWAY) from error
    return _file(found, content, message_id)


def _file(found: Kept, content: bytes, message_id: int) -> Response[bytes]:
    if found.type in SHOWN_TYPES:
        return Response(content, media_type=found.type, headers=PHOTO_HEADERS)
    named = {"content-disposition": f'attachment; filename="file-{message_id}"'}
    return Response(content, media_type=FILE, headers=PHOTO_HEADERS | named)


HANDLERS = [
    send_feedback, get_feedback, post_feedback, assign_review, list_judges, post_assign, say_of_photo, list_photos,
    post_photo, show_photo,
]  # fmt: skip
