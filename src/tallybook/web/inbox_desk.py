"""What the inbox's pages show of who works on what: assignments, labels and notes, beside what is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tallybook.core.callers import Caller, Right, may
from tallybook.core.db import Conn
from tallybook.inbox.desk_types import Assignment, Note
from tallybook.inbox.service import assigning, blocking, labels, notes, teams
from tallybook.inbox.service.threads import Bubble, Thread
from tallybook.inbox.store import teams as teams_store

from . import inbox_lead_view
from .inbox_view import BUBBLES

if TYPE_CHECKING:
    from .inbox import Look


@dataclass
class Asides:
    """What stands between messages: before each, by its number, and (``last``) behind the newest."""

    before: dict[int, list[Note | Assignment]] = field(default_factory=dict)
    last: list[Note | Assignment] = field(default_factory=list)


def moment_of(aside: Note | Assignment) -> datetime:
    return aside.written_at if isinstance(aside, Note) else aside.at


def between(shown: Sequence[Bubble], found: Sequence[Note | Assignment]) -> Asides:
    """Each where it belongs in time: before the first message that was said after it. Pure."""
    asides, rest = Asides(), sorted(found, key=moment_of)
    for bubble in shown:
        while rest and moment_of(rest[0]) <= bubble.said_at:
            asides.before.setdefault(bubble.id, []).append(rest.pop(0))
    asides.last = rest
    return asides


async def of_list(conn: Conn, caller: Caller, rows: Sequence[Thread]) -> dict[str, Any]:
    """The labels of listed threads, what can be chosen from, and where the caller is named and has not looked."""
    return {
        "labels_on": await labels.on(conn, caller, [one.id for one in rows]),
        "all_labels": await labels.names(conn, caller),
        "all_teams": await teams_store.names(conn, caller.business_id),
        "mentions": await notes.unseen(conn, caller),
    }


LOOKS = frozenset({None, "thread", "read"})  # the parts of a page by which somebody looks at a thread


async def of_thread(
    conn: Conn, asked: Look, thread: Thread, shown: Sequence[Bubble], before: datetime | None
) -> dict[str, Any]:
    """Whose it is, what stands on it, and what was noted and done while what is ``shown`` was said, until ``before``.

    Longer ago than the first of ``shown`` where that is the first of all.
    """
    caller = asked.caller
    people = await teams.members(conn, caller)
    all_teams = await teams_store.names(conn, caller.business_id)
    times = (shown[0].said_at if len(shown) >= BUBBLES else None, before)
    found = [*await notes.between(conn, caller, thread.id, times)]
    if asked.part in LOOKS:
        await notes.see(conn, caller, thread.id)
    return {
        "asides": between(shown, [*found, *await assigning.history(conn, caller, thread.id, times)]),
        "people": people,
        "assignee": next((one.name for one in people if one.account_id == thread.assigned_to), ""),
        "team_name": next((name for number, name in all_teams if number == thread.team_id), ""),
        "all_teams": all_teams,
        "all_labels": await labels.names(conn, caller),
        "own_labels": (await labels.on(conn, caller, [thread.id])).get(thread.id, []),
        "note_key": uuid4().hex,
        **await inbox_lead_view.of_thread(conn, caller, thread.id, asked.clock),
        "blocked": await blocking.blocked(conn, caller, thread.id),
        "may_answer": may(caller, Right.ANSWER),
    }
