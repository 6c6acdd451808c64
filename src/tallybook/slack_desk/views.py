"""Which view somebody asks for, and those that need nothing but the rota. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tallybook.channels.slack.requests import Kind
from tallybook.core.errors import Invalid
from tallybook.triage.blocks import cover, disciplines, home, people, schedule, sprints, submitted
from tallybook.triage.blocks.limits import Block
from tallybook.triage.blocks.names import SHORTCUT, Act, Command, Field, Held, Turn, View, day_of, team_of
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.blocks.submitted import Errors

from .clicks import Click, Outcome

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
    Act.DISCIPLINE_USE: View.USE,
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
    View.DISCIPLINES, View.DISCIPLINE, View.USE, View.ROSTER, View.PEOPLE, View.JOIN, View.LEAVE, View.SPRINT,
    View.SPRINT_REMOVE,
})  # fmt: skip
# What is chosen in a view changes that view.
TURNS_PAGES = frozenset({Act.PAGE_BACK, Act.PAGE_ON})
FIELDS = frozenset({Field.PERSON, Field.SINCE, Field.UNTIL})


class Asked(msgspec.Struct, frozen=True):
    """A view that somebody asks for, and what it is about."""

    view: View
    held: Held


def asked(click: Click) -> Asked | None:
    """Which view; None where it is one that follows what was chosen (``following``). Raises Invalid."""
    request = click.request
    if request.kind is Kind.COMMAND:
        return Asked(COMMANDS[_command(request.name)], Held(0))
    if request.kind is Kind.SHORTCUT:
        if request.name != SHORTCUT:
            raise Invalid("This shortcut is none of ours.")
        return Asked(View.HUB, Held(0))
    if request.kind is not Kind.ACTION or request.name in FIELDS:
        return None
    if request.name in OPENS:
        return Asked(OPENS[Act(request.name)], click.held)
    try:
        return Asked(View(click.view.get("callback_id", "")), _held(click))
    except ValueError:
        raise Invalid("This view is none of ours.") from None


def _command(name: str) -> Command:
    """Another environment's commands have its name behind them. Raises Invalid."""
    for one in Command:
        if name == one.value or name.startswith(f"{one.value}-"):
            return one
    raise Invalid("This command is none of ours.")


def _held(click: Click) -> Held:
    """What a view is to be about after something was chosen or pressed in it. Raises Invalid."""
    name, held = click.request.name, click.held_by_view
    if name == Act.TEAM:
        chosen = click.action.get("selected_option")
        return Held(team_of(chosen.get("value") if isinstance(chosen, dict) else None))
    if name == Act.DAY:
        return Held(held.team, day=day_of(click.action.get("selected_date")))
    if name in TURNS_PAGES:
        return click.held
    raise Invalid("This button is none of ours.")


def still(seen: Seen, view: View, held: Held) -> Block | None:
    """A view that needs nothing but the rota; None where it needs more. Raises Invalid and NotFound."""
    made = {
        View.SCHEDULE: lambda: schedule.schedule_view(seen, held.day, held.page),
        View.MINE: lambda: schedule.mine_view(seen, held.page),
        View.ROSTERS: lambda: schedule.rosters_view(seen, held.page),
        View.SPRINTS: lambda: sprints.listing(seen, held.page or None),
        View.SPRINT: lambda: sprints.form(seen, held.number),
        View.DISCIPLINES: lambda: disciplines.listing(seen, held.page, hidden=held.hidden),
        View.DISCIPLINE: lambda: disciplines.form(seen, held.discipline),
        View.USE: lambda: disciplines.use_form(seen, held.discipline),
        View.ROSTER: lambda: disciplines.roster_form(seen, held.discipline),
        View.PEOPLE: lambda: people.listing(seen, held.page, hidden=held.hidden),
        View.JOIN: lambda: people.join_form(seen, held.person),
        View.LEAVE: lambda: people.leave_form(seen, held.person),
        View.HUB: lambda: home.hub_view(seen),
        View.COVER_TURN: lambda: _cover(seen, held),
    }
    return made[view]() if view in made else None


def _cover(seen: Seen, held: Held) -> Block:
    """Which turn; or, where that is known, who instead."""
    if held.span is None or not held.discipline:
        return cover.turn_view(seen, held.person)
    return cover.cover_view(seen, Turn(held.discipline, held.person, *held.span))


def following(seen: Seen, click: Click) -> Outcome:
    """What follows from a choice: the next step, the form anew, options to choose from. Raises Invalid and NotFound."""
    held, name = click.held_by_view, click.view.get("callback_id")
    if click.request.kind is Kind.SUBMISSION and name == View.COVER_TURN:
        found = submitted.turn(click.values, seen.locale)
        if isinstance(found, Errors):
            return Outcome(errors=found.by_block)
        return Outcome(view=cover.cover_view(seen, found))
    if name == View.COVER_TURN and click.request.kind is Kind.ACTION:
        return Outcome(view=cover.turn_view(seen, submitted.chosen_person(click.values)))
    if name != View.COVER or held.span is None:
        raise Invalid("This view is none of ours.")
    turn = Turn(held.discipline, held.person, *held.span)
    if click.request.kind is Kind.OPTIONS:
        return Outcome(options=cover.found_by(seen, turn, str(click.payload.get("value") or "")))
    span, instead = submitted.chosen_span(click.values, held), submitted.chosen_substitute(click.values)
    return Outcome(view=cover.cover_view(seen, turn, span, instead))
