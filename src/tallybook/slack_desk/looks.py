"""What is shown in Slack for a command, a button or a choice. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from tallybook.channels.slack.requests import Kind
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.triage.blocks import cover, disciplines, home, people, requests, schedule, sprints, submitted
from tallybook.triage.blocks.changes import Shown
from tallybook.triage.blocks.limits import Block
from tallybook.triage.blocks.names import (
    SHORTCUT,
    Act,
    Choice,
    Command,
    Field,
    Held,
    Turn,
    View,
    day_of,
    team_of,
)
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.blocks.submitted import Errors
from tallybook.triage.rules_overrides import Asked, State
from tallybook.triage.service import sprints as sprint_service
from tallybook.triage.service.doing import require_lead
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import overrides as store

from .clicks import Click, Outcome, needed

COMMANDS: Mapping[Command, View] = {
    Command.SCHEDULE: View.SCHEDULE,
    Command.OVERRIDE: View.COVER_TURN,
    Command.OVERRIDES: View.REQUESTS,
    Command.SPRINTS: View.SPRINTS,
    Command.DISCIPLINES: View.DISCIPLINES,
    Command.PEOPLE: View.PEOPLE,
}
OPENS: Mapping[Act, View] = {
    Act.OPEN_SCHEDULE: View.SCHEDULE,
    Act.OPEN_MINE: View.MINE,
    Act.OPEN_COVER: View.COVER_TURN,
    Act.OPEN_REQUESTS: View.REQUESTS,
    Act.OPEN_SPRINTS: View.SPRINTS,
    Act.OPEN_ROSTERS: View.ROSTERS,
    Act.OPEN_DISCIPLINES: View.DISCIPLINES,
    Act.OPEN_PEOPLE: View.PEOPLE,
    Act.OPEN_HUB: View.HUB,
    Act.DISCIPLINE_ADD: View.DISCIPLINE,
    Act.DISCIPLINE_CHANGE: View.DISCIPLINE,
    Act.ROSTER_CHANGE: View.ROSTER,
    Act.JOIN: View.JOIN,
    Act.LEAVE: View.LEAVE,
    Act.SPRINT_ADD: View.SPRINT,
    Act.SPRINT_CHANGE: View.SPRINT,
    Act.SPRINT_REMOVE: View.SPRINT_REMOVE,
    Act.DECLINE: View.NOTE,
    Act.WITHDRAW: View.NOTE,
}
FOR_LEADS = frozenset({
    View.DISCIPLINES, View.DISCIPLINE, View.ROSTER, View.PEOPLE, View.JOIN, View.LEAVE, View.SPRINT, View.SPRINT_REMOVE,
})  # fmt: skip
# What is chosen in a view changes that view.
TURNS_PAGES = frozenset({Act.PAGE_BACK, Act.PAGE_ON})
FIELDS = frozenset({Field.PERSON, Field.SINCE, Field.UNTIL})


async def look(conn: Conn, schedules: Schedules, click: Click) -> Outcome:
    """What to show. Raises Invalid, NotFound and NotAllowed."""
    request = click.request
    if request.kind is Kind.COMMAND:
        return await _opened(conn, schedules, click, COMMANDS[_command(request.name)], Held(0))
    if request.kind is Kind.SHORTCUT:
        if request.name != SHORTCUT:
            raise Invalid("This shortcut is none of ours.")
        return await _opened(conn, schedules, click, View.HUB, Held(0))
    if request.kind is Kind.OPTIONS:
        return await _options(conn, schedules, click)
    if request.kind is Kind.SUBMISSION:
        return await _turn_chosen(conn, schedules, click)
    return await _pressed(conn, schedules, click)


def _command(name: str) -> Command:
    """Another environment's commands have its name behind them. Raises Invalid."""
    for one in Command:
        if name == one.value or name.startswith(f"{one.value}-"):
            return one
    raise Invalid("This command is none of ours.")


async def _pressed(conn: Conn, schedules: Schedules, click: Click) -> Outcome:
    name = click.request.name
    if name == Act.LINK:
        return Outcome()
    if name in OPENS:
        return await _opened(conn, schedules, click, OPENS[Act(name)], click.held)
    held = click.held_by_view
    if name == Act.TEAM:
        chosen = click.action.get("selected_option")
        held = Held(team_of(chosen.get("value") if isinstance(chosen, dict) else None))
    elif name == Act.DAY:
        held = Held(held.team, day=day_of(click.action.get("selected_date")))
    elif name in TURNS_PAGES:
        held = click.held
    elif name in FIELDS:
        return await _chosen(conn, schedules, click)
    else:
        raise Invalid("This button is none of ours.")
    try:
        view = View(click.view.get("callback_id", ""))
    except ValueError:
        raise Invalid("This view is none of ours.") from None
    return await _opened(conn, schedules, click, view, held)


