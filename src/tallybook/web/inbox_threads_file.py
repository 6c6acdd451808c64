"""The list of threads as a file: exactly those that its filters show, in its order, for people and for programs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from litestar import get
from litestar.params import FromQuery
from litestar.response import Stream

from tallybook.app import App
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.marking import N_
from tallybook.core.table_files import MOST_ROWS, Rows, Table
from tallybook.inbox.service import labels, teams, threads
from tallybook.inbox.service.threads import Thread
from tallybook.inbox.store import teams as teams_store

from . import inbox_view, inbox_words, pages
from .downloads import download, kind_of
from .inbox import look
from .inbox_api import TAGS, THREADS, read_list
from .inbox_view import PATH, Query
from .needs import Asked, TheApp
from .times import Clock

# {zone} is by whose clocks.
HEAD = (
    N_("Thread"), N_("Name"), N_("Phone"), N_("Name as a lead"), N_("Newest message"), N_("Said by"),
    N_("Said at ({zone})"), N_("Unread"), N_("State"), N_("Assigned to"), N_("Team"), N_("Labels"),
)  # fmt: skip
OPEN, CLOSED, SNOOZED, BLOCKED = N_("Thread open"), N_("Thread closed"), N_("Thread snoozed"), N_("Customer blocked")
NAME, TITLE = "threads", N_("Threads")


@dataclass(frozen=True)
class Desk:
    """What the threads of a file name by number: people and teams, and what each of them has for labels."""

    people: Mapping[int, str]
    teams: Mapping[int, str]
    labels: Mapping[int, str]


@get([f"{PATH}/{NAME}.csv", f"{PATH}/{NAME}.xlsx"], include_in_schema=False)
async def export_threads(request: Asked, app: TheApp) -> Stream:
    """The list as the page's filters show it."""
    return await _file(request, app, look(request).query)


@get([f"{THREADS}.csv", f"{THREADS}.xlsx"], tags=TAGS)
async def get_threads_file(
    request: Asked,
    app: TheApp,
    *,
    show: FromQuery[str | None] = None,
    q: FromQuery[str | None] = None,
    team: FromQuery[int | None] = None,
    label: FromQuery[int | None] = None,
) -> Stream:
    """All threads of such a list as a file, with the same filters, in the caller's language.

    Times are by the clocks of the business, which its heading names. 413 for more than two million rows (500,000 of
    XLSX), 429 while two files are being made.
    """
    require(request.user, Right.SEE)
    return await _file(request, app, read_list(show, q, team, label))


async def _file(request: Asked, app: App, query: Query) -> Stream:
    kind, clock = kind_of(request.scope["path"]), pages.clock_of(request)
    most = MOST_ROWS[kind] + 1
    return await download(app, kind, NAME, lambda conn: _table(conn, request.user, query, clock, most))


def _table(conn: Conn, caller: Caller, query: Query, clock: Clock, most: int) -> Table:
    return Table(clock.words.gettext(TITLE), heading(clock), _batches(conn, caller, query, clock, most))


def heading(clock: Clock) -> list[str]:
    """The names of the columns, in the reader's language."""
    return [clock.words.gettext(one).replace("{zone}", clock.business.time_zone) for one in HEAD]


async def _batches(conn: Conn, caller: Caller, query: Query, clock: Clock, most: int) -> AsyncGenerator[Rows, None]:
    async with aclosing(threads.exported(conn, caller, query.asked, query.search, most)) as batches:
        async for found in batches:
            desk = await _desk(conn, caller, found)
            yield [cells(one, desk, clock) for one in found]


async def _desk(conn: Conn, caller: Caller, found: list[Thread]) -> Desk:
    put = await labels.on(conn, caller, [one.id for one in found])
    return Desk(
        {one.account_id: one.name for one in await teams.members(conn, caller)},
        dict(await teams_store.names(conn, caller.business_id)),
        {number: ", ".join(one.name for one in some) for number, some in put.items()},
    )


def cells(thread: Thread, desk: Desk, clock: Clock) -> list[object]:
    """A thread as a row of a spreadsheet. Pure."""
    say, source = clock.words.gettext, inbox_words.SOURCES.get(thread.last_source)
    return [
        thread.id, inbox_view.name_of(thread, clock), thread.phone, thread.lead_name,
        inbox_view.last_words(thread, clock), source and say(source),
        _wall(thread.last_message_at, clock), thread.unread, say(_state(thread)),
        desk.people.get(thread.assigned_to or 0), desk.teams.get(thread.team_id or 0), desk.labels.get(thread.id),
    ]  # fmt: skip


def _wall(at: datetime | None, clock: Clock) -> datetime | None:
    return at and at.astimezone(clock.business.zone).replace(tzinfo=None, microsecond=0)


def _state(thread: Thread) -> str:
    if thread.is_blocked:
        return BLOCKED
    if thread.snoozed_until is not None:
        return SNOOZED
    return OPEN if thread.is_open else CLOSED


HANDLERS = [export_threads, get_threads_file]
