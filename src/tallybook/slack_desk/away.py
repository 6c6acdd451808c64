"""What is shown in Slack while the database is away: the rota by the copy that was kept, which says how old it is.

Only what is looked at, and the form by which cover is asked for: what is sent in is kept. Whoever asks has no rights
meanwhile, since those are in the database.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.channels.slack.requests import Kind, Request
from tallybook.core.businesses import Business
from tallybook.core.errors import TallybookError
from tallybook.triage.blocks.home import home_view
from tallybook.triage.blocks.names import Act, View
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.service.doing import Actor
from tallybook.triage.snapshot import Known, Shelf, Snapshot

from . import views
from .clicks import Click, Outcome


def answer(shelf: Shelf, request: Request, now: datetime) -> Outcome | None:
    """A view by the copy; None for what cannot be shown by it, or where there is none."""
    snapshot = shelf.current()
    business_id = snapshot.workspaces.get(request.team) if snapshot is not None else None
    payload = msgspec.json.decode(request.payload)
    if snapshot is None or business_id is None or not request.user or not isinstance(payload, dict):
        return None
    actor = Actor(business_id, request.user, request.user)
    click = Click(request, Business(business_id, "", "UTC", ""), actor, now, payload)
    try:
        return _shown(shelf, snapshot, click)
    except TallybookError:
        return None


def _shown(shelf: Shelf, snapshot: Snapshot, click: Click) -> Outcome | None:
    request = click.request
    if request.name == Act.LINK or (request.kind is Kind.SUBMISSION and request.name != View.COVER_TURN):
        return None
    wanted = views.asked(click)
    held = click.held_by_view if wanted is None else wanted.held
    known = snapshot.of(request.team, request.user, held.team)
    if known is None:
        return None
    seen = _seen(shelf, snapshot, known, click)
    if wanted is None:
        return views.following(seen, click)
    if wanted.view in views.FOR_LEADS:
        return None
    view = home_view(seen) if wanted.view is View.HOME else views.still(seen, wanted.view, wanted.held)
    return Outcome(view=view) if view is not None else None


def _seen(shelf: Shelf, snapshot: Snapshot, known: Known, click: Click) -> Seen:
    teams = tuple(one.facts.team for one in snapshot.teams_of(known.business_id))
    reader = click.request.user
    return Seen(shelf.schedule(known), click.now, known.language, reader, teams=teams, as_of=snapshot.as_of)
