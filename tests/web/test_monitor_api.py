"""The monitor's API: envelopes, rights, cursors, locks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import pytest

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Database
from tallybook.monitor.service import reviews
from tallybook.monitor.types import LOCK_LASTS, STEP_COLUMNS, Filters
from tallybook.web import monitor
from tests import world
from tests.web.browser import MOHADIN, post, set_up
from tests.web.built_once import application
from tests.web.conftest import HERE, OpenApi

PATH = "/api/wa-monitor-drops"
AGE = "update qa_photo_reviews set locked_at = locked_at - %(by)s::interval"


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await set_up(db, business)
    return business


@pytest.fixture
async def root(db: Database, home: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.root(conn, home))


@pytest.fixture
async def api(open_api: OpenApi, root: world.Someone) -> httpx.AsyncClient:
    return await open_api(root)


async def id_of(db: Database, home: Business, drop: str) -> UUID:
    rows = await db.run("find", lambda conn: reviews.listed(conn, home, Filters(search=drop)))
    return rows[0].id


def error_of(answer: httpx.Response) -> dict[str, Any]:
    said: dict[str, Any] = answer.json()
    assert said["success"] is False
    assert set(said["error"]) == {"code", "message", "details"}
    return dict(said["error"])


async def test_a_list_is_paged_by_an_opaque_cursor(api: httpx.AsyncClient, db: Database, home: Business) -> None:
    for number in range(51):
        await post(db, home, f"DR17{number:05}", ago=timedelta(seconds=number))
    await post(db, home, "DR1700007 again")
    anyday = {"from": "", "to": ""}
    first = (await api.get(PATH, params=anyday)).json()
    assert first["success"] is True
    assert first["data"]["total"] == 51
    assert first["data"]["drops"][0]["drop_number"] == "DR1700007"
    second = (await api.get(PATH, params=anyday | {"after": first["data"]["after"]})).json()["data"]
    assert second["after"] is None
    numbers = [drop["drop_number"] for drop in first["data"]["drops"] + second["drops"]]
    assert len(numbers) == len(set(numbers)) == 51


@pytest.mark.parametrize("query", ["after=zzz", "after=e30", "show=none", "from=2026-02-30", "to=99999-01-01"])
async def test_a_query_that_means_nothing_is_an_error(api: httpx.AsyncClient, query: str) -> None:
    answer = await api.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "VALIDATION_ERROR"


async def test_filters_narrow_the_list(api: httpx.AsyncClient, db: Database, home: Business) -> None:
    await post(db, home, "DR1752104")
    await post(db, home, "DR1752105", where=MOHADIN)
    for query, wanted in (("project=Mohadin", ["DR1752105"]), ("q=2104", ["DR1752104"]), ("show=complete", [])):
        drops = (await api.get(f"{PATH}?{query}")).json()["data"]["drops"]
        assert [drop["drop_number"] for drop in drops] == wanted


async def test_a_review_is_read_changed_and_completed(api: httpx.AsyncClient, db: Database, home: Business) -> None:
    await post(db, home, "DR1752104")
    path = f"{PATH}/{await id_of(db, home, 'DR1752104')}"
    whole = (await api.get(path)).json()["data"]
    assert whole["verdicts"] == ["missing"] * 12
    assert [one["effect"] for one in whole["posts"]] == ["created"]
    changed = (await api.patch(path, json={"reasons": {STEP_COLUMNS[0]: "Blurry"}, "comment": "Look"})).json()["data"]
    assert changed["reasons"] == {STEP_COLUMNS[0]: "Blurry"}
    everything = {"ticks": dict.fromkeys(STEP_COLUMNS, True), "reasons": {STEP_COLUMNS[0]: ""}}
    assert (await api.patch(path, json=everything)).json()["data"]["completed"] is True
    assert len((await api.get(path)).json()["data"]["changes"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"ticks": {"step_99": True}}, {"reasons": {STEP_COLUMNS[0]: "x" * 501}}, {"comment": "x" * 10_001},
        {"ticks": "all"}, {"ticks": {STEP_COLUMNS[0]: "yes"}}, [], {"comment": "a NUL \0 in it"},
        {"reasons": {STEP_COLUMNS[0]: "Blurry\0"}},
    ],
)  # fmt: skip
async def test_a_change_that_cannot_be_is_refused(
    api: httpx.AsyncClient, db: Database, home: Business, body: Any
) -> None:
    await post(db, home, "DR1752104")
    answer = await api.patch(f"{PATH}/{await id_of(db, home, 'DR1752104')}", json=body)
    assert answer.status_code == 400
    error_of(answer)


async def test_a_lock_keeps_others_out_until_it_is_given_back(
    api: httpx.AsyncClient, open_api: OpenApi, db: Database, home: Business, root: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    path = f"{PATH}/{await id_of(db, home, 'DR1752104')}"
    bia = await db.run("add", lambda conn: world.bia(conn, home))
    assert (await api.post(f"{path}/lock")).json()["data"]["name"] == root.name
    other = await api_for(open_api, db, home, bia)
    for answer in (await other.post(f"{path}/lock"), await other.patch(path, json={"comment": "Mine"})):
        assert answer.status_code == 409
        error = error_of(answer)
        assert error["code"] == "LOCKED_BY_ANOTHER_USER"
        assert error["details"]["locked_by"] == root.name
    await other.post(f"{path}/unlock")
    assert (await other.post(f"{path}/lock")).status_code == 409
    await api.post(f"{path}/unlock")
    assert (await other.post(f"{path}/lock")).status_code == 200


async def test_what_is_posted_again_is_looked_at_once_and_for_the_posts_that_were_shown(
    api: httpx.AsyncClient, db: Database, home: Business
) -> None:
    await post(db, home, "DR1752104")
    path = f"{PATH}/{await id_of(db, home, 'DR1752104')}"
    await api.patch(path, json={"ticks": dict.fromkeys(STEP_COLUMNS, True)})
    await post(db, home, "DR1752104 again")

    async def are_open() -> int:
        total: int = (await api.get(PATH, params={"show": "open"})).json()["data"]["total"]
        return total

    assert await are_open() == 1
    early = await api.post(f"{path}/looked-at", json={"posts": 1})
    assert early.status_code == 409
    assert error_of(early)["code"] == "POSTED_MEANWHILE"
    assert error_of(early)["details"] == {"posts": 2}
    for _ in range(2):
        review = (await api.post(f"{path}/looked-at", json={"posts": 2})).json()["data"]
        assert (review["completed"], review["resubmitted"]) == (True, False)
    assert await are_open() == 0
    changes = (await api.get(path)).json()["data"]["changes"]
    assert [change["action"] for change in changes] == ["review.saved", "review.looked_at"]
    for nonsense in ({}, {"posts": -1}, {"posts": 2**40}, {"posts": "two"}):
        assert (await api.post(f"{path}/looked-at", json=nonsense)).status_code == 400
    assert (await api.post(f"{PATH}/{uuid4()}/looked-at", json={"posts": 1})).status_code == 404


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(hours=1)])
async def test_a_lock_ends_by_the_database_s_clock_whatever_the_web_server_s_shows(
    api: httpx.AsyncClient,
    open_api: OpenApi,
    db: Database,
    home: Business,
    monkeypatch: pytest.MonkeyPatch,
    ahead: timedelta,
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + ahead

    await post(db, home, "DR1752104")
    path = f"{PATH}/{await id_of(db, home, 'DR1752104')}"
    bia = await db.run("add", lambda conn: world.bia(conn, home))
    other = await api_for(open_api, db, home, bia)
    monkeypatch.setattr(monitor, "datetime", Wrong)
    until = datetime.fromisoformat((await api.post(f"{path}/lock")).json()["data"]["until"])
    assert timedelta(0) < until - datetime.now(UTC) <= LOCK_LASTS + timedelta(seconds=5)
    assert (await other.get(path)).json()["data"]["review"]["lock"]["until"] is not None
    assert (await other.post(f"{path}/lock")).status_code == 409
    await db.run("age", lambda conn: conn.execute(AGE, {"by": LOCK_LASTS}))
    assert (await other.get(path)).json()["data"]["review"]["lock"] is None
    assert (await other.post(f"{path}/lock")).status_code == 200


async def api_for(open_api: OpenApi, db: Database, home: Business, who: world.Someone) -> httpx.AsyncClient:
    """A token of somebody who may not make one himself, made as an admin's would be."""
    admin = world.Someone(who.account_id, who.login, who.name, world.Role.ADMIN, who.business)
    return await open_api(admin)


