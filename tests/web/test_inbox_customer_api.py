"""Joining two customers through the API: looked at first, joined into who was known first, and parted again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database
from tests import world as office
from tests.inbox import world
from tests.inbox.world import AVI, NOA, Someone
from tests.web.conftest import OpenApi

AT = "/api/whatsapp/conversations/{}/{}"


@pytest.fixture
async def two(db: Database, business: Business) -> tuple[Someone, Someone]:
    """Two customers with a message each; the first was known first."""

    async def work(conn: Conn) -> tuple[Someone, Someone]:
        first = await world.customer(conn, business, NOA, profile="noa")
        second = await world.customer(conn, business, AVI, profile="avi")
        await world.says(conn, first, "Hello")
        await world.says(conn, second, "Hello from my other phone")
        return first, second

    return await db.run("two", work)


async def ask(api: httpx.AsyncClient, thread: object, act: str, body: dict[str, Any]) -> Any:
    answer = await api.post(AT.format(thread, act), json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_a_joining_is_looked_at_made_once_and_taken_back(
    open_api: OpenApi, root: office.Someone, two: tuple[Someone, Someone]
) -> None:
    api, (first, second) = await open_api(root), two
    look = await ask(api, second.id, "same", {"who": NOA})
    assert [look[side]["thread"]["conversation_id"] for side in ("kept", "gone")] == [first.id, second.id]
    assert [look[side]["messages"] for side in ("kept", "gone")] == [1, 1]
    for thread, other in ((second, "kept"), (first, "gone")):
        joined = await ask(api, thread.id, "join", {"contact": look[other]["contact"]})
        assert joined["thread"]["conversation_id"] == first.id
        assert joined["joining"]["goes_back"] == 1
    told = (await api.get(AT.format(first.id, "joining"))).json()["data"]
    assert told == joined
    for _ in range(2):
        parted = await ask(api, first.id, "part", {"joining": joined["joining"]["id"]})
        assert parted["thread"]["conversation_id"] == first.id
        assert parted["joining"] is None
    again = await ask(api, second.id, "same", {"who": str(first.id)})
    assert [again[side]["messages"] for side in ("kept", "gone")] == [1, 1]


async def test_what_is_nobody_s_or_the_same_thread_is_refused_and_only_reviewers_join(
    open_api: OpenApi, root: office.Someone, two: tuple[Someone, Someone]
) -> None:
    api, (first, second) = await open_api(root), two
    for act, body, status in (
        ("same", {"who": NOA}, 400), ("same", {"who": "+27820000099"}, 404), ("same", {"who": ""}, 404),
        ("same", {"who": "x" * 101}, 400), ("join", {"contact": 10**6}, 404), ("join", {"contact": 10**30}, 404),
        ("join", {"contact": 0}, 404), ("part", {"joining": 7}, 404), ("part", {"joining": -1}, 404),
    ):  # fmt: skip
        answer = await api.post(AT.format(first.id, act), json=body)
        assert answer.status_code == status, (act, body, answer.text)
    may_not = await open_api(root, Scope.READ)
    for act, body in (("same", {"who": NOA}), ("join", {"contact": 1}), ("part", {"joining": 1})):
        assert (await may_not.post(AT.format(second.id, act), json=body)).status_code == 403, act
    assert (await may_not.get(AT.format(second.id, "joining"))).status_code == 403
