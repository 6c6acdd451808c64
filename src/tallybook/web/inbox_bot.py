"""The bot's pages: how customers' messages ended and how soon, each decision, and what is not known yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get

from tallybook.app import App
from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.numbers import number_in
from tallybook.inbox.answer_types import TARGET, BoardDay, Choice, Listed
from tallybook.inbox.service import bot_board
from tallybook.inbox.service.bot_board import Board, Sought, period_of

from . import inbox_bot_words, inbox_view, pages
from .inbox_bot_view import bot_of
from .inbox_bot_words import PERIODS
from .inbox_view import PATH
from .needs import Asked, TheApp
from .times import Clock

BOT = f"{PATH}/bot"
DECISIONS = f"{BOT}/decisions"
USUAL = 7  # days
PAGE_SIZE = 50
SECONDS_SHOWN = 120  # from here a time is told in minutes
SHOWN = (Choice.ANSWERED, Choice.DRAFTED, Choice.HANDED_OVER, Choice.SUPPRESSED, Choice.WITHDRAWN)


@dataclass(frozen=True)
class Query:
    """What is asked for, as it stands in the address."""

    days: int = USUAL
    decision: Choice | None = None

    def link(self, path: str = BOT, **more: object) -> str:
        """An address with these filters, without what is the default."""
        given: dict[str, object] = {"days": self.days, "show": self.decision} | more
        if given.get("days") == USUAL:
            del given["days"]
        kept = {name: str(value) for name, value in given.items() if value}
        return f"{path}?{urlencode(kept)}" if kept else path


def read_query(given: Mapping[str, str]) -> Query:
    """What means nothing counts as not said. Pure."""
    days = next((one for one in PERIODS if str(one) == given.get("days")), USUAL)
    return Query(days, next((one for one in SHOWN if one == given.get("show")), None))


def percent(part: float | None, clock: Clock) -> str:
    """A part of one in hundredths; a dash where there is none."""
    return "–" if part is None else f"{clock.number(round(part * 100, 1))}%"


def lasted(waited: timedelta | None, clock: Clock) -> str:
    """How long something took, in seconds, or in minutes where that is two or more."""
    if waited is None:
        return "–"
    seconds = max(round(waited.total_seconds()), 0)
    say = clock.words.gettext
    if seconds < SECONDS_SHOWN:
        return say(inbox_bot_words.SECONDS).replace("{n}", clock.number(seconds))
    return say(inbox_bot_words.MINUTES).replace("{n}", clock.number(round(seconds / 60)))


@get(BOT, include_in_schema=False)
async def bot_page(request: Asked, app: TheApp) -> Response[str]:
    """How bursts ended in a period, day by day, why, and what nobody knew."""
    require(request.user, Right.SEE)
    query, clock = read_query(request.query_params), pages.clock_of(request)

    async def work(conn: Conn) -> tuple[Board, BoardDay, dict[str, Any]]:
        period = period_of(request.user.business, clock.now, query.days)
        metric = await bot_board.last_day(conn, request.user.business, clock.now)
        return await bot_board.board(conn, request.user, period), metric, await frame(conn, app, request)

    board, metric, context = await app.db.run("show bot", work)
    reasons = [(one, inbox_bot_words.why(one.reason, clock.words)) for one in board.reasons]
    context |= {"query": query, "board": board, "reasons": reasons, "percent": percent, "lasted": lasted}
    context |= {"target": TARGET, "metric": metric}
    return pages.page(request, "inbox/bot.html", context)


@get(DECISIONS, include_in_schema=False)
async def decisions_page(request: Asked, app: TheApp) -> Response[str]:
    """Each decision of a period, with the thread in which it was made."""
    require(request.user, Right.SEE)
    query, clock = read_query(request.query_params), pages.clock_of(request)
    sought = Sought(query.decision, read_after(request.query_params.get("after", "")), PAGE_SIZE + 1)

    async def work(conn: Conn) -> tuple[list[Listed], dict[str, Any]]:
        period = period_of(request.user.business, clock.now, query.days)
        return await bot_board.listed(conn, request.user, period, sought), await frame(conn, app, request)

    found, context = await app.db.run("list decisions", work)
    rows = found[:PAGE_SIZE]
    more = query.link(DECISIONS, after=write_after(rows[-1])) if len(found) > PAGE_SIZE else None
    drawn = [(one, inbox_bot_words.why(one.reason, clock.words)) for one in rows]
    context |= {"query": query, "rows": drawn, "more": more, "lasted": lasted, "path": DECISIONS}
    return pages.page(request, "inbox/bot_decisions.html", context)


def write_after(row: Listed) -> str:
    """Where a page of decisions ended."""
    return f"{inbox_view.write_place(row.at, row.conversation_id)}~{row.seq}"


def read_after(text: str) -> tuple[datetime, int, int] | None:
    """The place that write_after() wrote; None for none. Raises Invalid for anything else."""
    if not text:
        return None
    first, _, digits = text.rpartition("~")
    place, seq = inbox_view.read_place(first), number_in(digits)
    if place is None or seq is None:
        raise Invalid("This place in the thread is not one of ours. Open the thread again.")
    return place[0].astimezone(UTC), place[1], seq


async def frame(conn: Conn, app: App, request: Asked) -> dict[str, Any]:
    """What stands on each of the bot's pages."""
    bot = await bot_of(conn, app, request.user.business)
    return {
        "bot": bot, "words": inbox_bot_words, "periods": PERIODS, "shown": SHOWN,
        "with_model": bot.model is not None and app.settings.llm_api_url is not None,
        "may_lead": may(request.user, Right.LEAD), "here_is": request.scope["path"],
    }  # fmt: skip


HANDLERS = [bot_page, decisions_page]
