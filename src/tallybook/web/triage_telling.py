"""How a team is told of its rota on Slack: where, in which language, when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post
from litestar.response import Redirect

from tallybook.core.businesses import LOCALES
from tallybook.core.errors import Conflict, Invalid, TallybookError
from tallybook.core.marking import N_
from tallybook.core.numbers import number_in
from tallybook.triage.service import manners
from tallybook.triage.types import Manner

from .needs import Asked, TheApp
from .triage_frame import Place, given_in, show, stand
from .triage_teams import TEAMS, clock_time

TELLING = TEAMS + "/telling"
LANGUAGES = dict(zip(LOCALES, ("English", "עברית"), strict=True))
# What the rota refuses here, marked so that it is translated. Each stands as its source says it.
REFUSALS = (
    N_("Give Slack's ids, such as C012AB3CD for a channel and S012AB3CD for a user group."),
    N_("A topic needs {people} in it, where who is on duty is to stand."),
    N_("A topic has at most 250 characters."), N_("Say in which channel, so that it can have a topic."),
    N_("Being late begins after a minute at least, and after 720 at most."),
    N_("Another team writes this channel's topic already."),
)  # fmt: skip


@get(TELLING, include_in_schema=False)
async def telling_page(request: Asked, app: TheApp) -> Response[str]:
    """Where a team is told, and in which words its channel's topic says who is on duty."""
    return await _shown(request, app, await stand(request, app))


async def _shown(
    request: Asked,
    app: TheApp,
    place: Place,
    given: Mapping[str, str] | None = None,
    error: TallybookError | None = None,
) -> Response[str]:
    business_id, team_id = place.actor.business_id, place.of.facts.team.id
    manner = await app.db.run("read how a team is told", lambda conn: manners.read(conn, business_id, team_id))
    now = {
        "channel": manner.channel, "admin_channel": manner.admin_channel, "user_group": manner.user_group,
        "topic": manner.topic, "language": manner.language, "heads_up": f"{manner.heads_up:%H:%M}",
        "late_after": str(manner.late_after),
    }  # fmt: skip
    context: dict[str, Any] = {"typed": now | dict(given or {}), "languages": LANGUAGES}
    return show(request, place, "telling", context, error)


@post(TELLING, include_in_schema=False)
async def write_telling(request: Asked, app: TheApp) -> Response[Any]:
    """Has a team be told as the form says."""
    place = await stand(request, app)
    given = await given_in(request)
    team_id = place.of.facts.team.id
    try:
        manner = _typed(given)
        await app.db.run("write how a team is told", lambda conn: manners.change(conn, place.actor, team_id, manner))
    except (Conflict, Invalid) as error:
        return await _shown(request, app, place, given, error)
    return Redirect(place.link(TELLING), status_code=303)


def _typed(given: Mapping[str, str]) -> Manner:
    """What was typed. Raises Invalid."""
    texts = {name: given.get(name, "").strip() for name in ("channel", "admin_channel", "user_group", "language")}
    topic = " ".join(given.get("topic", "").split())
    late_after = number_in(given.get("late_after", "").strip(), 4) or 0
    return Manner(**texts, topic=topic, heads_up=clock_time(given.get("heads_up", "")), late_after=late_after)


HANDLERS = [telling_page, write_telling]
