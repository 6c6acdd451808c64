"""Finding in the inbox: people by name or number, then what was said, each leading to its place in its thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from tallybook.core.businesses import Business
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.marking import N_
from tallybook.inbox import naming, search_rules
from tallybook.inbox.search_rules import Piece
from tallybook.inbox.service import labels, searching, threads
from tallybook.inbox.service.searching import Found, Hit, Narrowed, Wanted
from tallybook.inbox.service.threads import Filter
from tallybook.inbox.types import Source

from . import inbox_view, inbox_words, pages
from .answers import Ok, ok
from .inbox_view import MAX_SEARCH, PATH
from .needs import Asked, TheApp

SEARCH = f"{PATH}/search"
PEOPLE = 8  # threads above the messages
PAGE_SIZE = 30  # messages
FIRST_YEAR, LAST_YEAR = 2000, 2100  # in which somebody chats
ERRORS = (N_("There is no such message."), N_("A day is written as 2026-01-31."))


@dataclass(frozen=True)
class Asking:
    """What is asked for, as it stands in the URL. The days are the business's, both included."""

    words: str = ""
    who: str = ""
    since: date | None = None
    until: date | None = None
    label: int | None = None

    def wanted(self, business: Business) -> Wanted:
        begins = _moment(self.since, business) if self.since else None
        ends = _moment(self.until + timedelta(days=1), business) if self.until else None
        return Wanted(self.words, Narrowed((self.who,) if self.who else (), self.label), begins, ends)

    def link(self, **more: str) -> str:
        """The address of this search, without what was left empty."""
        told = {"q": self.words, "who": self.who, "since": self.since, "until": self.until, "label": self.label} | more
        return f"{SEARCH}?{urlencode({name: str(value) for name, value in told.items() if value})}"


def _moment(day: date, business: Business) -> datetime:
    return datetime.combine(day, time(), business.zone)


def read_asking(given: Mapping[str, str]) -> Asking:
    """What a request asks for. Raises Invalid."""
    words, who = given.get("q", "").strip(), given.get("who", "")
    if len(words) > MAX_SEARCH or "\0" in words:
        raise Invalid("A search may be at most 100 characters long.")
    return Asking(
        words,
        who if who in set(Source) else "",
        _day(given.get("since", "")),
        _day(given.get("until", "")),
        naming.number(given.get("label", "")),
    )


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise Invalid("A day is written as 2026-01-31.")
    return day


@get(SEARCH, include_in_schema=False)
async def search_page(request: Asked, app: TheApp) -> Response[str]:
    """Who has the words in a name or a number, and what was said with all of them."""
    require(request.user, Right.SEE)
    given = dict(reversed(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)))
    asking, after = read_asking(given), inbox_view.read_place(given.get("after", ""))
    caller = request.user

    async def work(conn: Conn) -> dict[str, Any]:
        found = await searching.find(conn, caller, asking.wanted(caller.business), after, PAGE_SIZE)
        called = []
        if asking.words and after is None:
            called = await threads.threads(conn, caller, Filter.ALL, asking.words, None, PEOPLE + 1)
        waiting = await threads.count(conn, caller, Filter.UNREAD, "")
        return {
            "found": found,
            "called": called,
            "labels": await labels.names(conn, caller),
            "threads_waiting": waiting,
        }

    context = await app.db.run("search inbox", work)
    found: Found = context["found"]
    older = asking.link(after=inbox_view.write_place(*found.after)) if found.after else None
    context |= {
        "asking": asking, "view": inbox_view, "people": PEOPLE, "older": older, "first": after is None,
        "sources": [(one, inbox_words.SOURCES[one]) for one in Source], "signs": inbox_words.SIGNS,
        "pieces": {hit.id: search_rules.snippet(hit.body, asking.words) for hit in found.hits},
    }  # fmt: skip
    return pages.page(request, "inbox/search.html", context)


@get(PATH + "/said/{message_id:int}", include_in_schema=False)
async def show_said(request: Asked, app: TheApp, message_id: FromPath[int]) -> Redirect:
    """Leads to a message in its thread, with what was said around it."""
    require(request.user, Right.SEE)
    number = naming.number(str(message_id))
    if number is None:
        raise NotFound("There is no such message.")
    thread, before = await app.db.run("find message", lambda conn: searching.place_of(conn, request.user, number))
    query = f"?{urlencode({'before': inbox_view.write_place(*before)})}" if before else ""
    return Redirect(f"{PATH}/{thread}{query}#m{number}", status_code=303)


class FoundRow(msgspec.Struct, frozen=True):
    """A message that was found. ``snippet`` is what of it is shown, in pieces, of which some were looked for."""

    id: int
    conversation_id: int
    timestamp: datetime
    source: str
    name: str
    phone: str | None
    snippet: list[Piece]


class FoundPage(msgspec.Struct, frozen=True):
    """Messages, the newest first. ``after`` leads to the next page; it is null on the last."""

    messages: list[FoundRow]
    after: str | None


@get("/api/inbox/search", tags=["Inbox"])
async def search_api(  # noqa: PLR0917 - the parameters of the address
    request: Asked,
    app: TheApp,
    q: FromQuery[str],
    who: FromQuery[str | None] = None,
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
    label: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
) -> Ok[FoundPage]:
    """Messages that have all the words of ``q``, each by its beginning, the newest first.

    ``who`` is customer, bot, automation, human or system; ``since`` and ``until`` are days of the business, both
    included; ``label`` is the number of one on the thread. A message is found some seconds after it came. A page holds
    30; give its ``after`` to get the next. 400 for what means nothing.
    """
    require(request.user, Right.SEE)
    told = {"q": q, "who": who or "", "since": since or "", "until": until or "", "label": str(label or "")}
    asking, place = read_asking(told), inbox_view.read_place(after or "")
    wanted = asking.wanted(request.user.business)
    found = await app.db.run("search inbox", lambda conn: searching.find(conn, request.user, wanted, place, PAGE_SIZE))
    rows = [_row(hit, asking.words) for hit in found.hits]
    return ok(FoundPage(rows, inbox_view.write_place(*found.after) if found.after else None))


def _row(hit: Hit, words: str) -> FoundRow:
    pieces = search_rules.snippet(hit.body, words)
    return FoundRow(hit.id, hit.conversation_id, hit.said_at, hit.source, hit.name, hit.phone, pieces)


HANDLERS = [search_page, show_said, search_api]
