"""A webhook is answered 200 only when its raw bytes are durable; with any other answer nothing was taken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import REGISTRY

from tallybook.app import App
from tallybook.core.channel import MAX_BODY
from tallybook.core.db import Database, open_database
from tallybook.core.receive import Bounds, receiving
from tallybook.web import webhooks
from tallybook.web.webhooks import Webhooks
from tests.channel_suite import Case, WebhookSuite
from tests.core.worked import rows, until
from tests.fakes import LATE, FakeChannel, body_of, said
from tests.postgres import Server

HERE = "http://tallybook.test"
FAKE = FakeChannel()
HOOKS = {"fake": FAKE}


class TestFakeChannel(WebhookSuite):
    @pytest.fixture
    def case(self) -> Case:
        return Case(FAKE, FAKE.signed, body_of(said("1"), said("2")), body_of({"id": "3", "type": "poll"}), LATE)


def client_of(application: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=HERE)


@pytest.fixture
async def client(app: App, asgi_app: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with webhooks.in_front_of(asgi_app, HOOKS, app) as application, client_of(application) as client:
        yield client


async def post(client: httpx.AsyncClient, body: bytes, **more: Any) -> httpx.Response:
    return await client.post("/webhooks/fake", content=body, headers=FAKE.signed(body) | more.pop("headers", {}))


async def stored(db: Database) -> list[bytes]:
    return [body for (body,) in await rows(db, "select body from deliveries order by id")]


def answered(status: int) -> float:
    return REGISTRY.get_sample_value("tallybook_webhooks_total", {"channel": "fake", "status": str(status)}) or 0.0


async def test_what_is_answered_200_is_stored_byte_for_byte(db: Database, client: httpx.AsyncClient) -> None:
    for body in (b'{ "updates" : [] }\r\n', b"", b"\x00\xff\\x00"):
        answer = await post(client, body)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert await stored(db) == [b'{ "updates" : [] }\r\n', b"", b"\x00\xff\\x00"]


async def test_the_same_webhook_again_is_answered_counted_and_kept_once(
    db: Database, client: httpx.AsyncClient
) -> None:
    def again() -> float:
        return REGISTRY.get_sample_value("tallybook_webhooks_again_total", {"channel": "fake"}) or 0.0

    before, body = again(), body_of(said("1"))
    with structlog.testing.capture_logs() as told:
        assert (await post(client, body)).status_code == 200
        assert again() == before
        for _ in range(2):
            assert (await post(client, body)).status_code == 200
        answers = await asyncio.gather(*(post(client, one) for one in (body, body_of(said("2")), body)))
    assert {one.status_code for one in answers} == {200}
    assert again() == before + 4
    lines = [one["event"] for one in told if "WA-DEDUPE" in one["event"]]
    assert lines == [f"[WA-DEDUPE] ⏭️ Skipping duplicate delivery={sha256(body).hexdigest()[:12]}"] * 4
    assert len(await stored(db)) == 2


async def test_two_hundred_posts_at_once_share_few_transactions(db: Database, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(post(client, body_of(said(str(n)))) for n in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    ((count, transactions),) = await rows(db, "select count(*), count(distinct xmin::text) from deliveries")
    assert count == 200
    assert transactions <= 20


@pytest.mark.parametrize("headers", [
    {"x-fake-signature": ""}, {"x-fake-signature": "é".encode()}, {"x-fake-at": "soon"},
    FAKE.signed(b"{}", datetime.now(UTC) - timedelta(hours=1)),
])  # fmt: skip
async def test_a_wrong_signature_is_refused_counted_and_leaves_nothing(
    db: Database, client: httpx.AsyncClient, headers: dict[str, Any]
) -> None:
    before = answered(401)
    answer = await post(client, b"{}", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"
    assert answered(401) == before + 1
    assert await stored(db) == []


async def test_a_body_over_the_limit_is_refused_whether_announced_or_not(
    db: Database, client: httpx.AsyncClient
) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * (MAX_BODY // 4 + 1)

    assert (await post(client, b"x" * (MAX_BODY + 1))).status_code == 413
    assert (await client.post("/webhooks/fake", content=unannounced())).status_code == 413
    assert await stored(db) == []


@pytest.mark.parametrize("size", [3 * 1024 * 1024, 3 * 1024 * 1024 + 1, MAX_BODY])
async def test_three_megabytes_are_taken_however_they_are_reckoned(
    db: Database, client: httpx.AsyncClient, size: int
) -> None:
    assert (await post(client, b"x" * size)).status_code == 200
    assert [len(body) for body in await stored(db)] == [size]


@pytest.mark.parametrize("path", ["/webhooks/other", "/webhooks/", "/webhooks/fake/", "/webhooks/fake/more"])
async def test_a_channel_that_is_not_configured_is_not_there(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(path, content=b"{}", headers=FAKE.signed(b"{}"))).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_a_webhook_takes_post_alone(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/webhooks/fake")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_everything_else_is_the_pages_own(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/webhooks")).status_code in {401, 404}


async def test_with_the_database_away_it_is_kept_on_disk_and_with_that_full_the_sender_comes_again(
    server: Server, tmp_path: Path, asgi_app: Any
) -> None:
    await asyncio.to_thread(server.stop)
    quick = Bounds(patience=0.2, look_again=0.05, look_at_most=0.2)
    async with (
        open_database(server.url(), "prod") as away,
        receiving(away, tmp_path / "spool", 2000, quick) as receiver,
        client_of(Webhooks(asgi_app, HOOKS, receiver)) as client,
    ):
        assert (await post(client, b"x" * 1500)).status_code == 200
        refused = await post(client, b"y" * 1500)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"]["code"] == "UNAVAILABLE"
        await asyncio.to_thread(server.start)

        async def taken() -> bool:
            return not receiver.away

        await until(taken)
        assert (await post(client, b"y" * 1500)).status_code == 200
        assert await stored(away) == [b"x" * 1500, b"y" * 1500]


async def test_bodies_that_are_being_read_have_a_bound_together(db: Database, app: App, asgi_app: Any) -> None:
    gate = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * 800
        await gate.wait()

    settings = app.settings
    async with receiving(app.db, settings.spool_dir, settings.spool_limit_bytes) as receiver:
        application = Webhooks(asgi_app, HOOKS, receiver, max_reading=1000)
        async with client_of(application) as client:
            slow = asyncio.create_task(client.post("/webhooks/fake", content=slowly(), headers=FAKE.signed(b"x" * 800)))

            async def reading() -> bool:
                return application._reading == 800

            await until(reading)
            assert (await post(client, b"y" * 300)).status_code == 503
            gate.set()
            assert (await slow).status_code == 200
            assert (await post(client, b"y" * 300)).status_code == 200
    assert len(await stored(db)) == 2


async def test_a_sender_that_hangs_up_leaves_nothing_half(db: Database, app: App, asgi_app: Any) -> None:
    async with webhooks.in_front_of(asgi_app, HOOKS, app) as application:
        heard: list[Any] = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
        sent: list[Any] = []

        async def hear() -> Any:
            return heard.pop(0)

        async def say(message: Any) -> None:
            sent.append(message)

        scope: Any = {"type": "http", "method": "POST", "path": "/webhooks/fake", "headers": []}
        await application(scope, hear, say)
    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"])["success"] is False
    assert application._reading == 0
    assert await stored(db) == []
