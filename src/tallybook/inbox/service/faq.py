"""What a business answers by itself: a list looked at and written down, an answer taken out, a question tried."""

from __future__ import annotations

import hashlib
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
USUAL_LOSS = 0.2  # of what is given; more is asked about again
Who: TypeAlias = tuple[str, int | None]  # by name, and by account
WHO: Who = ("command line", None)


class Change(msgspec.Struct, frozen=True):
    """An answer that would become another one, or be given again."""

    before: Kept
    answer: str


class Preview(msgspec.Struct, frozen=True):
    """What a list changes. ``known`` are the lines that are in the table already.

    ``withdrawn`` are the answers that would be given no more; ``given`` is how many are now, in the list's languages.
    """

    added: list[Line]
    changed: list[Change]
    known: int
    withdrawn: list[Kept] = []
    given: int = 0

    @property
    def changes(self) -> int:
        """How many answers would be other ones."""
        return len(self.added) + len(self.changed) + len(self.withdrawn)

    @property
    def is_much(self) -> bool:
        """Whether so many would be withdrawn that it is asked about again."""
        return len(self.withdrawn) > USUAL_LOSS * self.given

    @property
    def mark(self) -> str:
        """Another one for each change that somebody could be shown."""
        shown = msgspec.json.encode((self.added, self.changed, self.withdrawn))
        return hashlib.sha256(shown).hexdigest()


class Order(msgspec.Struct, frozen=True):
    """A list as somebody gives it. ``withdraws``: what it lacks, in its languages, is given no more.

    ``over``: it is meant to withdraw more than a fifth. ``mark`` is that of the preview that was shown, None where the
    list is written whatever it changes.
    """

    lines: Sequence[Line]
    withdraws: bool = False
    over: bool = False
    mark: str | None = None


class Imported(msgspec.Struct, frozen=True):
    """How many answers of a list were new, changed, there already, and withdrawn by it; or would be, if not applied."""

    added: int
    changed: int
    known: int
    withdrawn: int = 0
    applied: bool = True


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


def found(kept: Sequence[Kept], words: str) -> list[Kept]:
    """Those of which the question or the answer holds these words, in whatever case. Pure."""
    return [one for one in kept if words.casefold() in f"{one.question} {one.answer}".casefold()]


async def look(conn: Conn, business: Business, lines: Sequence[Line], *, withdraws: bool = False) -> Preview:
    """What writing these lines down would change. Changes nothing."""
    return compared(await store.listed(conn, business.id), lines, withdraws=withdraws)


def compared(kept: Sequence[Kept], lines: Sequence[Line], *, withdraws: bool = False) -> Preview:
    """What lines change in what is kept. Of a language in which they say nothing, nothing is withdrawn. Pure."""
    there = {(one.language, one.question): one for one in kept}
    pairs = [(line, there.get((line.language, line.question))) for line in lines]
    added = [line for line, before in pairs if before is None]
    changed = [
        Change(before, line.answer)
        for line, before in pairs
        if before is not None and (before.answer != line.answer or not before.active)
    ]
    asked, languages = {(line.language, line.question) for line in lines}, {line.language for line in lines}
    given = [one for one in kept if one.active and one.language in languages]
    lacks = [one for one in given if (one.language, one.question) not in asked] if withdraws else []
    return Preview(added, changed, len(lines) - len(added) - len(changed), lacks, len(given))


async def write(conn: Conn, business: Business, order: Order, who: Who = WHO) -> Imported:
    """Writes a list down, each answer with its place in the record. May be repeated, and run by several.

    Raises Conflict where more than a fifth would be withdrawn and that is not said to be meant, and where the list
    changes something else by now than what was shown.
    """
    await store.take_turn(conn, business.id)
    preview = await look(conn, business, order.lines, withdraws=order.withdraws)
    if not preview.changes:
        return Imported(0, 0, preview.known)
    if order.mark is not None and order.mark != preview.mark:
        raise Conflict("The answers were changed meanwhile. This is what the list would change now.")
    if preview.is_much and not order.over:
        raise Conflict("More than a fifth of the answers would be given no more. Say that it is meant.")
    before = {change.before.id: change.before for change in preview.changed}
    before |= {one.id: one for one in preview.withdrawn}
    added, changed = await store.write(conn, business.id, order.lines)
    withdrawn = await store.withdraw(conn, business.id, [one.id for one in preview.withdrawn])
    now = {one.id: _told(one) for one in await store.listed(conn, business.id)}
    for action, numbers in (("added", added), ("changed", changed), ("withdrawn", withdrawn)):
        for number in numbers:
            was = _told(before[number]) if number in before else None
            await audit.record(conn, business.id, *who, f"answer.{action}", "answer", str(number), was, now[number])
    return Imported(len(added), len(changed), preview.known, len(withdrawn))


async def add(conn: Conn, business: Business, line: Line, who: Who) -> None:
    """Writes one answer down. Raises Conflict where its question has one already, given or not."""
    await store.take_turn(conn, business.id)
    if not (await look(conn, business, [line])).added:
        raise Conflict("This question has an answer already.")
    await write(conn, business, Order([line]), who)


async def one(conn: Conn, business: Business, number: int) -> Kept:
    """One answer of the business. Raises NotFound."""
    kept = await store.one(conn, business.id, number)
    if kept is None:
        raise NotFound(f"There is no answer {number} here. See: tallybook inbox answers list")
    return kept


async def change(conn: Conn, business: Business, number: int, line: Line, who: Who, *, active: bool) -> None:
    """Has an answer be another one, or be given no more. Raises NotFound, Conflict where its question has an answer."""
    await store.take_turn(conn, business.id)
    before = await one(conn, business, number)
    kept = Kept(number, line.language, line.question, line.answer, active)
    if kept == before:
        return
    if not await store.change(conn, business.id, kept):
        raise Conflict("This question has an answer already.")
    was, now = _told(before) | {"given": before.active}, _told(kept) | {"given": active}
    await audit.record(conn, business.id, *who, "answer.changed", "answer", str(number), was, now)


async def remove(conn: Conn, business: Business, number: int, who: Who = WHO) -> None:
    """Takes an answer out. Raises NotFound where it is gone."""
    await store.take_turn(conn, business.id)
    kept = await one(conn, business, number)
    await store.remove(conn, business.id, kept.id)
    await audit.record(conn, business.id, *who, "answer.removed", "answer", str(kept.id), _told(kept))


def _told(kept: Kept) -> dict[str, str | bool]:
    return {"language": kept.language, "question": kept.question, "answer": kept.answer}


async def tried(conn: Conn, business: Business, text: str, now: datetime) -> Tried:
    """What the bot would do in a new thread where it may answer. Writes and sends nothing."""
    heard = Heard(1, text, "text", now, now, late=False)
    burst = Burst(0, "", bot_active=True, messages=[heard], spoken_after=False, human_at=None)
    sought = responder.sought(text)
    known = await answers.known(conn, business.id, sought) if sought else []
    decision = responder.decide(burst, Bot(Mode.AUTO), known, now)
    found = responder.surest(text, known) if decision.choice is Choice.ANSWERED else None
    asked = responder.words_of(text)
    near = [Near(one.id, one.question, responder.likeness(asked, responder.words_of(one.question))) for one in known]
    near.sort(key=lambda one: -one.sure)
    sure = next((one.sure for one in near if found is not None and one.id == found.id), 0.0)
    return Tried(decision.reason, found, sure, near[:NEAREST])
