"""What is decided in Slack: a request, a decision, a change of the rota. Each through its service, or not at all.

A form that shows a change first is decided only by the same form sent in again, as it was shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import msgspec

from tallybook.channels.slack.requests import Kind, Request
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.triage.blocks import submitted
from tallybook.triage.blocks.names import Act, Choice, Held, View, held_of
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.blocks.submitted import Errors
from tallybook.triage.service import overrides
from tallybook.triage.service.doing import because
from tallybook.triage.service.schedules import Schedules

from . import looks
from .clicks import Click, Outcome, needed
from .orders_admin import discipline, join, leave, roster, sprint, sprint_removed, use

Order: TypeAlias = Callable[[Conn, Click, Seen], Awaitable[Outcome | None]]


async def _cover(conn: Conn, click: Click, seen: Seen) -> Outcome | None:
    wanted = submitted.cover(click.values, click.held_by_view, click.now, seen.locale)
    if isinstance(wanted, Errors):
        return Outcome(errors=wanted.by_block)
    asked = (conn, click.actor, seen.team.id)
    if wanted.part.person is None:
        await overrides.unassign(*asked, wanted.part, click.now, key=click.key, reason=wanted.reason)
        return None
    if wanted.exchange is not None:
        parts = (wanted.part, wanted.exchange)
        group = [*await overrides.request_swap(*asked, parts, click.now, key=click.key, reason=wanted.reason)]
    else:
        group = [await overrides.request(*asked, wanted.part, click.now, key=click.key, reason=wanted.reason)]
    if wanted.at_once:
        await overrides.approve(conn, click.actor, group[0].id, click.now)
    return None


async def _note(conn: Conn, click: Click, seen: Seen) -> Outcome | None:
    held = click.held_by_view
    said = submitted.note(click.values, seen.locale)
    if isinstance(said, Errors):
        return Outcome(errors=said.by_block)
    if held.choice is None:
        raise Invalid("This view is none of ours.")
    decide = overrides.decline if held.choice is Choice.DECLINE else overrides.withdraw
    await decide(conn, click.actor, held.number, click.now, note=said)
    return None


async def _approve(conn: Conn, click: Click, seen: Seen) -> Outcome | None:  # noqa: ARG001 - as every order
    await overrides.approve(conn, click.actor, click.held.number, click.now)
    return None


# What each does, and what is shown when it is done.
SUBMISSIONS: Mapping[View, tuple[Order, View]] = {
    View.COVER: (_cover, View.REQUESTS),
    View.NOTE: (_note, View.REQUESTS),
    View.SPRINT: (sprint, View.SPRINTS),
    View.SPRINT_REMOVE: (sprint_removed, View.SPRINTS),
    View.DISCIPLINE: (discipline, View.DISCIPLINES),
    View.USE: (use, View.DISCIPLINES),
    View.ROSTER: (roster, View.DISCIPLINES),
    View.JOIN: (join, View.PEOPLE),
    View.LEAVE: (leave, View.PEOPLE),
}
SHOWN_FIRST = frozenset({View.SPRINT, View.ROSTER, View.USE, View.JOIN, View.LEAVE})


def is_order(request: Request) -> bool:
    """Whether something may follow from it, so that it must not be lost. Pure."""
    if request.kind is Kind.ACTION:
        return request.name == Act.APPROVE
    if request.kind is not Kind.SUBMISSION or request.name not in set(SUBMISSIONS):
        return False
    return request.name not in SHOWN_FIRST or bool(_carried(request).shown)


def _carried(request: Request) -> Held:
    view = msgspec.json.decode(request.payload).get("view")
    try:
        return held_of(view.get("private_metadata") if isinstance(view, dict) else None)
    except Invalid:
        return Held(0)


async def obey(conn: Conn, schedules: Schedules, click: Click) -> Outcome:
    """Does it in the caller's transaction. Raises whatever the service says of it, and Invalid."""
    is_press = click.request.kind is Kind.ACTION
    order, then = (_approve, View.REQUESTS) if is_press else SUBMISSIONS[View(click.request.name)]
    if not is_press:
        click = msgspec.structs.replace(click, actor=because(click.actor, submitted.why(click.values)))
    seen = await needed(conn, schedules, click, click.held.team)
    outcome = await order(conn, click, seen)
    if outcome is not None:
        return outcome
    # The facts are others now, and may yet not be: what is made of them is not kept beyond this transaction.
    seen = await needed(conn, Schedules(), click, seen.team.id)
    return Outcome(view=await looks.shown(conn, click, seen, then, Held(seen.team.id)), is_order=True)
