"""A discipline taken out of use, or brought back: what that would change, and doing it by that look."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Response, post
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid
from tallybook.triage.rules_turns import hand_over
from tallybook.triage.rules_use import Use, planned_end
from tallybook.triage.service import disciplines
from tallybook.triage.service.disciplines import Preview
from tallybook.triage.service.doing import require_lead
from tallybook.triage.types import Facts

from . import triage_words as said
from .needs import Asked, TheApp
from .triage_frame import Place, given_in, stand
from .triage_rota import MOST_CHANGES
from .triage_rota_form import seen
from .triage_teams import TEAMS, day_of, shown


class Found(msgspec.Struct, frozen=True):
    """What would change, and by what that is known again."""

    use: Use
    preview: Preview
    seen: str
    most: int = MOST_CHANGES


@post(TEAMS + "/disciplines/use", include_in_schema=False)
async def write_use(request: Asked, app: TheApp) -> Response[Any]:
    """Looks at a discipline's going out of use, or coming back; or does it, as seen."""
    place = await stand(request, app)
    require_lead(place.actor)
    given, is_sure, home = await given_in(request), False, Redirect(place.link(TEAMS), status_code=303)
    found: Found | None = None
    try:
        if is_done(place, given):
            return home
        found, is_sure = looked(place.facts, given), given.get("do") == "use"
        if is_sure and given.get("seen", "") == found.seen:
            await _written(app, place, found, given.get("reason", ""))
            return home
    except (Conflict, Invalid) as error:
        place = await stand(request, app)
        if is_done(place, given):
            return home
        found = looked(place.facts, given) if found is not None else None
        return shown(request, place, given, error, found=found)
    return shown(request, place, given, Conflict(said.CHANGED) if is_sure else None, found=found)


def is_done(place: Place, given: Mapping[str, str]) -> bool:
    """Whether the discipline is so already; where the form was sent before it is. Raises NotFound."""
    out = planned_end(place.facts, given.get("code", ""), place.clock.now) is not None
    return out is (given.get("in_use") != "yes")


def looked(facts: Facts, given: Mapping[str, str]) -> Found:
    """What it would change from a day's hand-over on, or from now on. Raises Invalid and NotFound."""
    code, day, team, now = given.get("code", ""), given.get("day", ""), facts.team, datetime.now(UTC)
    in_use = given.get("in_use") == "yes"
    use = Use(code, in_use, hand_over(day_of(day), team.hand_over, team.tz) if day else now)
    return Found(use, disciplines.previewed(facts, use, now), seen(facts.version, (code, in_use, day)))


async def _written(app: App, place: Place, found: Found, reason: str) -> None:
    """By the facts that were looked at or not at all. Raises Conflict and Invalid."""

    async def work(conn: Conn) -> None:
        now = datetime.now(UTC)
        use = msgspec.structs.replace(found.use, at=max(found.use.at, now))
        asked = (conn, place.actor, place.facts.team.id, use, now)
        await disciplines.change(*asked, reason=reason, version=found.preview.version)

    await app.db.run("use discipline", work)


HANDLERS = [write_use]
