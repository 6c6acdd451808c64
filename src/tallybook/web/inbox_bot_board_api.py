"""How the bot did, for programs: how customers' messages ended, why and how soon, and each decision."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
from litestar import get
from litestar.params import FromQuery

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.inbox.answer_types import TARGET, BoardDay, Choice, Listed, Mode, Why
from tallybook.inbox.service import bot_board
from tallybook.inbox.service.bot_board import Board, Question, Sought, period_of

from .answers import Ok, ok
from .inbox_api import TAGS
from .inbox_bot import PAGE_SIZE, SHOWN, USUAL, read_after, write_after
from .inbox_bot_view import bot_of
from .inbox_bot_words import PERIODS
from .needs import Asked, TheApp

PATH = "/api/inbox/bot"


class EndsRow(msgspec.Struct, frozen=True):
    """How the bursts of customers' messages of a day ended; ``day`` null is of the whole period.

    ``asked`` are those on which the bot was not to keep silent. ``rate`` is the part of them that it answered or
    drafted, from 0 to 1, null where there were none; ``reached`` whether it is over the target. ``median`` and ``p95``
    are the seconds within which half and 95 of 100 of them were decided.
    """

    day: date | None
    bursts: int
    asked: int
    answered: int
    drafted: int
    handed_over: int
    suppressed: int
    rate: float | None
    reached: bool | None
    median: float | None
    p95: float | None


class BoardRow(msgspec.Struct, frozen=True):
    """A period. ``mode`` is the business's: off, draft or auto. ``days`` begins with the newest that has any.

    ``target`` is what the rate is to be over. ``last_day`` are the last 24 hours, which the metric
    ``tallybook_reply_rate`` tells too.
    ``reasons`` are the 30 commonest for a person, silence or an answer taken back; ``questions`` the 20 commonest to
    which no answer is known yet.
    """

    mode: Mode
    target: float
    last_day: EndsRow
    whole: EndsRow
    days: list[EndsRow]
    reasons: list[Why]
    questions: list[Question]


class DecisionsPage(msgspec.Struct, frozen=True):
    """Decisions, the newest first. ``after`` leads to the older ones; it is null on the last page.

    ``seq`` is the place of a burst's last message in its thread, ``asked_at`` when its first one was seen.
    """

    decisions: list[Listed]
    after: str | None


@get(PATH, tags=TAGS)
async def bot_board_of(request: Asked, app: TheApp, days: FromQuery[int] = USUAL) -> Ok[BoardRow]:
    """How the bot did in the last 1, 7, 30 or 90 ``days`` of the business, today with them."""
    require(request.user, Right.SEE)
    _known(days)

    now, business = datetime.now(UTC), request.user.business

    async def work(conn: Conn) -> tuple[Board, BoardDay, Mode]:
        board = await bot_board.board(conn, request.user, period_of(business, now, days))
        return board, await bot_board.last_day(conn, business, now), (await bot_of(conn, app, business)).mode

    board, last_day, mode = await app.db.run("show bot", work)
    rows = [_ends(one) for one in board.days]
    whole = _ends(board.whole)
    return ok(BoardRow(mode, TARGET / 100, _ends(last_day), whole, rows, board.reasons, board.questions))


@get(f"{PATH}/decisions", tags=TAGS)
async def list_decisions(
    request: Asked, app: TheApp, days: FromQuery[int] = USUAL, show: FromQuery[str] = "", after: FromQuery[str] = ""
) -> Ok[DecisionsPage]:
    """Each decision of the last 1, 7, 30 or 90 ``days`` in whatever thread, 50 at a time.

    ``show`` is answered, drafted, handed_over, suppressed or withdrawn, empty for all; ``after`` is a page's.
    """
    require(request.user, Right.SEE)
    _known(days)
    if show and show not in SHOWN:
        raise Invalid("There is no such decision.", decisions=list(SHOWN))
    sought = Sought(Choice(show) if show else None, read_after(after), PAGE_SIZE + 1)

    async def work(conn: Conn) -> list[Listed]:
        period = period_of(request.user.business, datetime.now(UTC), days)
        return await bot_board.listed(conn, request.user, period, sought)

    found = await app.db.run("list decisions", work)
    rows = found[:PAGE_SIZE]
    return ok(DecisionsPage(rows, write_after(rows[-1]) if len(found) > PAGE_SIZE else None))


def _known(days: int) -> None:
    """Raises Invalid for a period that the page does not have either."""
    if days not in PERIODS:
        raise Invalid("There is no such period.", days=list(PERIODS))


def _ends(one: BoardDay) -> EndsRow:
    return EndsRow(
        one.day,
        one.bursts,
        one.asked,
        one.answered,
        one.drafted,
        one.handed_over,
        one.suppressed,
        one.rate,
        one.reached,
        _seconds(one.median),
        _seconds(one.p95),
    )


def _seconds(lasted: timedelta | None) -> float | None:
    return None if lasted is None else lasted.total_seconds()


HANDLERS = [bot_board_of, list_decisions]
