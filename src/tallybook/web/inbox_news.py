"""What WhatsApp and gateways told besides messages, as a page and for programs: kinds, newest first, looked at."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import Response, get, post
from litestar.params import FromQuery, JSONBody
from litestar.response import Redirect

from tallybook.core.db import Conn
from tallybook.inbox import naming
from tallybook.inbox.service import news
from tallybook.inbox.service.news import Board

from . import pages
from .answers import Ok, ok
from .inbox_news_words import parts
from .needs import Asked, TheApp

PATH = "/inbox/news"
API = "/api/inbox/news"
TAGS = ["Inbox"]
LONGEST_KIND = 250


class NewsKind(msgspec.Struct, frozen=True):
    """How many of a kind were told. ``new`` are those that may want a person and at which nobody has looked."""

    kind: str
    items: int
    new: int
    last_at: datetime


class NewsItem(msgspec.Struct, frozen=True):
    """One thing that was told, without what anybody wrote. ``words`` are the provider's own fixed ones.

    ``state`` is ok, late or wrong, by itself; ``new`` as in the kinds.
    """

    id: int
    channel: str
    account: str
    kind: str
    at: datetime
    words: list[str]
    state: str
    new: bool


class NewsPage(msgspec.Struct, frozen=True):
    """The kinds, and 50 things, the newest first. ``before`` leads to the older; it is null on the last page."""

    kinds: list[NewsKind]
    items: list[NewsItem]
    before: int | None


class Upto(msgspec.Struct, frozen=True):
    """The newest thing that was looked at."""

    id: int


class Looked(msgspec.Struct, frozen=True):
    """At how many nobody had looked before."""

    items: int


@get(PATH, include_in_schema=False)
async def news_page(request: Asked, app: TheApp) -> Response[str]:
    """What was told, by kind, the newest first."""
    kind = request.query_params.get("kind", "")[:LONGEST_KIND]
    before = naming.number(request.query_params.get("before", ""))
    found = await _board(request, app, kind, before)
    context = {"board": found, "kind": kind, "parts": parts, "path": PATH}
    return pages.page(request, "inbox/news.html", context)


@post(f"{PATH}/seen", include_in_schema=False)
async def news_seen(request: Asked, app: TheApp) -> Redirect:
    """Says that somebody has looked at all that the page showed."""
    upto = naming.number(str((await request.form()).get("upto", ""))) or 0
    await app.db.run("look at news", lambda conn: news.see(conn, request.user, upto))
    return Redirect(PATH, status_code=303)


@get(API, tags=TAGS)
async def list_news(request: Asked, app: TheApp, kind: FromQuery[str] = "", before: FromQuery[int] = 0) -> Ok[NewsPage]:
    """What WhatsApp and gateways told besides messages: of one kind, or of all. For tokens with the scope ``admin``."""
    found = await _board(request, app, kind[:LONGEST_KIND], before)
    kinds = [NewsKind(one.kind, one.items, one.new, one.last_at) for one in found.kinds]
    items = [
        NewsItem(one.id, one.channel, one.account, one.kind, one.at, one.words, one.state, one.is_new)
        for one in found.items
    ]
    return ok(NewsPage(kinds, items, found.before))


@post(f"{API}/seen", tags=TAGS, status_code=200)
async def look_at_news(request: Asked, app: TheApp, data: JSONBody[Upto]) -> Ok[Looked]:
    """Says that somebody has looked at everything up to this one, so that health is quiet of it."""
    return ok(Looked(await app.db.run("look at news", lambda conn: news.see(conn, request.user, data.id))))


async def _board(request: Asked, app: TheApp, kind: str, before: int | None) -> Board:
    async def read(conn: Conn) -> Board:
        return await news.board(conn, request.user, kind.replace("\0", "") or None, before)

    return await app.db.run("list news", read)


HANDLERS = [news_page, news_seen, list_news, look_at_news]