async def test_only_the_caller_s_business_is_there(
    api: httpx.AsyncClient, open_api: OpenApi, db: Database, home: Business
) -> None:
    other = await db.run("add", world.kinneret_tours)
    await set_up(db, other)
    await post(db, other, "DR9999999")
    theirs = await id_of(db, other, "DR9999999")
    for review_id in (theirs, uuid4()):
        path = f"{PATH}/{review_id}"
        answers = [await api.get(path), await api.patch(path, json={"comment": "x"}), await api.post(f"{path}/lock")]
        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert error_of(answers[0])["code"] == "NOT_FOUND"
    await api.post(f"{PATH}/{theirs}/unlock")
    assert (await api.get(f"{PATH}?from=&to=")).json()["data"]["total"] == 0


async def test_who_may_only_read_cannot_write(
    open_api: OpenApi, db: Database, home: Business, root: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    path = f"{PATH}/{await id_of(db, home, 'DR1752104')}"
    reader = await open_api(root, Scope.READ)
    assert (await reader.get(path)).status_code == 200
    refused = [
        await reader.patch(path, json={"comment": "x"}),
        await reader.post(f"{path}/lock"),
        await reader.post(f"{path}/unlock"),
    ]
    assert [answer.status_code for answer in refused] == [403, 403, 403]


async def test_a_stranger_gets_nothing(app: App) -> None:
    transport = httpx.ASGITransport(application(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
        for path in (PATH, f"{PATH}/{uuid4()}", "/api/wa-monitor-daily-drops", "/live"):
            answer = await client.get(path, headers={"accept": "application/json"})
            assert answer.status_code == 401
            error_of(answer)


async def test_the_day_is_counted_for_programs_too(api: httpx.AsyncClient, db: Database, home: Business) -> None:
    await post(db, home, "DR1752104 DR1752105")
    days = (await api.get("/api/wa-monitor-daily-drops")).json()["data"]
    assert {day["project"]: day["drops"] for day in days} == {"Lawley": 2, "Mohadin": 0, "Marketing Activations": 0}
    assert all(len(day["usual"]) == 14 for day in days)


async def test_openapi_describes_it(api: httpx.AsyncClient) -> None:
    paths = (await api.get("/schema/openapi.json")).json()["paths"]
    assert {PATH, f"{PATH}/{{review_id}}", "/api/wa-monitor-daily-drops"} <= set(paths)
    assert "cursor" in paths[PATH]["get"]["description"] or "after" in paths[PATH]["get"]["description"]
