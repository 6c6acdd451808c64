"""The rota while the database is away: read by programs and by calendars from the copy, which says how old it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import icalendar
import pytest

from tallybook import rota_snapshot
from tallybook.app import App
from tallybook.core import api_tokens
from tallybook.core import db as core_db
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.login_limits import Limits
from tallybook.demo import rota
from tallybook.settings import Settings
from tallybook.triage.service import feeds
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.snapshots import Keeper
from tallybook.triage.store.feeds import Scope as Shown
from tallybook.web import server as web
from tests import world
from tests.core.worked import until
from tests.postgres import Server
from tests.web.conftest import HERE

SOON = 0.2  # seconds, in the place of those for which a connection is waited for
LONG = 60.0


class Given:
    """What programs and calendars were given while the database was there."""

    token: str
    revoked: str
    calendar: str
    ended: str


@pytest.fixture
async def db(server: Server) -> AsyncIterator[Database]:
    async with open_database(server.url(), "prod") as database:
        yield database


async def given(db: Database, business: Business) -> Given:
    root = await db.run("add", lambda conn: world.root(conn, business))
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))

    async def work(conn: Conn) -> Given:
        made, lead, now = Given(), Actor(business.id, "Lena", leads=True), datetime.now(UTC)
        scopes = frozenset({Scope.READ})
        made.token = await api_tokens.create(conn, root.caller, "a program", scopes)
        made.revoked = await api_tokens.create(conn, root.caller, "another", scopes)
        numbers = {one.name: one.id for one in await api_tokens.listed(conn, business.id)}
        await api_tokens.revoke(conn, root.caller, numbers["another"])
        made.calendar = (await feeds.make(conn, lead, Shown("team", 1), now)).token
        ended = await feeds.make(conn, lead, Shown("team", 1), now)
        await feeds.revoke(conn, lead, ended.id, now)
        made.ended = ended.token
        return made

    return await db.run("give", work)


async def test_programs_and_calendars_read_the_rota_by_the_copy_and_nobody_else_does(
    server: Server, db: Database, business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers = await given(db, business)
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": server.url()}, tmp_path)
    assert await Keeper(db, rota_snapshot.path_of(settings)).keep()
    whole = web.application(App(settings, db, [b"k" * 32], Limits(b"k" * 32), world.CHEAP))
    transport = httpx.ASGITransport(whole, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:

        async def ask(path: str, token: str = hers.token) -> httpx.Response:
            return await client.get(f"/api/triage/{path}", headers={"authorization": f"Bearer {token}"})

        at = "at=2026-11-23T12:00:00Z"
        before = (await ask(f"1/who?{at}")).json()["data"]
        calendar = await client.get(f"/triage/feeds/{hers.calendar}.ics")
        server.stop()
        db.pool.timeout = SOON
        monkeypatch.setattr(core_db, "AWAY_SECONDS", SOON)
        told = await ask(f"1/who?{at}")
        assert told.json()["data"] == before
        assert told.headers["x-tallybook-as-of"] == datetime.fromisoformat(told.json()["meta"]["as_of"]).isoformat()
        assert len((await ask("1/shifts")).json()["data"]) > 1
        assert [(await ask(path)).status_code for path in ("99/who", "1/who?at=x", "1/shifts?since=2026-01-01")] == [
            404, 400, 400,
        ]  # fmt: skip
        assert [(await ask("1/who", token)).status_code for token in (hers.revoked, "tb_" + "x" * 43, "")] == [503] * 3
        assert (await ask("1")).status_code == 503, "only who is on duty is answered by the copy"
        known = {"if-none-match": calendar.headers["etag"]}
        assert (await client.get(f"/triage/feeds/{hers.calendar}.ics", headers=known)).status_code == 304
        copied = await client.get(f"/triage/feeds/{hers.calendar}.ics")
        assert copied.headers["etag"] != calendar.headers["etag"], "it is read anew once the database is back"
        assert shifts_in(copied) == shifts_in(calendar)
        assert "UTC)" in str(icalendar.Calendar.from_ical(copied.content)["x-wr-calname"]), "of when it is"
        assert (await client.get(f"/triage/feeds/{hers.ended}.ics")).status_code == 503
        client.cookies.set("tallybook_session", "x" * 43)
        page = await client.get("/triage", headers={"accept": "text/html"})
        assert (page.status_code, "read meanwhile in Slack" in page.text) == (503, True)


async def test_once_the_outage_is_known_nobody_waits_for_the_copy_and_its_end_is_seen_by_asking(
    server: Server, db: Database, business: Business, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers = await given(db, business)
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": server.url()}, tmp_path)
    assert await Keeper(db, rota_snapshot.path_of(settings)).keep()
    whole = web.application(App(settings, db, [b"k" * 32], Limits(b"k" * 32), world.CHEAP))
    transport = httpx.ASGITransport(whole, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:

        async def by_the_copy() -> bool:
            answer = await client.get("/api/triage/1/who", headers={"authorization": f"Bearer {hers.token}"})
            assert answer.status_code == 200
            return "x-tallybook-as-of" in answer.headers

        await asyncio.to_thread(server.stop)
        db.pool.timeout = SOON
        assert await by_the_copy(), "the first one found out"
        db.pool.timeout = LONG
        monkeypatch.setattr(core_db, "AWAY_SECONDS", LONG)
        async with asyncio.timeout(LONG / 2):
            for _ in range(20):
                assert await by_the_copy()
                assert (await client.get(f"/triage/feeds/{hers.calendar}.ics")).status_code == 200
        await asyncio.to_thread(server.start)

        async def is_back() -> bool:
            return not await by_the_copy()

        await until(is_back)


def shifts_in(answer: httpx.Response) -> list[tuple[str, datetime, str]]:
    whole = icalendar.Calendar.from_ical(answer.content)
    return [(str(one["uid"]), one["dtstart"].dt, str(one["summary"])) for one in whole.walk("VEVENT")]
