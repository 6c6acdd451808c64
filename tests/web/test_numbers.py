"""A number that no row can have, in any address, query and body: an answer of ours, and never a fault."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tallybook.app import App
from tallybook.core import api_tokens
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database
from tallybook.web import live
from tests import world as office
from tests.inbox import world
from tests.inbox.world import NOA
from tests.web import described
from tests.web.built_once import application
from tests.web.conftest import HERE

# The least that no column holds, and one that is none of the server's whole numbers.
TOO_LARGE, LARGEST = 2**63, 2**70
UUID = "269e142c-deca-4788-aa66-687c107ce0be"


@pytest.fixture
async def who(db: Database, business: Business) -> world.Someone:
    async def work(conn: Conn) -> world.Someone:
        noa = await world.customer(conn, business, NOA, lead="Noa", profile="noa")
        await world.says(conn, noa, "hello", external="wamid.z")
        return noa

    return await db.run("somebody", work)


async def test_a_number_out_of_range_is_refused_wherever_it_stands(
    app: App, db: Database, who: world.Someone, root: office.Someone
) -> None:
    whole = application(app)
    token = await db.run("token", lambda conn: api_tokens.create(conn, root.caller, "walk", frozenset(Scope)))
    headers = {"authorization": f"Bearer {token}", "accept": "text/html,application/json"}
    form = dict.fromkeys(described.fields(), str(LARGEST))
    faults: list[str] = []
    walked = 0
    transport = httpx.ASGITransport(whole, raise_app_exceptions=False)
    async with (
        live.lifespan()(whole.app),
        httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers) as client,
    ):
        told = await described.document(client)
        for one in described.operations(whole.app, told):
            query = {name: described.body(kind, told, filled, name) for name, kind in one.query.items()}
            sent = {"json": described.body(one.body, told, filled)} if one.is_api else {"data": form}
            more = {"params": query or form} | ({} if one.method == "GET" else sent)
            for path in sorted({one.path(who.id, UUID), one.path(TOO_LARGE, UUID)}):
                answer = await client.request(one.method, path, **more)
                walked += 1
                if answer.status_code >= 500:
                    faults.append(f"{one.method} {path} {answer.status_code}")
    assert faults == []
    assert walked > 500


def filled(_name: str, schema: dict[str, Any]) -> Any:
    return described.plausible(schema, LARGEST)
