"""What a business answers by itself: a list looked at and written down, an answer taken out, a question tried."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotFound
from tallybook.inbox import responder
from tallybook.inbox.answer_types import Answer, Bot, Burst, Choice, Heard, Kept, Line, Mode
from tallybook.inbox.store import answers
from tallybook.inbox.store import faq as store

NEAREST = 3
Who: TypeAlias = tuple[str, int | None]  # by name, and by account
WHO: Who = ("command line", None)


class Change(msgspec.Struct, frozen=True):
    """An answer that would become another one, or be given again."""

    before: Kept
    answer: str


class Preview(msgspec.Struct, frozen=True):
    """What a list changes. ``known`` are the lines that are in the table already."""

    added: list[Line]
    changed: list[Change]
    known: int


class Imported(msgspec.Struct, frozen=True):
    """How many answers of a list were new, changed, and there already."""

    added: int
    changed: int
    known: int


class Near(msgspec.Struct, frozen=True):
    """A known question, and how like it the one that was tried is, from 0 to 1."""

    id: int
    question: str
    sure: float


class Tried(msgspec.Struct, frozen=True):
    """What the bot would do. ``answer`` is None where a person would be told; ``nearest`` begins with the likeliest."""

    reason: str
    answer: Answer | None
    sure: float
    nearest: list[Near]


async def listed(conn: Conn, business: Business) -> list[Kept]:
    """All answers of the business, by language and question."""
    return await store.listed(conn, business.id)


async def look(conn: Conn, business: Business, lines: Sequence[Line]) -> Preview:
    """What writing these lines down would change. Changes nothing."""
    return compared(await store.listed(conn, business.id), lines)


def compared(kept: Sequence[Kept], lines: Sequence[Line]) -> Preview:
    """What lines change in what is kept. Pure."""
    there = {(one.language, one.question): one for one in kept}
    pairs = [(line, there.get((line.language, line.question))) for line in lines]
    added = [line for line, before in pairs if before is None]
    changed = [
        Change(before, line.answer)
        for line, before in pairs
        if before is not None and (before.answer != line.answer or not before.active)
    ]
    return Preview(added, changed, len(lines) - len(added) - len(changed))


async def write(conn: Conn, business: Business, lines: Sequence[Line], who: Who = WHO) -> Imported:
    """Writes lines down, each with its place in the record. May be repeated, and run by several."""
    before = {change.before.id: change.before for change in (await look(conn, business, lines)).changed}
    added, changed = await store.write(conn, business.id, lines)
    now = {one.id: _told(one) for one in await store.listed(conn, business.id)}
    for action, numbers in (("answer.added", added), ("answer.changed", changed)):
        for number in numbers:
            was = _told(before[number]) if number in before else None
            await audit.record(conn, business.id, *who, action, "answer", str(number), was, now[number])
    return Imported(len(added), len(changed), len(lines) - len(added) - len(changed))


async def one(conn: Conn, business: Business, number: int) -> Kept:
    """One answer of the business. Raises NotFound."""
    kept = await store.one(conn, business.id, number)
    if kept is None:
        raise NotFound(f"There is no answer {number} here. See: tallybook inbox answers list")
    return kept


async def change(conn: Conn, business: Business, number: int, line: Line, who: Who, *, active: bool) -> None:
    """Has an answer be another one, or be given no more. Raises NotFound, Conflict where its question has an answer."""
    before = await one(conn, business, number)
    kept = Kept(number, line.language, line.question, line.answer, active)
    if kept == before:
        return
    if not await store.change(conn, business.id, kept):
        raise Conflict("This question has an answer already.")
    was, now = _told(before) | {"given": before.active}, _told(kept) | {"given": active}
    await audit.record(conn, business.id, *who, "answer.changed", "answer", str(number), was, now)


async def remove(conn: Conn, business: Business, shown: Kept, who: Who = WHO) -> None:
    """Takes out an answer that somebody was shown. Raises NotFound where it is gone."""
    kept = await one(conn, business, shown.id)
    await store.remove(conn, business.id, kept.id)
    await audit.record(conn, business.id, *who, "answer.removed", "answer", str(kept.id), _told(kept))


def _told(kept: Kept) -> dict[str, str | bool]:
    return {"language": kept.language, "question": kept.question, "answer": kept.answer}


async def tried(conn: Conn, business: Business, text: str, now: datetime) -> Tried:
    """What the bot would do in a new thread where it may answer. Writes and sends nothing."""
    heard = Heard(1, text, "text", now, now, late=False)
    burst = Burst(0, "", bot_active=True, messages=[heard], spoken_after=False, human_at=None)
    query = responder.query_of(text)
    language = responder.language_of(text)
    known = await answers.known(conn, business.id, language, query) if query else []
    decision = responder.decide(burst, Bot(Mode.AUTO), known, now)
    found = responder.surest(text, known) if decision.choice is Choice.ANSWERED else None
    asked = responder.words_of(text)
    near = [Near(one.id, one.question, responder.likeness(asked, responder.words_of(one.question))) for one in known]
    near.sort(key=lambda one: -one.sure)
    sure = next((one.sure for one in near if found is not None and one.id == found.id), 0.0)
    return Tried(decision.reason, found, sure, near[:NEAREST])
