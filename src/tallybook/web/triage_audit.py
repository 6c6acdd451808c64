"""The record of a rota: who changed what, when, and from what to what. Nothing of it is ever changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get

from tallybook.core.audit import Entry
from tallybook.core.errors import Invalid
from tallybook.core.marking import N_
from tallybook.core.numbers import number_in
from tallybook.triage.store import record

from .needs import Asked, TheApp
from .times import Clock
from .triage_frame import PATH, Place, is_part, show, stand
from .triage_overrides import STATES
from .triage_words import ABSENCES, SOURCES
from .triage_words import KINDS as KINDS_OF_TURNS

AUDIT = PATH + "/audit"
MOST = 50
LONGEST_VALUE = 300
PERIODS = frozenset({"unused"})  # lists of them
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
YES_OR_NO = {"true": N_("yes"), "false": N_("no")}
WHEN_ABSENT = {"substitute": N_("The next one takes the turn"), "keep": N_("The turn stays theirs")}
KINDS = {
    "override": N_("Overrides"), "roster": N_("Rosters"), "sprint": N_("Sprints"), "triage person": N_("People"),
    "absence": N_("Absences"), "discipline": N_("Disciplines"), "triage team": N_("Teams"), "calendar": N_("Links"),
    "followed calendar": N_("Calendars"),
}  # fmt: skip
ACTIONS = {
    "override.requested": N_("asked for cover"), "override.approved": N_("approved an override"),
    "override.declined": N_("declined an override"), "override.withdrawn": N_("withdrew an override"),
    "override.expired": N_("let a request expire"), "override.moved": N_("moved an override with its sprint"),
    "roster.changed": N_("changed a roster"),
    "sprint.planned": N_("planned a sprint"), "sprint.changed": N_("changed a sprint"),
    "sprint.removed": N_("took a sprint away"), "person.joined": N_("had somebody join"),
    "person.left": N_("had somebody leave"), "person.linked": N_("linked an account"),
    "person.named": N_("named somebody"), "absence.recorded": N_("recorded an absence"),
    "absence.ended": N_("ended an absence"), "absence.moved": N_("moved the end of an absence"),
    "calendar.followed": N_("followed a calendar"), "calendar.left": N_("followed a calendar no longer"),
    "discipline.changed": N_("changed a discipline"),
    "team.made": N_("made a team"), "team.changed": N_("changed a team"),
    "team.told": N_("changed how a team is told"), "holidays.changed": N_("changed holidays"),
    "calendar.shared": N_("made a link"), "calendar.revoked": N_("took a link back"),
    "rota.imported": N_("brought a rota in"), "rota.import_undone": N_("took an import back"),
}  # fmt: skip


# What a change is of, by the names of the facts. Days stand for themselves, as holidays have them.
FIELDS = {
    "reason": N_("Why"), "discipline": N_("Discipline"), "person": N_("Who"), "instead_of": N_("Instead of whom"),
    "requested_by": N_("Asked for by"), "state": N_("What became of it"), "starts_at": N_("From"),
    "ends_at": N_("Until"), "sprint_number": N_("Number of the sprint"), "whole": N_("All of the sprint"),
    "swap": N_("Number of the exchange"), "decided_by": N_("Decided by"), "decided_at": N_("Decided at"),
    "team_id": N_("Number of the team"), "id": N_("Number"), "number": N_("Number"), "since": N_("Since"),
    "until": N_("Until"), "ended_at": N_("Ended at"), "people": N_("Who takes turns"), "kind": N_("Kind"),
    "zone": N_("Time zone"), "hand_over": N_("Hand-over"), "days": N_("Days"), "through": N_("Until the next turn"),
    "weeks": N_("One week in so many"), "counted_from": N_("Counted from"), "rest": N_("Rests on holidays"),
    "when_absent": N_("For the absent"), "name": N_("Name"), "first_day": N_("First day"), "last_day": N_("Last day"),
    "overrides": N_("Overrides that went with it"), "code": N_("Code"), "place": N_("Place in lists"),
    "active": N_("In use"), "unused": N_("Out of use"),
    "weekend": N_("Free days of the week"), "country": N_("Country"),
    "account_id": N_("Account"), "channel": N_("The team's channel"), "admin_channel": N_("Channel of who leads"),
    "user_group": N_("User group"), "topic": N_("Topic of the channel"), "language": N_("Language"),
    "heads_up": N_("Time of the heads-up"), "late_after": N_("Late after (minutes)"), "team": N_("Number of the team"),
    "slack_id": N_("Slack id"), "import": N_("Number of the import"), "host": N_("Host"),
    "away": N_("Only what says that they are away"), "source": N_("How it is known"),
}  # fmt: skip
VALUES: Mapping[str, Mapping[str, str]] = {
    "state": {state.value: says for state, says in STATES.items()},
    "when_absent": WHEN_ABSENT,
    "source": {"hand": N_("by hand"), **SOURCES},
    "kind": {kind.value: says for kind, says in KINDS_OF_TURNS.items()} | ABSENCES,
}


class Field(msgspec.Struct, frozen=True):
    """What was otherwise before, as text. ``name`` is the fact's own, ``says`` what it is called."""

    name: str
    was: str
    becomes: str
    says: str = ""


