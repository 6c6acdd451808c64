"""What is shown in Slack for a command, a button or a choice. Reads, and writes down whose home shows which team."""

from __future__ import annotations

import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.triage.blocks import requests, schedule, sprints
from tallybook.triage.blocks.changes import Shown
from tallybook.triage.blocks.limits import Block
from tallybook.triage.blocks.names import Act, Choice, Held, View
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.rules_overrides import Asked, State
from tallybook.triage.service import sprints as sprint_service
from tallybook.triage.service.doing import require_lead
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import homes as home_store
from tallybook.triage.store import overrides as store

from . import views
from .clicks import Click, Outcome, needed
from .homes import home_of


async def look(conn: Conn, schedules: Schedules, click: Click) -> Outcome:
    """What to show. Raises Invalid, NotFound and NotAllowed."""
    if click.request.name == Act.LINK:
        return Outcome()
    wanted = views.asked(click)
    if wanted is None:
        seen = await needed(conn, schedules, click, click.held_by_view.team)
        return msgspec.structs.replace(views.following(seen, click), language=seen.locale)
    seen = await needed(conn, schedules, click, wanted.held.team)
    if wanted.view in views.FOR_LEADS:
        require_lead(click.actor)
    return Outcome(view=await shown(conn, click, seen, wanted.view, wanted.held), language=seen.locale)


async def shown(conn: Conn, click: Click, seen: Seen, view: View, held: Held) -> Block:
    """A view as it stands now. Raises Invalid, NotFound and Conflict."""
    if view is View.SCHEDULE:
        picture = await click.places.picture(conn, click.business.id, seen)
        return schedule.schedule_view(seen, held.day, held.page, picture)
    found = views.still(seen, view, held)
    if found is not None:
        return found
    if view is View.HOME:
        await home_store.opened(conn, click.business.id, click.request.team, seen.reader, seen.team.id, seen.now)
        return await home_of(conn, click.business.id, seen, click.places)
    if view is View.REQUESTS:
        return await listing(conn, click, seen, held.page)
    if view is View.SPRINT_REMOVE:
        removal = await sprint_service.preview_removal(conn, click.actor, seen.team.id, held.number, click.now)
        version = seen.schedule.facts.version
        return sprints.removal(seen, removal.sprint, Shown(version, removal.changes, dropped=len(removal.dropped)))
    if view is View.NOTE:
        group = await store.group(conn, click.business.id, held.number)
        if not group:
            raise NotFound("There is no such request.")
        choice = Choice.DECLINE if click.request.name == Act.DECLINE else Choice.WITHDRAW
        return requests.note_view(seen, group, choice)
    raise Invalid("This view is none of ours.")


async def listing(conn: Conn, click: Click, seen: Seen, page: int = 0) -> Block:
    """What waits and what is in force."""
    waiting = await store.waiting(conn, click.business.id, seen.team.id)
    return requests.listing(seen, waiting, await _in_force(conn, click, seen), page)


async def _in_force(conn: Conn, click: Click, seen: Seen) -> list[Asked]:
    ahead = sorted((one for one in seen.schedule.facts.overrides if one.ends_at > seen.now), key=lambda o: o.starts_at)
    found: dict[int, Asked] = {}
    for one in ahead:
        if one.id not in found:
            group = await store.group(conn, click.business.id, one.id)
            found |= {asked.id: asked for asked in group if asked.state is State.APPROVED}
    return list(found.values())
