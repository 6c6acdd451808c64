"""Calendars that somebody's absences follow, for programs."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from tallybook.core.db import Conn
from tallybook.triage.service import calendars
from tallybook.triage.service.calendars import New
from tallybook.triage.types import Calendar

from .answers import Ok, ok
from .needs import Asked, TheApp
from .triage_api import TAGS, actor_of, number
from .triage_people_api import PEOPLE

CALENDARS = PEOPLE + "/{slack_id:str}/calendars"


class NewCalendar(msgspec.Struct, frozen=True):
    """A calendar by its secret address, https or webcal. ``away``: only events count that say that somebody is away."""

    address: str
    away: bool = False

    def __repr__(self) -> str:
        return "NewCalendar()"


class Made(msgspec.Struct, frozen=True):
    """The calendar's number."""

    id: int


@get(CALENDARS, tags=TAGS)
async def list_calendars(request: Asked, app: TheApp, slack_id: FromPath[str]) -> Ok[list[Calendar]]:
    """The calendars that somebody's absences follow, without their addresses; for themselves and for who may lead.

    ``failed`` says by a word why one cannot be read: what it said at ``read_at`` counts until it can.
    """

    async def work(conn: Conn) -> list[Calendar]:
        return await calendars.listed(conn, await actor_of(conn, request), slack_id)

    return ok(await app.db.run("list calendars", work))


@post(CALENDARS, tags=TAGS, status_code=201)
async def add_calendar(
    request: Asked, app: TheApp, slack_id: FromPath[str], data: JSONBody[NewCalendar]
) -> Ok[Made]:  # fmt: skip
    """Has somebody's absences follow a calendar, which is read every half hour. The same address again is the same."""
    new = New(slack_id, data.address, data.away)

    async def work(conn: Conn) -> int:
        return await calendars.add(conn, await actor_of(conn, request), app.seal, new, datetime.now(UTC))

    return ok(Made(await app.db.run("add calendar", work)))


@delete(CALENDARS + "/{calendar:int}", tags=TAGS, status_code=200)
async def remove_calendar(
    request: Asked, app: TheApp, slack_id: FromPath[str], calendar: FromPath[int]
) -> Ok[None]:  # fmt: skip
    """Follows a calendar no longer: its absences now and ahead go with it."""

    async def work(conn: Conn) -> None:
        await calendars.remove(conn, await actor_of(conn, request), number(calendar), datetime.now(UTC), slack_id)

    await app.db.run("remove calendar", work)
    return ok(None)


HANDLERS = [list_calendars, add_calendar, remove_calendar]
