"""Something that somebody did in Slack, with who they are here and by which rota it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from tallybook.channels.slack.requests import Kind, Request
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.triage.blocks import words
from tallybook.triage.blocks.limits import Block, Message
from tallybook.triage.blocks.names import Held, held_of
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.service import actors, manners, people
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import people as people_store
from tallybook.triage.types import Team

from .places import NOWHERE, Places

NOBODY: Mapping[str, str] = {}


class Outcome(msgspec.Struct, frozen=True):
    """What somebody is answered: a view, what is wrong at which input, options to choose from, or a message.

    ``is_order``: something was decided, and the view shows how it stands since. ``language`` is that of the message.
    """

    view: Block | None = None
    errors: Mapping[str, str] | None = None
    options: list[Block] | None = None
    says: Message | None = None
    is_order: bool = False
    language: str = words.DEFAULT


class Click(msgspec.Struct, frozen=True):
    """A request, whose it is, and by whom. ``names`` are those of people that Slack was asked for.

    ``places`` are what is linked from what is shown.
    """

    request: Request
    business: Business
    actor: Actor
    now: datetime
    payload: dict[str, Any]
    names: Mapping[str, str] = NOBODY
    places: Places = NOWHERE

    @property
    def action(self) -> dict[str, Any]:
        """What was pressed or chosen."""
        found = self.payload.get("actions")
        return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}

    @property
    def view(self) -> dict[str, Any]:
        """The view in which it was done; empty where it was done in none."""
        found = self.payload.get("view")
        return found if isinstance(found, dict) else {}

    @property
    def values(self) -> Any:
        """What the view's inputs hold."""
        state = self.view.get("state")
        return state.get("values") if isinstance(state, dict) else None

    @property
    def held(self) -> Held:
        """What the button or the view is about. Raises Invalid."""
        if self.request.kind is Kind.ACTION and "value" in self.action:
            return held_of(self.action["value"])
        return self.held_by_view

    @property
    def held_by_view(self) -> Held:
        """What the view is about; nothing where it was done in none. Raises Invalid."""
        carried = self.view.get("private_metadata")
        return held_of(carried) if carried else Held(0)

    @property
    def key(self) -> str:
        """By which what was asked for is known: a form asks once, however often it is sent in."""
        return f"slack {self.view.get('id') or self.request.identity}"[:200]


async def click_of(conn: Conn, business: Business, request: Request, names: Mapping[str, str] = NOBODY) -> Click:
    """Who did it is looked up in the transaction of what they do. Raises Invalid for what has no sense."""
    payload = msgspec.json.decode(request.payload)
    if not isinstance(payload, dict) or not request.user:
        raise Invalid("This is nobody's.")
    actor = await actors.of_slack(conn, business.id, request.user, names.get(request.user, ""))
    return Click(request, business, actor, datetime.now(UTC), payload, names)


async def seen_by(conn: Conn, schedules: Schedules, click: Click, team_id: int = 0) -> Seen | None:
    """The rota of a team, or of the one that concerns the reader most, as they see it; None where there is no team.

    Raises NotFound for a team that the business does not have.
    """
    teams = await people.teams(conn, click.actor)
    if not teams:
        return None
    if team_id and team_id not in {one.id for one in teams}:
        raise NotFound("There is no such team.")
    team = next((one for one in teams if one.id == team_id), None) or await _own(conn, click, teams)
    schedule = await schedules.of(conn, click.business.id, team.id)
    manner = await manners.read(conn, click.business.id, team.id)
    language = manner.language or click.business.locale or words.DEFAULT
    return Seen(schedule, click.now, language, click.request.user, click.actor.leads, tuple(teams))


async def _own(conn: Conn, click: Click, teams: list[Team]) -> Team:
    """The first team to which the reader belongs; else the first."""
    own = await people_store.own_team(conn, click.business.id, click.request.user) if len(teams) > 1 else None
    return next((one for one in teams if one.id == own), teams[0])


async def seen_where(conn: Conn, schedules: Schedules, click: Click) -> Seen | None:
    """The rota of the team that was acted upon; where that cannot be told, or is gone, of the reader's."""
    try:
        return await seen_by(conn, schedules, click, click.held.team)
    except (Invalid, NotFound):
        return await seen_by(conn, schedules, click)


async def needed(conn: Conn, schedules: Schedules, click: Click, team_id: int = 0) -> Seen:
    """The same, where there must be a team. Raises NotFound."""
    seen = await seen_by(conn, schedules, click, team_id)
    if seen is None:
        raise NotFound("There is no team yet. Whoever leads makes one on the pages.")
    return seen
