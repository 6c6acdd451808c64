"""The bot's board: how customers' messages ended, why, how long they waited, and what is not known yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import msgspec
from prometheus_client import Gauge

from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.inbox import responder
from tallybook.inbox.answer_types import BoardDay, Choice, Listed, Unknown, Waits, Why
from tallybook.inbox.store import answers
from tallybook.inbox.store import bot_board as store
from tallybook.inbox.store.bot_board import Period, Sought

__all__ = ["Board", "Period", "Question", "Sought", "board", "last_day", "listed", "period_of", "show"]

REASONS = 30
COUNTED = (Choice.ANSWERED, Choice.DRAFTED, Choice.HANDED_OVER, Choice.SUPPRESSED)
LOOKED_THROUGH = 200  # unanswered questions, the newest
ASKED_ALIKE = 40  # different ones of them that are held against each other
QUESTIONS = 20
LONGEST_QUESTION = 500  # letters, as an answer's question may have
DAY = timedelta(days=1)

response_rate = Gauge(
    "tallybook_reply_rate", "The part of a day's bursts that the bot answered or drafted, silence left out.",
    ["business"],
)  # fmt: skip


class Question(msgspec.Struct, frozen=True):
    """What several customers asked, in the words of the last of them."""

    text: str
    language: str
    count: int
    conversation_id: int
    at: datetime


@dataclass(frozen=True)
class Board:
    """What the page shows of a period. ``whole`` is of all its days."""

    days: list[BoardDay]
    whole: BoardDay
    reasons: list[Why]
    questions: list[Question]


def period_of(business: Business, now: datetime, days: int) -> Period:
    """So many days of a business, today the last. Pure."""
    today = now.astimezone(business.zone).date()
    each = [today - timedelta(days=number) for number in range(days)]
    return Period({datetime.combine(one, time(), business.zone): one for one in each}, now + DAY)


async def board(conn: Conn, caller: Caller, period: Period) -> Board:
    """Everything of a period. Raises NotAllowed."""
    require(caller, Right.SEE)
    waits = await store.days(conn, caller.business_id, period)
    days = sorted({one.day for one in waits}, reverse=True)
    unknown = await store.unknown(conn, caller.business_id, period, LOOKED_THROUGH, LONGEST_QUESTION)
    return Board(
        [summed(day, [one for one in waits if one.day == day]) for day in days],
        summed(None, waits),
        await store.reasons(conn, caller.business_id, period, REASONS),
        await _still_unknown(conn, caller.business_id, grouped(unknown)),
    )


async def last_day(conn: Conn, business: Business, now: datetime) -> BoardDay:
    """How the bursts of the last 24 hours ended."""
    since = now - DAY
    waits = await store.days(conn, business.id, Period({since: since.date()}, now + DAY))
    return summed(None, waits)


def show(ends: Mapping[str, BoardDay]) -> None:
    """Sets the gauge, by the names of businesses. One in whose day the bot was never to answer has none."""
    response_rate.clear()
    for name, one in ends.items():
        if one.rate is not None:
            response_rate.labels(name).set(one.rate)


def summed(day: date | None, waits: Sequence[Waits]) -> BoardDay:
    """How the bursts of a day ended, or of all days. Pure."""
    answered, drafted, handed_over, suppressed = (
        sum(one.count for one in waits if one.decision == choice) for choice in COUNTED
    )
    bursts = answered + drafted + handed_over + suppressed
    spoken = sorted(
        (one.waited, one.count) for one in waits if one.waited is not None and one.decision != Choice.SUPPRESSED
    )
    median, p95 = within(spoken, 0.5), within(spoken, 0.95)
    return BoardDay(day, bursts, answered, drafted, handed_over, suppressed, median, p95)


def within(waits: Sequence[tuple[int, int]], part: float) -> timedelta | None:
    """Within which time this part of them ended; ``waits`` are seconds and how many, in order. Pure."""
    wanted, seen = part * sum(count for _, count in waits), 0
    for seconds, count in waits:
        seen += count
        if seen >= wanted:
            return timedelta(seconds=seconds)
    return None


async def _still_unknown(conn: Conn, business_id: int, questions: Sequence[Question]) -> list[Question]:
    """Those to which no answer was written down since."""
    left: list[Question] = []
    for one in questions:
        sought = responder.sought(one.text)
        known = await answers.known(conn, business_id, sought) if sought else []
        if responder.surest(one.text, known) is None:
            left.append(one)
        if len(left) == QUESTIONS:
            break
    return left


def grouped(unknown: Sequence[Unknown]) -> list[Question]:
    """Questions that ask the same, the commonest first. Pure. What says nothing is no question."""
    same: dict[frozenset[str], list[Unknown]] = {}
    for one in unknown:
        asked = frozenset(responder.words_of(one.text))
        if asked:
            same.setdefault(asked, []).append(one)
    groups: list[tuple[frozenset[str], list[Unknown]]] = []
    for asked, some in list(same.items())[:ASKED_ALIKE]:
        near = next(
            (group for words, group in groups if responder.likeness([*asked], [*words]) >= responder.SURE), None
        )
        if near is None:
            groups.append((asked, list(some)))
        else:
            near.extend(some)
    found = [
        Question(some[0].text, responder.language_of(some[0].text), len(some), some[0].conversation_id, some[0].at)
        for _, some in groups
    ]
    return sorted(found, key=lambda one: (-one.count, -one.at.timestamp()))


async def listed(conn: Conn, caller: Caller, period: Period, sought: Sought) -> list[Listed]:
    """Decisions, the newest first. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.listed(conn, caller.business_id, period, sought)
