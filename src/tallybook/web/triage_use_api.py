"""Disciplines over the API: their names and places, and when they are in use."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from litestar import post, put
from litestar.params import FromPath, JSONBody

from tallybook.core.db import Conn
from tallybook.triage.rules_use import Use
from tallybook.triage.service import disciplines, people
from tallybook.triage.service.disciplines import Preview
from tallybook.triage.types import Discipline

from .answers import Ok, ok
from .needs import Asked, TheApp
from .triage_api import TAGS, moment, read
from .triage_rota_api import DISCIPLINE, Changed, Difference, differences


class NewDiscipline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A discipline's name, and its place in lists."""

    name: str
    place: int = 0


class NewUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a discipline is to be in use, from a moment on; now, where none is given. What was before stays.

    ``version`` is that of the preview on which somebody decided: 409 where the rota was changed since.
    """

    in_use: bool
    at: datetime | None = None
    reason: str = ""
    version: int | None = None

    def of(self, code: str, now: datetime) -> Use:
        """Raises Invalid."""
        return Use(code, self.in_use, moment(self.at) if self.at is not None else now)


class UseChange(msgspec.Struct, frozen=True):
    """What it changes in the half year ahead, and the overrides that stand in for nobody then.

    ``version`` is of the facts by which that was found.
    """

    changes: list[Difference]
    idle: list[int]
    version: int


@put(DISCIPLINE, tags=TAGS)
async def put_discipline(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], data: JSONBody[NewDiscipline]
) -> Ok[Changed]:
    """Has a discipline have this name and place; one that is new is made. For who may lead."""
    one = Discipline(code, data.name, data.place)

    async def work(conn: Conn) -> bool:
        return await people.put_discipline(conn, (await read(conn, request, team)).actor, team, one)

    return ok(Changed(await app.db.run("put discipline", work)))


@post(DISCIPLINE + "/use/preview", tags=TAGS, status_code=200)
async def preview_use(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], data: JSONBody[NewUse]
) -> Ok[UseChange]:
    """Whose duty a discipline's going out of use, or coming back, would change. Nothing is kept. For who may lead."""

    async def work(conn: Conn) -> Preview:
        actor, now = (await read(conn, request, team)).actor, datetime.now(UTC)
        return await disciplines.preview(conn, actor, team, data.of(code, now), now)

    found = await app.db.run("preview use", work)
    return ok(UseChange(differences(found.changes), [one.id for one in found.idle], found.version))


@post(DISCIPLINE + "/use", tags=TAGS, status_code=200)
async def change_use(
    request: Asked, app: TheApp, team: FromPath[int], code: FromPath[str], data: JSONBody[NewUse]
) -> Ok[Changed]:
    """Takes a discipline out of use, or brings it back, from now on at the earliest. For who may lead."""

    async def work(conn: Conn) -> bool:
        actor, now = (await read(conn, request, team)).actor, datetime.now(UTC)
        asked = (conn, actor, team, data.of(code, now), now)
        return await disciplines.change(*asked, reason=data.reason, version=data.version)

    return ok(Changed(await app.db.run("change use", work)))


HANDLERS = [put_discipline, preview_use, change_use]
