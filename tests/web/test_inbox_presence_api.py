"""Who is at a thread, through the API: told for some seconds, to the same business alone, and gone when they leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tallybook.app import App
from tallybook.core import api_tokens
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database
from tallybook.web.live import Live
from tests import world as office
from tests.inbox import world
from tests.inbox.world import NOA
from tests.web.built_once import application
from tests.web.conftest import HERE

AT = "/api/whatsapp/conversations/{}/{}"
NOBODYS = "update api_tokens set account_id = null"


@pytest.fixture
async def api(app: App, db: Database, database_url: str, root: office.Someone) -> AsyncIterator[httpx.AsyncClient]:
    """A program of root's, at a web server that hears nothing from the database."""
    whole = application(app)
    live = whole.app.state.live = Live(db, database_url)
    scopes = frozenset({Scope.READ, Scope.REVIEW})
    token = await db.run("token", lambda conn: api_tokens.create(conn, root.caller, "a program", scopes))
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(whole), base_url=HERE, headers=headers) as client:
        yield client
    await live.sayings.close()


@pytest.fixture
async def thread(db: Database, business: Business) -> int:
    async def work(conn: Conn) -> int:
        who = await world.customer(conn, business, NOA)
        await world.says(conn, who, "Hello")
        return who.id

    return await db.run("noa", work)


async def test_who_says_that_they_write_is_here_until_they_left(
    api: httpx.AsyncClient, root: office.Someone, thread: int
) -> None:
    async def until(expected: list[object]) -> None:
        async with asyncio.timeout(20):
            while (await api.get(AT.format(thread, "here"))).json()["data"] != expected:
                await asyncio.sleep(0.02)  # this server hears nothing from the database: it is asked

    await until([])
    assert (await api.post(AT.format(NOA, "here"), json={"doing": "writes"})).status_code == 200
    await until([{"person": root.account_id, "name": root.name, "doing": "writes"}])
    assert (await api.post(AT.format(thread, "here"), json={"doing": "left"})).status_code == 200
    await until([])


async def test_a_thread_of_nobody_s_and_a_token_of_nobody_s_are_refused(
    api: httpx.AsyncClient, db: Database, thread: int
) -> None:
    assert (await api.post(AT.format(thread, "typing"))).json()["data"] is None
    for act in ("typing", "here"):
        assert (await api.post(AT.format(10**6, act), json={"doing": "looks"})).status_code == 404
    assert (await api.get(AT.format(10**6, "here"))).status_code == 404
    assert (await api.post(AT.format(thread, "here"), json={"doing": "sings"})).status_code == 400

    async def nobodys(conn: Conn) -> None:
        await conn.execute(NOBODYS)

    await db.run("nobody's", nobodys)
    assert (await api.post(AT.format(thread, "here"), json={"doing": "looks"})).status_code == 400
