"""Canned answers: kept by who answers, filled for one thread at a time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.core import audit
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotFound, TooLarge
from tallybook.inbox import canned_rules
from tallybook.inbox.canned_rules import Filled, Kept, Line
from tallybook.inbox.store import canned as store
from tallybook.inbox.thread_types import Thread

__all__ = ["Filled", "Kept", "Ready", "add", "change", "found", "listed", "remove", "take_in", "values_of"]

AT_ONCE = 20  # answers that are offered at a time


class Ready(msgspec.Struct, frozen=True):
    """A canned answer, filled for one thread."""

    kept: Kept
    filled: Filled


async def listed(conn: Conn, caller: Caller) -> list[Kept]:
    """All of the caller's business, by shortcut. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.listed(conn, caller.business_id)


async def found(conn: Conn, caller: Caller, thread: Thread, search: str, language: str) -> list[Ready]:
    """Those that fit what was typed, at most 20, filled for a thread. Raises NotAllowed."""
    fits = canned_rules.found(await listed(conn, caller), search, language)[:AT_ONCE]
    values = values_of(caller, thread)
    return [Ready(one, canned_rules.filled(one.body, values)) for one in fits]


def values_of(caller: Caller, thread: Thread) -> dict[str, str | None]:
    """What stands in the places of an answer that the caller gives in a thread. Nobody is called by a number."""
    name = thread.name if thread.name != thread.phone else None
    return {
        "customer name": name,
        "first name": canned_rules.first_name(name),
        "customer phone": thread.phone,
        "my name": caller.name if caller.account_id is not None else None,
        "business": caller.business.name,
        "lead name": thread.lead_name,
    }


async def add(conn: Conn, caller: Caller, line: Line) -> int:
    """Keeps a new one; its number. Raises NotAllowed, Conflict for a shortcut that one has, TooLarge."""
    require(caller, Right.ANSWER)
    if len(await store.listed(conn, caller.business_id)) >= canned_rules.MOST_LINES:
        raise TooLarge("There are 2,000 canned answers already.", limit=canned_rules.MOST_LINES)
    number = await store.add(conn, caller.business_id, line)
    if number is None:
        raise Conflict("There is an answer of this shortcut already.")
    await _tell(conn, caller, "canned_answer.made", number, None, line)
    return number


async def change(conn: Conn, caller: Caller, number: int, line: Line) -> None:
    """Has one be another. Raises NotAllowed, NotFound, Conflict for a shortcut that another has."""
    require(caller, Right.ANSWER)
    before = await _held(conn, caller, number)
    was = Line(before.language, before.shortcut, before.body)
    if was == line:
        return
    if not await store.change(conn, caller.business_id, number, line):
        raise Conflict("There is an answer of this shortcut already.")
    await _tell(conn, caller, "canned_answer.changed", number, was, line)


async def remove(conn: Conn, caller: Caller, number: int) -> None:
    """Takes one away. Raises NotAllowed and NotFound."""
    require(caller, Right.ANSWER)
    before = await _held(conn, caller, number)
    await store.remove(conn, caller.business_id, number)
    was = Line(before.language, before.shortcut, before.body)
    await _tell(conn, caller, "canned_answer.removed", number, was, None)


async def take_in(conn: Conn, caller: Caller, lines: Sequence[Line]) -> tuple[int, int]:
    """Writes a list down: how many are new, and how many say something else now. The same list again changes nothing.

    Raises NotAllowed.
    """
    require(caller, Right.ANSWER)
    made, changed = await store.write(conn, caller.business_id, lines) if lines else ([], [])
    if made or changed:
        told = {"made": len(made), "changed": len(changed)}
        subject = ("canned_answer", "list")
        await audit.record_by(conn, caller, "canned_answers.imported", *subject, None, told)
    return len(made), len(changed)


async def _held(conn: Conn, caller: Caller, number: int) -> Kept:
    found_one = await store.one(conn, caller.business_id, number)
    if found_one is None:
        raise NotFound("There is no such answer.")
    return found_one


async def _tell(conn: Conn, caller: Caller, action: str, number: int, before: Line | None, after: Line | None) -> None:
    told = [msgspec.structs.asdict(one) if one else None for one in (before, after)]
    await audit.record_by(conn, caller, action, "canned_answer", str(number), *told)
