"""What every page of triage stands on: who looks, at which team, with whose clocks; and how a page is answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.core.marking import N_
from tallybook.triage.rules import Schedule
from tallybook.triage.service import actors, people
from tallybook.triage.service.doing import Actor, because
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.types import Discipline, Facts, Team

from . import errors, pages
from . import triage_words as said
from .needs import Asked
from .times import Clock

PATH = "/triage"
NO_TEAM = "There is no such team."


@dataclass(frozen=True)
class Place:
    """Who looks, and at which team; both last are None in a business that has no team yet.

    ``clock`` is the team's own, since its hand-overs are.
    """

    actor: Actor
    clock: Clock
    teams: Sequence[Team] = ()
    schedule: Schedule | None = None

    @property
    def team(self) -> Team | None:
        return self.schedule.facts.team if self.schedule is not None else None

    @property
    def of(self) -> Schedule:
        """The schedule, for pages that there are only of a team. Raises NotFound."""
        if self.schedule is None:
            raise NotFound(NO_TEAM)
        return self.schedule

    @property
    def facts(self) -> Facts:
        return self.of.facts

    @cached_property
    def names(self) -> Mapping[str, str]:
        """How the team's people are called, by their Slack ids."""
        return {one.slack_id: one.name for one in self.facts.people} if self.schedule is not None else {}

    @cached_property
    def disciplines(self) -> Sequence[Discipline]:
        """Those in use now, in their order."""
        return [one for one in self.all_disciplines if one.in_use(self.clock.now)]

    @cached_property
    def all_disciplines(self) -> Sequence[Discipline]:
        """All, in their order."""
        listed = self.facts.disciplines if self.schedule is not None else ()
        return sorted(listed, key=lambda one: (one.place, one.code))

    def name(self, person: str | None) -> str:
        if person is None:
            return self.clock.words.gettext(N_("Nobody"))
        return self.names.get(person, person)

    def link(self, path: str = PATH, **more: object) -> str:
        """A page of this team's. The team is always named: by then another one may come first."""
        parts = {"team": self.team.id if self.team else None} | more
        kept = {name: str(value) for name, value in parts.items() if value not in {None, ""}}
        return f"{path}?{urlencode(kept)}" if kept else path


async def stand(request: Asked, app: App) -> Place:
    """Where the asker is. Raises NotAllowed, and NotFound for a team that is not of the business."""
    place = await app.db.run("read rota", lambda conn: _stood(conn, request))
    if request.method != "POST":
        return place
    # Why something is changed is asked for by the same field of every form.
    return dataclasses.replace(place, actor=because(place.actor, (await given_in(request)).get("reason")))


def schedules(request: Asked) -> Schedules:
    """Those that this process keeps."""
    kept: Schedules = request.app.state.setdefault("triage_schedules", Schedules())
    return kept


async def _stood(conn: Conn, request: Asked) -> Place:
    actor = await actors.of_caller(conn, request.user)
    teams = await people.teams(conn, actor)
    clock = pages.clock_of(request)
    given = request.query_params.get("team", "")
    team = next((one for one in teams if given in {"", str(one.id)}), None)
    if team is None:
        if given:
            raise NotFound(NO_TEAM)
        return Place(actor, clock, teams)
    schedule = await schedules(request).of(conn, actor.business_id, team.id)
    zoned = msgspec.structs.replace(clock.business, time_zone=schedule.facts.team.zone)
    return Place(actor, dataclasses.replace(clock, business=zoned), teams, schedule)


def show(
    request: Asked, place: Place, name: str, context: Mapping[str, Any], error: Any = None, status: int = 200
) -> Response[str]:
    """A page of triage; with ``error``, a refusal of ours, it says that above what was typed."""
    trouble = said.refusal(error, place.clock.words) if error is not None else ""
    shown = {"at": place, "clock": place.clock, "trouble": trouble, "why": said.WHY, "given": {}} | dict(context)
    return pages.page(request, f"triage/{name}.html", shown, errors.status_of(error) if error is not None else status)


async def given_in(request: Asked) -> dict[str, str]:
    """A form's fields; ``form`` says which one of a page's it is. Of a field that comes twice, the last."""
    form = await request.form()
    return {str(name): str(form.getall(name)[-1]) for name in form}


def is_part(request: Asked) -> bool:
    """Whether only what changes by itself is asked for."""
    return "hx-request" in request.headers
