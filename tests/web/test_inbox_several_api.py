"""One act on several threads through the API: all of them or none, each told once that it is another's or read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database
from tallybook.inbox.service import teams
from tests import world as office
from tests.core.worked import rows
from tests.inbox import world
from tests.inbox.world import AVI, NOA
from tests.web.conftest import OpenApi

READ = "/api/whatsapp/conversations/mark_read"
ASSIGN = "/api/whatsapp/conversations/assign"
STAND = "select assigned_to, team_id, inbound - read_inbound from whatsapp_conversation order by id"


@pytest.fixture
async def talks(db: Database, business: Business) -> list[int]:
    """Two threads in which something waits."""

    async def work(conn: Conn) -> list[int]:
        both = [await world.customer(conn, business, phone) for phone in (NOA, AVI)]
        for one in both:
            await world.says(conn, one, "Hello")
        return [one.id for one in both]

    return await db.run("talks", work)


async def changed(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> list[int]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: list[int] = answer.json()["data"]["changed"]
    return found


async def test_several_are_read_and_given_at_once_and_repeats_change_nothing(
    open_api: OpenApi, db: Database, root: office.Someone, talks: list[int]
) -> None:
    api, me = await open_api(root), root.account_id
    team = await db.run("team", lambda conn: teams.add(conn, root.caller, "Sales", [me]))
    assert await changed(api, READ, {"threads": [*talks, *talks]}) == talks
    assert await changed(api, READ, {"threads": talks}) == []
    assert await changed(api, ASSIGN, {"threads": talks[:1], "person": me}) == talks[:1]
    assert await changed(api, ASSIGN, {"threads": talks, "person": me}) == talks[1:]
    assert await rows(db, STAND) == [(me, None, 0), (me, None, 0)]
    assert await changed(api, ASSIGN, {"threads": talks, "team": team}) == talks
    assert await rows(db, STAND) == [(None, team, 0), (None, team, 0)]
    assert await changed(api, ASSIGN, {"threads": talks[1:]}) == talks[1:]
    assert await rows(db, STAND) == [(None, team, 0), (None, None, 0)]


async def test_nothing_is_done_to_any_where_one_is_nobody_s_or_the_caller_may_not(
    open_api: OpenApi, db: Database, root: office.Someone, talks: list[int]
) -> None:
    api, me = await open_api(root), root.account_id
    before = await rows(db, STAND)
    for threads, status in (([*talks, 10**6], 404), ([*talks, -1], 404), ([10**30], 404), ([], 400)):
        for path, more in ((READ, {}), (ASSIGN, {"person": me})):
            answer = await api.post(path, json={"threads": threads} | more)
            assert answer.status_code == status, (path, threads)
    assert (await api.post(READ, json={"threads": list(range(1, 102))})).status_code == 400
    for owner, status in (
        ({"person": 10**6}, 400), ({"person": 10**30}, 400), ({"team": 7}, 404), ({"team": 10**30}, 404),
        ({"person": me, "team": 1}, 400),
    ):  # fmt: skip
        assert (await api.post(ASSIGN, json={"threads": talks} | owner)).status_code == status, owner
    reader = await open_api(root, Scope.READ)
    for path in (READ, ASSIGN):
        assert (await reader.post(path, json={"threads": talks})).status_code == 403
    assert await rows(db, STAND) == before
