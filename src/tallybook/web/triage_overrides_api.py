"""Cover for programs: who could take a turn, asking for it, and deciding on it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.triage.rules_cover import Proposal, Refusal, proposals
from tallybook.triage.rules_overrides import Asked as AskedFor
from tallybook.triage.rules_overrides import Part, State
from tallybook.triage.service import overrides
from tallybook.triage.store import asked as store
from tallybook.triage.store.asked import Listed

from .answers import Ok, ok
from .needs import Asked, TheApp
from .triage_api import MOST, TAGS, TEAM, Stood, moment, number, period, read, stood

OVERRIDES = TEAM + "/overrides"
LONGEST_KEY = 100


class Helpers(msgspec.Struct, frozen=True):
    """Who could be on duty in a period, the fairest first, and who could not, and why."""

    proposals: list[Proposal]
    refused: list[Refusal]


class NewPart(msgspec.Struct, frozen=True):
    """That ``person`` (a Slack id) be on duty in a discipline from a moment until another.

    With null nobody is, at once: for who may lead, and with a reason.
    """

    discipline: str
    person: str | None
    starts_at: datetime
    ends_at: datetime

    @property
    def part(self) -> Part:
        """Raises Invalid."""
        return Part(self.discipline, self.person, moment(self.starts_at), moment(self.ends_at))


class NewOverride(msgspec.Struct, frozen=True):
    """What is asked for. ``key``, or the header ``Idempotency-Key``, asks once: a repeat is answered with the first.

    ``exchange`` is what whoever gives the turn takes for it. ``at_once``: approve it, for who may lead.
    """

    part: NewPart
    exchange: NewPart | None = None
    reason: str = ""
    key: str = ""
    at_once: bool = False


class Note(msgspec.Struct, frozen=True):
    """What should be said of a decision."""

    note: str = ""


@get(OVERRIDES, tags=TAGS)
async def list_overrides(
    request: Asked, app: TheApp, team: FromPath[int], over: FromQuery[bool] = False,
    below: FromQuery[int | None] = None, limit: FromQuery[int] = 50,
) -> Ok[list[Listed]]:  # fmt: skip
    """What waits, is in force or ahead; with ``over`` what was, the newest first, the next page ``below`` the last."""
    found = await stood(request, app, team)
    if not 1 <= limit <= MOST:
        raise Invalid(f"The limit is a number from 1 to {MOST}.")
    business, now, last = found.actor.business_id, datetime.now(UTC), number(below) if below is not None else None

    async def work(conn: Conn) -> list[Listed]:
        if over:
            return await store.over(conn, business, team, now, below=last, limit=limit)
        return await store.still_open(conn, business, team, now)

    return ok(await app.db.run("list overrides", work))


@get(TEAM + "/helpers", tags=TAGS)
async def list_helpers(
    request: Asked, app: TheApp, team: FromPath[int], discipline: FromQuery[str], since: FromQuery[datetime],
    until: FromQuery[datetime],
) -> Ok[Helpers]:  # fmt: skip
    """Who could take a discipline over in a period, and why. 404 for a discipline that there is not."""
    found, span = await stood(request, app, team), period(since, until)
    return ok(Helpers(*proposals(found.schedule, discipline, *span)))


@post(OVERRIDES, tags=TAGS, status_code=201)
async def ask_for_cover(
    request: Asked, app: TheApp, team: FromPath[int], data: JSONBody[NewOverride]
) -> Ok[list[AskedFor]]:
    """Asks for cover, or with ``exchange`` for an exchange of turns; the request, or both of them.

    403 unless it is one's own turn, one offers to take it, or one may lead. 409 where this is asked for already.
    """
    key = data.key or request.headers.get("idempotency-key", "")
    if not key or len(key) > LONGEST_KEY:
        raise Invalid(f"Give a key of at most {LONGEST_KEY} characters, so that a repeat asks nothing twice.")
    part, exchange = data.part.part, data.exchange.part if data.exchange is not None else None

    async def work(conn: Conn) -> list[AskedFor]:
        actor, now, keyed = (await read(conn, request, team)).actor, datetime.now(UTC), f"api {key}"
        if part.person is None and exchange is None:
            return [await overrides.unassign(conn, actor, team, part, now, key=keyed, reason=data.reason)]
        if exchange is None:
            made = [await overrides.request(conn, actor, team, part, now, key=keyed, reason=data.reason)]
        else:
            parts = (part, exchange)
            made = list(await overrides.request_swap(conn, actor, team, parts, now, key=keyed, reason=data.reason))
        if data.at_once and made[0].state is State.PENDING:
            return await overrides.approve(conn, actor, made[0].id, now)
        return made

    return ok(await app.db.run("ask for cover", work))


@post(OVERRIDES + "/{override:int}/approve", tags=TAGS, status_code=200)
async def approve(request: Asked, app: TheApp, team: FromPath[int], override: FromPath[int]) -> Ok[list[AskedFor]]:
    """Has the other be on duty; both, where it is an exchange. For who may lead. 409 tells who was first."""

    async def work(conn: Conn) -> list[AskedFor]:
        actor = (await _of(conn, request, team, override)).actor
        return await overrides.approve(conn, actor, override, datetime.now(UTC))

    return ok(await app.db.run("approve override", work))


@post(OVERRIDES + "/{override:int}/decline", tags=TAGS, status_code=200)
async def decline(
    request: Asked, app: TheApp, team: FromPath[int], override: FromPath[int], data: JSONBody[Note]
) -> Ok[list[AskedFor]]:
    """Lets things be as they are; it may be asked for again. For who may lead. 409 tells who was first."""

    async def work(conn: Conn) -> list[AskedFor]:
        actor = (await _of(conn, request, team, override)).actor
        return await overrides.decline(conn, actor, override, datetime.now(UTC), note=data.note)

    return ok(await app.db.run("decline override", work))


@post(OVERRIDES + "/{override:int}/withdraw", tags=TAGS, status_code=200)
async def withdraw(
    request: Asked, app: TheApp, team: FromPath[int], override: FromPath[int], data: JSONBody[Note]
) -> Ok[list[AskedFor]]:
    """Takes a request back, or an override away; one that runs ends now. For who asked, and for who may lead."""

    async def work(conn: Conn) -> list[AskedFor]:
        actor = (await _of(conn, request, team, override)).actor
        return await overrides.withdraw(conn, actor, override, datetime.now(UTC), note=data.note)

    return ok(await app.db.run("withdraw override", work))


async def _of(conn: Conn, request: Asked, team: int, override: int) -> Stood:
    """Raises NotFound for a request that is not of this team."""
    found = await read(conn, request, team)
    if not await store.one(conn, found.actor.business_id, team, number(override)):
        raise NotFound("There is no such request.")
    return found


HANDLERS = [list_overrides, list_helpers, ask_for_cover, approve, decline, withdraw]
