"""Calendars by secret link: read by programs without a session, and the page where people make and take back links.

The secret is a part of the address. Addresses are logged and counted as route templates only, and no answer repeats it
but the one to whoever just made it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook import rota_snapshot
from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotFound, TallybookError
from tallybook.core.marking import N_
from tallybook.core.numbers import number_in
from tallybook.triage import ics, picture
from tallybook.triage.service import feeds
from tallybook.triage.service.feeds import Made, Reading, View
from tallybook.triage.store.feeds import Scope
from tallybook.words import words

from .needs import Asked, TheApp
from .triage_frame import PATH, Place, given_in, schedules, show, stand

FEEDS = PATH + "/feeds"
CALENDAR, PICTURE = "text/calendar", "image/png"
DAYS = 28  # of a picture
KEPT = 32  # files of up to 500 kB
INSTEAD_OF = N_("Instead of {name}")
COMING_WEEKS = N_("{name}: the coming weeks")
NOBODY = N_("Nobody")
# What the rota refuses here, marked so that it is translated.
REFUSALS = (
    N_("This calendar is not there, or no longer."), N_("There are 200 calendars already. Take one back first."),
    N_("You have 20 calendars already. Take one back first."), N_("Please try again."),
    N_("This is somebody else's calendar. Only they, or who leads the team, may share it."),
    N_("Only who made this link, or who leads the team, may take it back."),
    N_("A calendar is of a person, a discipline or a team."),
)  # fmt: skip

_making = asyncio.Semaphore(1)  # each takes a processor for up to a second
_made: OrderedDict[str, bytes] = OrderedDict()


@get(FEEDS + "/{file:str}", opt={"open": True}, include_in_schema=False)
async def feed(request: Asked, app: TheApp, file: FromPath[str]) -> Response[Any]:
    """What a link shows, as a calendar (``.ics``) or as a picture of the coming weeks (``.png``)."""
    token, _, kind = file.rpartition(".")
    if kind == "ics":
        return await _calendar(request, app, token)
    if kind == "png":
        return await _picture(request, app, token)
    raise NotFound(feeds.NO_LINK)


def known_to(request: Asked) -> frozenset[str]:
    """The ETags that the asker has, without their quotes."""
    given = request.headers.get("if-none-match", "")[:2000].split(",")
    return frozenset(one.strip().removeprefix("W/").strip('"') for one in given)


async def _calendar(request: Asked, app: App, token: str) -> Response[Any]:
    now, known = datetime.now(UTC), known_to(request)

    def instead_of(locale: str) -> str:
        return words(locale).gettext(INSTEAD_OF)

    async def work(conn: Conn) -> Reading:
        return await feeds.read(conn, schedules(request), token, now, known=known, instead_of=instead_of)

    try:
        found = await app.db.at_once.run("read calendar", work)
    except psycopg.OperationalError:
        shelf = rota_snapshot.shelf(rota_snapshot.path_of(app.settings))
        kept_then = await feeds.read_by_copy(shelf, token, now, known=known, instead_of=instead_of)
        if kept_then is None:
            raise
        found = kept_then
    if found.events is None:
        return _answer(None, found.etag)
    body = await _once(f"{found.etag}.ics", partial(ics.calendar, found.name, found.events, now))
    return _answer(body, found.etag, CALENDAR, "triage.ics")


async def _picture(request: Asked, app: App, token: str) -> Response[Any]:
    now = datetime.now(UTC)
    found = await app.db.run("look at calendar", lambda conn: feeds.view(conn, schedules(request), token, now))
    if found.etag in known_to(request):
        return _answer(None, found.etag)
    body = await _once(f"{found.etag}.png", partial(_draw, found))
    return _answer(body, found.etag, PICTURE, "triage.png")


async def _once(key: str, make: Callable[[], bytes]) -> bytes:
    """A file, made once for all who ask for it while nothing changes, and beside the event loop."""
    async with _making:
        if key not in _made:
            _made[key] = await asyncio.to_thread(make)
            while len(_made) > KEPT:
                _made.popitem(last=False)
        return _made[key]


def _draw(found: View) -> bytes:
    say = words(found.locale).gettext
    title = say(COMING_WEEKS).replace("{name}", found.name)
    caption = picture.Caption(title, say(NOBODY), found.locale, say(N_("Holidays")))
    scope = found.scope
    rows = picture.rows(found.schedules, found.first, DAYS, discipline=scope.discipline, person=scope.slack_id)
    return picture.picture(found.schedules, rows, found.first, DAYS, caption, found.hour)


def _answer(body: bytes | None, etag: str, kind: str = CALENDAR, name: str = "") -> Response[Any]:
    """The content with its ETag, or without one that the asker has it. It is asked for again each time."""
    headers = {"etag": f'"{etag}"', "cache-control": "private, no-cache", "x-robots-tag": "noindex"}
    if kind == PICTURE:
        # Other sites show it, such as Slack.
        headers["cross-origin-resource-policy"] = "cross-origin"
    if body is None:
        return Response(None, status_code=304, headers=headers)
    headers["content-disposition"] = f'inline; filename="{name}"'
    return Response(body, media_type=kind, headers=headers)


@get(FEEDS, include_in_schema=False)
async def feeds_page(request: Asked, app: TheApp) -> Response[str]:
    """The links that one may take back, and a form for another."""
    return await _shown(request, app, await stand(request, app), {})


async def _shown(
    request: Asked, app: App, place: Place, more: Mapping[str, Any], error: TallybookError | None = None
) -> Response[str]:
    found = await app.db.run("list calendars", lambda conn: feeds.listed(conn, place.actor))
    context = {"links": found, "address": "", "picture": "", "key": uuid4().hex}
    return show(request, place, "feeds", context | dict(more), error)


@post(FEEDS, include_in_schema=False)
async def make_link(request: Asked, app: TheApp) -> Response[str]:
    """Makes a link, and shows its address for the only time; the same form again shows the same."""
    place = await stand(request, app)
    given = await given_in(request)
    scope = _scope(place, given.get("what", ""))

    now = datetime.now(UTC)
    secret = feeds.secret_by(app.settings.secret_keys()[0], place.actor, scope, given.get("key", ""), now)

    async def work(conn: Conn) -> Made:
        return await feeds.make(conn, place.actor, scope, now, secret=secret)

    try:
        made = await app.db.run("make calendar", work)
    except Conflict as error:
        return await _shown(request, app, place, {}, error)
    # By the settings, since whoever asks may name any host.
    base = f"{app.settings.public_url}{FEEDS}/{made.token}"
    return await _shown(request, app, place, {"address": base + ".ics", "picture": base + ".png"})


def _scope(place: Place, what: str) -> Scope:
    """What was chosen: ``team``, ``discipline CODE`` or ``person ID``, of the team of the page."""
    kind, _, which = what.partition(" ")
    team = place.facts.team.id
    if kind == "person":
        return Scope(kind, slack_id=which)
    if kind == "discipline":
        return Scope(kind, team, which)
    return Scope("team", team)


@post(FEEDS + "/revoke", include_in_schema=False)
async def revoke_link(request: Asked, app: TheApp) -> Redirect:
    """Ends a link at once."""
    place = await stand(request, app)
    number = number_in((await given_in(request)).get("link", "")) or 0
    await app.db.run("revoke calendar", lambda conn: feeds.revoke(conn, place.actor, number, datetime.now(UTC)))
    return Redirect(place.link(FEEDS), status_code=303)


HANDLERS = [feed, feeds_page, make_link, revoke_link]
