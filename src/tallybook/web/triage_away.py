"""The rota for programs while the database is away: by the copy, which says of when it is, and to be read alone.

Who asks is known by the copy too: it has the hashes of the tokens that held when it was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType

from tallybook import rota_snapshot
from tallybook.app import App
from tallybook.core import secret_tokens
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.marking import N_
from tallybook.triage.rules import Schedule

from .answers import Meta, Ok
from .triage_frame import NO_TEAM

AS_OF = "x-tallybook-as-of"
NO_MOMENT = N_("Give a moment with its zone, such as 2026-03-02T08:00:00Z, from the year 2000 on.")


class KeptMeta(Meta, frozen=True):
    """``as_of`` is when what is told was so."""

    as_of: datetime


class Stood(msgspec.Struct, frozen=True):
    """A team's schedule as it was at a moment."""

    schedule: Schedule
    as_of: datetime


async def stood(request: Request[Any, Any, Any]) -> Stood | None:
    """The team that is asked for; None where there is no copy, or it knows no such token.

    Raises NotFound for a team that the token's business has not.
    """
    app: App = request.app.state.app
    shelf = rota_snapshot.shelf(rota_snapshot.path_of(app.settings))
    await shelf.refresh()
    kept = shelf.current()
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if kept is None or scheme.lower() != "bearer":
        return None
    business_id = kept.readers.get(secret_tokens.digest(token.strip()).hex())
    if business_id is None:
        return None
    for one in kept.teams_of(business_id):
        if one.facts.team.id == request.path_params["team"]:
            return Stood(shelf.schedule(one), kept.as_of)
    raise NotFound(NO_TEAM)


def given(request: Request[Any, Any, Any], name: str) -> datetime | None:
    """A moment of the query. Raises Invalid for what is none."""
    text = request.query_params.get(name)
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(NO_MOMENT) from None


def answer(found: Stood, data: Sequence[object]) -> Response[bytes]:
    """What is told by the copy, with of when it is."""
    body = Ok(data, KeptMeta(datetime.now(UTC), found.as_of))
    headers = {"cache-control": "no-store", AS_OF: found.as_of.isoformat()}
    return Response(msgspec.json.encode(body), media_type=MediaType.JSON, headers=headers)