async def _opened(conn: Conn, schedules: Schedules, click: Click, view: View, held: Held) -> Outcome:
    seen = await needed(conn, schedules, click, held.team)
    if view in FOR_LEADS:
        require_lead(click.actor)
    return Outcome(view=await shown(conn, click, seen, view, held))


async def shown(conn: Conn, click: Click, seen: Seen, view: View, held: Held) -> Block:
    """A view as it stands now. Raises Invalid, NotFound and Conflict."""
    plain = {
        View.SCHEDULE: lambda: schedule.schedule_view(seen, held.day, held.page),
        View.MINE: lambda: schedule.mine_view(seen, held.page),
        View.ROSTERS: lambda: schedule.rosters_view(seen, held.page),
        View.SPRINTS: lambda: sprints.listing(seen, held.page or None),
        View.SPRINT: lambda: sprints.form(seen, held.number),
        View.DISCIPLINES: lambda: disciplines.listing(seen, held.page, hidden=held.hidden),
        View.DISCIPLINE: lambda: disciplines.form(seen, held.discipline),
        View.ROSTER: lambda: disciplines.roster_form(seen, held.discipline),
        View.PEOPLE: lambda: people.listing(seen, held.page, hidden=held.hidden),
        View.JOIN: lambda: people.join_form(seen, held.person),
        View.LEAVE: lambda: people.leave_form(seen, held.person),
        View.HUB: lambda: home.hub_view(seen),
        View.COVER_TURN: lambda: _cover(seen, held),
    }
    if view in plain:
        return plain[view]()
    if view is View.HOME:
        return await home_of(conn, click, seen)
    if view is View.REQUESTS:
        return await listing(conn, click, seen, held.page)
    if view is View.SPRINT_REMOVE:
        found = await sprint_service.preview_removal(conn, click.actor, seen.team.id, held.number, click.now)
        version = seen.schedule.facts.version
        return sprints.removal(seen, found.sprint, Shown(version, found.changes, dropped=len(found.dropped)))
    if view is View.NOTE:
        group = await store.group(conn, click.business.id, held.number)
        if not group:
            raise NotFound("There is no such request.")
        choice = Choice.DECLINE if click.request.name == Act.DECLINE else Choice.WITHDRAW
        return requests.note_view(seen, group, choice)
    raise Invalid("This view is none of ours.")


def _cover(seen: Seen, held: Held) -> Block:
    """Which turn; or, where that is known, who instead."""
    if held.span is None or not held.discipline:
        return cover.turn_view(seen, held.person)
    return cover.cover_view(seen, Turn(held.discipline, held.person, *held.span))


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


async def home_of(conn: Conn, click: Click, seen: Seen) -> Block:
    """The App Home, with the reader's requests that wait."""
    waiting = await store.waiting(conn, click.business.id, seen.team.id)
    return home.home_view(seen, home.Around([one for one in waiting if one.requested_by == seen.reader]))


async def _chosen(conn: Conn, schedules: Schedules, click: Click) -> Outcome:
    """A form follows what is chosen in it."""
    held = click.held_by_view
    seen = await needed(conn, schedules, click, held.team)
    if click.view.get("callback_id") == View.COVER_TURN:
        return Outcome(view=cover.turn_view(seen, submitted.chosen_person(click.values)))
    if click.view.get("callback_id") == View.COVER and held.span is not None:
        span, instead = submitted.chosen_span(click.values, held), submitted.chosen_substitute(click.values)
        return Outcome(view=cover.cover_view(seen, Turn(held.discipline, held.person, *held.span), span, instead))
    raise Invalid("This view is none of ours.")


async def _turn_chosen(conn: Conn, schedules: Schedules, click: Click) -> Outcome:
    """The first of the two steps: which turn; the second asks who instead."""
    if click.request.name != View.COVER_TURN:
        raise Invalid("This view is none of ours.")
    seen = await needed(conn, schedules, click, click.held_by_view.team)
    found = submitted.turn(click.values, seen.locale)
    if isinstance(found, Errors):
        return Outcome(errors=found.by_block)
    return Outcome(view=cover.cover_view(seen, found))


async def _options(conn: Conn, schedules: Schedules, click: Click) -> Outcome:
    """Who could take a turn, by what was typed of their name."""
    held = click.held_by_view
    if click.request.name != Field.SUBSTITUTE or held.span is None:
        raise Invalid("This choice is none of ours.")
    seen = await needed(conn, schedules, click, held.team)
    typed = str(click.payload.get("value") or "")
    return Outcome(options=cover.found_by(seen, Turn(held.discipline, held.person, *held.span), typed))
