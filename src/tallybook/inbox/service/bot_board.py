"""The bot's board: how customers' messages ended, why, how long they waited, and what is not known yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.inbox import responder
from tallybook.inbox.answer_types import BoardDay, Listed, Unknown, Why
from tallybook.inbox.store import answers
from tallybook.inbox.store import bot_board as store
from tallybook.inbox.store.bot_board import Period, Sought

__all__ = ["Board", "Period", "Question", "Sought", "board", "listed", "period_of"]

REASONS = 30
LOOKED_THROUGH = 200  # unanswered questions, the newest
ASKED_ALIKE = 40  # different ones of them that are held against each other
QUESTIONS = 20
LONGEST_QUESTION = 500  # letters, as an answer's question may have


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
    first = datetime.combine(today - timedelta(days=days - 1), time(), business.zone)
    return Period(first, now + timedelta(days=1), business.time_zone)


async def board(conn: Conn, caller: Caller, period: Period) -> Board:
    """Everything of a period. Raises NotAllowed."""
    require(caller, Right.SEE)
    *days, whole = await store.days(conn, caller.business_id, period)
    unknown = await store.unknown(conn, caller.business_id, period, LOOKED_THROUGH, LONGEST_QUESTION)
    return Board(
        days,
        whole,
        await store.reasons(conn, caller.business_id, period, REASONS),
        await _still_unknown(conn, caller.business_id, grouped(unknown)),
    )


async def _still_unknown(conn: Conn, business_id: int, questions: Sequence[Question]) -> list[Question]:
    """Those to which no answer was written down since."""
    left: list[Question] = []
    for one in questions:
        query = responder.query_of(one.text)
        known = await answers.known(conn, business_id, one.language, query) if query else []
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
