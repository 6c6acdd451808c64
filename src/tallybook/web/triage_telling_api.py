"""For programs: how a team is told of its rota, links to calendars, and whose account somebody of Slack has."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from tallybook.core import people as accounts
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.triage.service import actors, feeds, manners
from tallybook.triage.service.feeds import Made
from tallybook.triage.store.feeds import Feed, Scope
from tallybook.triage.types import Manner

from .answers import Ok, ok
from .needs import Asked, TheApp
from .triage_api import ROOT, TAGS, TEAM, actor_of, number, read
from .triage_feeds import FEEDS as ADDRESS
from .triage_people_api import PEOPLE
from .triage_rota_api import Changed

FEEDS = ROOT + "/feeds"
LONGEST_KEY = 100


class Link(msgspec.Struct, frozen=True):
    """A new link: where its calendar and its picture are. The secret in it is told now and never again."""

    id: int
    calendar: str
    picture: str


class NewLink(Scope, frozen=True):
    """Whose shifts a link is to show.

    By a ``key``, or the header ``Idempotency-Key``, a repeat of that day makes no second one, and is answered with the
    same address.
    """

    key: str = ""


class Account(msgspec.Struct, frozen=True):
    """An account of the business; null is none."""

    account_id: int | None


@get(TEAM + "/telling", tags=TAGS)
async def read_telling(request: Asked, app: TheApp, team: FromPath[int]) -> Ok[Manner]:
    """In which channels, in which language and when a team is told of its rota."""

    async def work(conn: Conn) -> Manner:
        return await manners.read(conn, (await read(conn, request, team)).actor.business_id, team)

    return ok(await app.db.run("read telling", work))


@put(TEAM + "/telling", tags=TAGS)
async def change_telling(request: Asked, app: TheApp, team: FromPath[int], data: JSONBody[Manner]) -> Ok[Manner]:
    """Has a team be told in this way. For who may lead."""

    async def work(conn: Conn) -> None:
        await manners.change(conn, (await read(conn, request, team)).actor, team, data)

    await app.db.run("change telling", work)
    return ok(data)


@get(FEEDS, tags=TAGS)
async def list_links(request: Asked, app: TheApp) -> Ok[list[Feed]]:
    """The links that hold and that one may take back: one's own, and for who may lead all; without their secrets."""

    async def work(conn: Conn) -> list[Feed]:
        return await feeds.listed(conn, await actor_of(conn, request))

    return ok(await app.db.run("list links", work))


@post(FEEDS, tags=TAGS, status_code=201)
async def make_link(request: Asked, app: TheApp, data: JSONBody[NewLink]) -> Ok[Link]:
    """Makes a link to the shifts of a person, a discipline or a team (``kind``); whoever has it needs no log-in."""
    if data.team_id is not None:
        number(data.team_id)

    key = data.key or request.headers.get("idempotency-key", "")
    if len(key) > LONGEST_KEY:
        raise Invalid(f"A key has at most {LONGEST_KEY} characters.")
    scope, now = Scope(data.kind, data.team_id, data.discipline, data.slack_id), datetime.now(UTC)

    async def work(conn: Conn) -> Made:
        actor = await actor_of(conn, request)
        given = f"api {key}" if key else ""
        secret = feeds.secret_by(app.settings.secret_keys()[0], actor, scope, given, now)
        return await feeds.make(conn, actor, scope, now, secret=secret)

    made = await app.db.run("make link", work)
    address = f"{app.settings.public_url}{ADDRESS}/{made.token}"
    return ok(Link(made.id, f"{address}.ics", f"{address}.png"))


@delete(FEEDS + "/{feed:int}", tags=TAGS, status_code=200)
async def revoke_link(request: Asked, app: TheApp, feed: FromPath[int]) -> Ok[Changed]:
    """Ends a link at once. 404 where it does not hold."""

    async def work(conn: Conn) -> None:
        await feeds.revoke(conn, await actor_of(conn, request), number(feed), datetime.now(UTC))

    await app.db.run("revoke link", work)
    return ok(Changed(changed=True))


@put(PEOPLE + "/{slack_id:str}/account", tags=TAGS)
async def link_account(request: Asked, app: TheApp, slack_id: FromPath[str], data: JSONBody[Account]) -> Ok[Changed]:
    """Has an account be somebody's of Slack, so that they may there what it may. For admins. 409 for another's."""
    require(request.user, Right.ADMINISTER)

    async def work(conn: Conn) -> None:
        ours = {one.account_id for one in await accounts.people(conn, request.user.business_id)}
        if data.account_id is not None and data.account_id not in ours:
            raise Invalid("There is no such person here.")
        why = (await actor_of(conn, request)).why
        await actors.link(conn, request.user, slack_id, data.account_id, why=why)

    await app.db.run("link account", work)
    return ok(Changed(changed=True))


HANDLERS = [read_telling, change_telling, list_links, make_link, revoke_link, link_account]
