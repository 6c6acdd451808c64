"""The record of a rota: who changed what, when, and from what to what. Nothing of it is ever changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response, get

from tallybook.core.audit import Entry
from tallybook.core.errors import Invalid
from tallybook.core.marking import N_
from tallybook.core.numbers import number_in
from tallybook.triage.store import record

from .needs import Asked, TheApp
from .triage_frame import PATH, Place, is_part, show, stand

AUDIT = PATH + "/audit"
MOST = 50
LONGEST_VALUE = 300
KINDS = {
    "override": N_("Overrides"), "roster": N_("Rosters"), "sprint": N_("Sprints"), "triage person": N_("People"),
    "absence": N_("Absences"), "discipline": N_("Disciplines"), "triage team": N_("Teams"), "calendar": N_("Links"),
}  # fmt: skip
ACTIONS = {
    "override.requested": N_("asked for cover"), "override.approved": N_("approved an override"),
    "override.declined": N_("declined an override"), "override.withdrawn": N_("withdrew an override"),
    "override.expired": N_("let a request expire"), "roster.changed": N_("changed a roster"),
    "sprint.planned": N_("planned a sprint"), "sprint.changed": N_("changed a sprint"),
    "sprint.removed": N_("took a sprint away"), "person.joined": N_("had somebody join"),
    "person.left": N_("had somebody leave"), "person.linked": N_("linked an account"),
    "person.named": N_("named somebody"), "absence.recorded": N_("recorded an absence"),
    "absence.ended": N_("ended an absence"), "discipline.changed": N_("changed a discipline"),
    "team.made": N_("made a team"), "team.changed": N_("changed a team"),
    "team.told": N_("changed how a team is told"), "holidays.changed": N_("changed holidays"),
    "calendar.shared": N_("made a link"), "calendar.revoked": N_("took a link back"),
    "rota.imported": N_("brought a rota in"), "rota.import_undone": N_("took an import back"),
}  # fmt: skip


class Field(msgspec.Struct, frozen=True):
    """What was otherwise before, as text."""

    name: str
    was: str
    becomes: str


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
    return Line(entry, ACTIONS.get(entry.action, entry.action), differing(entry, place.names))


def differing(entry: Entry, names: Mapping[str, str]) -> list[Field]:
    """What was otherwise before, by name; all of it where there was nothing before."""
    was, becomes = entry.before or {}, entry.after or {}
    keys = [*becomes, *(key for key in was if key not in becomes)]
    return [
        Field(key, _text(was.get(key), names), _text(becomes.get(key), names))
        for key in keys
        if was.get(key) != becomes.get(key)
    ]


def _text(value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, list):
        text = ", ".join(_text(one, names) for one in value)
    elif isinstance(value, str):
        text = names.get(value, value)
    elif value is None:
        text = ""
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


HANDLERS = [audit_page]