class Line(msgspec.Struct, frozen=True):
    """An entry of the record, and what differs in it."""

    entry: Entry
    action: str
    fields: list[Field]


@get(AUDIT, include_in_schema=False)
async def audit_page(request: Asked, app: TheApp) -> Response[str]:
    """The newest changes of the business's rotas, of one kind or of all."""
    place = await stand(request, app)
    kind = request.query_params.get("kind", "")
    if kind and kind not in KINDS:
        raise Invalid("There is no such kind of change.")
    below = number_in(request.query_params.get("below", ""))
    subjects = [kind] if kind else record.SUBJECTS
    business = place.actor.business_id
    found = await app.db.run(
        "read record", lambda conn: record.recent(conn, business, subjects, below=below, limit=MOST + 1)
    )
    context = {
        "lines": [line(place, one) for one in found[:MOST]], "kinds": KINDS, "kind": kind, "below": below,
        "older": found[MOST - 1].id if len(found) > MOST else None,
    }  # fmt: skip
    return show(request, place, "audit_part" if is_part(request) else "audit", context)


def line(place: Place, entry: Entry) -> Line:
    """An entry as it is read: people by their names, and only what differs."""
    clock = place.clock
    said = [_said(one, clock) for one in differing(entry, place.names)]
    return Line(entry, ACTIONS.get(entry.action, entry.action), said)


def _said(one: Field, clock: Clock) -> Field:
    """A field by what it is called, with values and moments as people read them."""
    known = VALUES.get(one.name, {})

    def told(value: str) -> str:
        if value in known:
            return clock.words.gettext(known[value])
        if value in YES_OR_NO:
            return clock.words.gettext(YES_OR_NO[value])
        if one.name in PERIODS:
            return MOMENT.sub(lambda found: clock.short(datetime.fromisoformat(found[0])), value)
        if MOMENT.fullmatch(value):
            return clock.short(datetime.fromisoformat(value))
        return value

    return Field(one.name, told(one.was), told(one.becomes), clock.words.gettext(FIELDS.get(one.name, one.name)))


def differing(entry: Entry, names: Mapping[str, str]) -> list[Field]:
    """What was otherwise before, by name; all of it where there was nothing before."""
    was, becomes = _flat(entry.before or {}), _flat(entry.after or {})
    keys = [*becomes, *(key for key in was if key not in becomes)]
    return [
        Field(key, _text(was.get(key), names), _text(becomes.get(key), names))
        for key in keys
        if was.get(key) != becomes.get(key)
    ]


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    """With the parts of what has parts, such as a rotation, each by itself."""
    flat: dict[str, Any] = {}
    for name, value in found.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def _text(value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, list):
        text = ", ".join(_text(one, names) for one in value)
    elif isinstance(value, str):
        text = names.get(value, value)
    elif isinstance(value, dict):
        text = " – ".join(_text(one, names) for one in value.values())
    elif value is None:
        text = ""
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


HANDLERS = [audit_page]
