"""What is shown in Slack while the database is away: the rota by the copy that was kept, which says how old it is.

Only what is looked at. Whoever asks has no rights meanwhile, since those are in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from tallybook.channels.slack.requests import Kind, Request
from tallybook.core.businesses import Business
from tallybook.core.errors import TallybookError
from tallybook.triage.blocks import home, schedule, sprints
from tallybook.triage.blocks.limits import Block
from tallybook.triage.blocks.names import Act, Command, Held, View, day_of, team_of
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.service.doing import Actor
from tallybook.triage.snapshot import Known, Shelf, Snapshot

from .clicks import Click, Outcome
from .looks import COMMANDS, OPENS, TURNS_PAGES

SHOWN: Mapping[View, Callable[[Seen, Held], Block]] = {
    View.SCHEDULE: lambda seen, held: schedule.schedule_view(seen, held.day, held.page),
    View.MINE: lambda seen, held: schedule.mine_view(seen, held.page),
    View.ROSTERS: lambda seen, held: schedule.rosters_view(seen, held.page),
    View.SPRINTS: lambda seen, held: sprints.listing(seen, held.page or None),
    View.HOME: lambda seen, held: home.home_view(seen),  # noqa: ARG005 - as every view
}


def answer(shelf: Shelf, request: Request, now: datetime) -> Outcome | None:
    """A view by the copy; None for what cannot be shown by it, or where there is none."""
    snapshot = shelf.current()
    business_id = snapshot.workspaces.get(request.team) if snapshot is not None else None
    if snapshot is None or business_id is None or not request.user:
        return None
    business, actor = Business(business_id, "", "UTC", ""), Actor(business_id, request.user, request.user)
    try:
        view, held = _asked(Click(request, business, actor, now, msgspec.json.decode(request.payload)))
    except (TallybookError, ValueError):
        return None
    known = snapshot.of(request.team, request.user, held.team)
    if view not in SHOWN or known is None:
        return None
    return Outcome(view=SHOWN[view](_seen(shelf, snapshot, known, request.user, now), held))


def _seen(shelf: Shelf, snapshot: Snapshot, known: Known, reader: str, now: datetime) -> Seen:
    teams = tuple(one.facts.team for one in snapshot.teams_of(known.business_id))
    return Seen(shelf.schedule(known), now, known.language, reader, leads=False, teams=teams, as_of=snapshot.as_of)


def _asked(click: Click) -> tuple[View, Held]:
    """Which view is asked for, and of what. Raises ValueError and Invalid for what is none."""
    request = click.request
    if request.kind is Kind.COMMAND:
        commands = (one for one in Command if request.name == one or request.name.startswith(f"{one}-"))
        return COMMANDS[next(commands, Command.PEOPLE)], Held(0)
    if request.kind is not Kind.ACTION:
        raise ValueError("nothing to look at")
    name, held = request.name, click.held_by_view
    if name in OPENS:
        return OPENS[Act(name)], click.held
    view = View(click.view.get("callback_id", ""))
    if name == Act.DAY:
        return view, Held(held.team, day=day_of(click.action.get("selected_date")))
    if name == Act.TEAM:
        chosen = click.action.get("selected_option")
        return view, Held(team_of(chosen.get("value") if isinstance(chosen, dict) else None))
    if name in TURNS_PAGES:
        return view, click.held
    raise ValueError("nothing to look at")
