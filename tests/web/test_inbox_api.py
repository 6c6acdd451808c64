"""The inbox's API: the first inbox's fields, threads by any name of theirs, and nothing of another business."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.callers import Role, Scope
from tallybook.core.db import Conn, Database
from tests import world as office
from tests.inbox import world
from tests.inbox.world import AVI, NOA, NOON, Someone
from tests.web.built_once import application
from tests.web.conftest import HERE, OpenApi

THREADS = "/api/crm/threads"
MARK = "/api/whatsapp/conversations/{}/mark_read"
UNMARK = "/api/whatsapp/conversations/{}/mark_unread"
LEAD = "/api/whatsapp/conversations/{}/lead"
THREAD_FIELDS = {
    "id", "name", "lead_name", "push_name", "lead_id", "phone", "phone_e164", "lastMessage", "unread", "time",
    "is_closed", "has_media",
}  # fmt: skip
MESSAGE_FIELDS = {
    "id", "body", "direction", "timestamp", "time", "status", "message_type", "source", "media_url",
}  # fmt: skip
NOBODYS = "update api_tokens set account_id = null where name = 'a program'"


@pytest.fixture
async def api(open_api: OpenApi, root: office.Someone) -> httpx.AsyncClient:
    return await open_api(root)


@pytest.fixture
async def noa(db: Database, business: Business) -> Someone:
    """A lead with one message of hers, our answer, and another of hers."""

    async def work(conn: Conn) -> Someone:
        who = await world.customer(conn, business, NOA, lead="Noa Cohen", profile="noa")
        await world.says(conn, who, "Where is my order?", said_at=NOON)
        await world.says(conn, who, "On its way", said_at=NOON + timedelta(minutes=1), source="bot")
        await world.says(conn, who, "Thanks", said_at=NOON + timedelta(minutes=2))
        return who

    return await db.run("noa", work)


async def threads_of(api: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    answer = await api.get(f"{THREADS}{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]["threads"]
    return found


def refs(who: Someone) -> list[str]:
    """All that a thread of hers is called, as it stands in a URL."""
    return [
        str(who.id),
        quote(who.key, safe=""),
        quote(NOA, safe=""),
        "27820000011",
        "082%20000%200011",
        "082-000-0011",
    ]


async def test_a_thread_has_the_fields_that_programs_of_the_first_inbox_know(
    api: httpx.AsyncClient, noa: Someone
) -> None:
    (thread,) = await threads_of(api)
    assert set(thread) > THREAD_FIELDS
    assert thread["id"] == noa.key == f"lead:{noa.business.id}:{noa.lead_id}"
    assert (thread["conversation_id"], thread["lead_id"]) == (noa.id, noa.lead_id)
    assert (thread["name"], thread["lead_name"], thread["push_name"]) == ("Noa Cohen", "Noa Cohen", "noa")
    assert (thread["phone"], thread["phone_e164"]) == (NOA, NOA)
    assert (thread["lastMessage"], thread["unread"], thread["is_closed"], thread["has_media"]) == (
        "Thanks", 2, False, False,
    )  # fmt: skip
    assert thread["time"] == "2026-02-10T10:02:00Z"


async def test_a_message_has_the_fields_that_programs_of_the_first_inbox_know(
    api: httpx.AsyncClient, noa: Someone
) -> None:
    for ref in refs(noa):
        answer = await api.get(f"{THREADS}/{ref}/messages")
        assert answer.status_code == 200, ref
        messages = answer.json()["data"]["messages"]
        assert [one["body"] for one in messages] == ["Where is my order?", "On its way", "Thanks"]
    assert set(messages[0]) == MESSAGE_FIELDS
    assert [one["source"] for one in messages] == ["customer", "bot", "customer"]
    assert [one["direction"] for one in messages] == ["in", "out", "in"]
    assert (messages[0]["timestamp"], messages[0]["time"]) == ("2026-02-10T10:00:00Z", "12:00")
    assert (await threads_of(api))[0]["unread"] == 2, "looking through the API reads nothing"


async def test_a_long_thread_and_a_long_list_are_read_page_by_page(
    api: httpx.AsyncClient, db: Database, business: Business, noa: Someone
) -> None:
    async def more(conn: Conn) -> None:
        await world.said(conn, noa, *(f"more {number}" for number in range(150)), since=NOON + timedelta(hours=1))
        for number in range(20, 70):
            await world.customer(conn, business, f"+278200000{number}", at=NOON - timedelta(minutes=number))

    await db.run("more", more)
    bodies: list[str] = []
    before = ""
    for size in (100, 53):
        page = (await api.get(f"{THREADS}/{noa.id}/messages", params={"before": before})).json()["data"]
        assert len(page["messages"]) == size
        bodies, before = [one["body"] for one in page["messages"]] + bodies, page["before"]
    assert before is None
    assert bodies[:4] == ["Where is my order?", "On its way", "Thanks", "more 0"]
    first = (await api.get(THREADS)).json()["data"]
    second = (await api.get(THREADS, params={"after": first["after"]})).json()["data"]
    assert second["after"] is None
    ids = [one["id"] for one in first["threads"] + second["threads"]]
    assert (len(first["threads"]), len(ids), len(set(ids))) == (50, 51, 51)


async def test_marking_as_read_is_done_before_it_is_answered_whatever_the_thread_is_called(
    api: httpx.AsyncClient, db: Database, noa: Someone
) -> None:
    for ref in refs(noa):
        await db.run("say", lambda conn: world.says(conn, noa, "Hello?"))
        assert (await threads_of(api))[0]["unread"] > 0
        with structlog.testing.capture_logs() as logs:
            answer = await api.post(MARK.format(ref))
        assert answer.status_code == 200, ref
        assert answer.json()["data"]["unread"] == 0
        assert (await threads_of(api))[0]["unread"] == 0
        said = f"[WA-MARK-READ] ✅ Marked conversation {noa.id} as read for business {noa.business.id}"
        assert said in [one["event"] for one in logs]
        assert NOA[1:] not in str(logs)
    assert (await api.post(UNMARK.format(noa.id))).json()["data"]["unread"] == 1
    assert (await api.post(MARK.format(noa.id))).json()["data"]["unread"] == 0


async def test_each_reads_for_himself_and_a_program_of_nobody_s_for_the_team(
    open_api: OpenApi, api: httpx.AsyncClient, db: Database, business: Business, noa: Someone
) -> None:
    await api.post(MARK.format(noa.id))
    bia = await db.run("add", lambda conn: office.someone(conn, business, login="bia", role=Role.ADMIN))
    other = await open_api(bia)
    assert (await threads_of(other))[0]["unread"] == 2
    assert [one["id"] for one in await threads_of(other, "?show=unread")] == [noa.key]
    assert await threads_of(api, "?show=unread") == []
    await db.run("leave", lambda conn: conn.execute(NOBODYS))
    assert (await threads_of(other))[0]["unread"] == 0
    assert (await other.post(UNMARK.format(noa.id))).json()["data"]["unread"] == 1
    assert (await other.post(MARK.format(noa.id))).json()["data"]["unread"] == 0


@pytest.mark.parametrize("query", ["after=zzz", "after=2026-02-10~x", "show=none", "q=" + "x" * 101, "q=%00"])
async def test_a_query_that_means_nothing_is_an_error(api: httpx.AsyncClient, query: str) -> None:
    answer = await api.get(f"{THREADS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_what_no_thread_is_called_is_not_found(api: httpx.AsyncClient, noa: Someone) -> None:
    for ref in ("0", "99", "noa", quote(AVI), "lead:1:99", "%27", "9" * 400):
        answers = [await api.get(f"{THREADS}/{ref}/messages"), await api.post(MARK.format(ref))]
        assert [one.status_code for one in answers] == [404, 404], ref
        assert answers[0].json()["error"]["code"] == "NOT_FOUND"
        assert NOA[1:] not in answers[0].text


async def test_nothing_of_a_business_is_reached_from_another(
    open_api: OpenApi, api: httpx.AsyncClient, db: Database, noa: Someone
) -> None:
    caio = await db.run("add", office.caio)
    theirs = await open_api(caio)
    own = await db.run("own", lambda conn: world.customer(conn, caio.business, AVI, profile="Avi"))
    for ref in [*refs(noa), quote(f"phone:{noa.business.id}:{NOA}", safe="")]:
        for answer in (
            await theirs.get(f"{THREADS}/{ref}/messages"),
            await theirs.post(MARK.format(ref)),
            await theirs.post(UNMARK.format(ref)),
            await theirs.post(LEAD.format(ref), json={"name": "Ours"}),
        ):
            assert answer.status_code == 404, ref
    for query in ("", "?q=noa", "?q=Cohen", "?q=0820000011", "?q=0011", "?show=unread"):
        assert [one["id"] for one in await threads_of(theirs, query)] == ([own.key] if not query else [])
    assert (await threads_of(api))[0]["unread"] == 2, "nothing was marked"


async def test_a_customer_is_made_a_lead_once_by_any_name_of_the_thread(
    open_api: OpenApi, api: httpx.AsyncClient, db: Database, root: office.Someone
) -> None:
    avi = await db.run("avi", lambda conn: world.customer(conn, root.caller.business, AVI, profile="Avi"))
    reader = await open_api(root, Scope.READ)
    assert (await reader.post(LEAD.format(avi.id))).status_code == 403
    assert (await api.post(LEAD.format(avi.id), json={"name": "x" * 201})).status_code == 400
    assert (await threads_of(api))[0]["lead_id"] is None
    made = (await api.post(LEAD.format(quote(AVI)), json={"name": " Avi <b>Levi</b> "})).json()["data"]
    assert (made["conversation_id"], made["lead_name"]) == (avi.id, "Avi <b>Levi</b>")
    assert made["id"] == f"lead:{root.caller.business_id}:{made['lead_id']}"
    for ref in (str(avi.id), quote(made["id"], safe=""), quote(AVI)):
        assert (await api.post(LEAD.format(ref), json={"name": "Another"})).json()["data"] == made, ref
        assert (await api.post(LEAD.format(ref))).json()["data"] == made, ref


async def test_who_may_only_look_marks_nothing(
    open_api: OpenApi, api: httpx.AsyncClient, root: office.Someone, noa: Someone
) -> None:
    reader = await open_api(root, Scope.READ)
    assert len(await threads_of(reader)) == 1
    assert [(await reader.post(path.format(noa.id))).status_code for path in (MARK, UNMARK)] == [403, 403]
    assert (await threads_of(api))[0]["unread"] == 2


async def test_a_stranger_gets_nothing_and_a_page_s_post_needs_its_token(app: App, noa: Someone) -> None:
    transport = httpx.ASGITransport(application(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
        for path in (THREADS, f"{THREADS}/{noa.id}/messages"):
            assert (await client.get(path)).status_code == 401
        assert (await client.post(MARK.format(noa.id))).status_code in {401, 403}


async def test_openapi_describes_it(api: httpx.AsyncClient) -> None:
    paths = (await api.get("/schema/openapi.json")).json()["paths"]
    named = "{thread_id}"
    acts = {path.format(named) for path in (MARK, UNMARK, LEAD)}
    assert {THREADS, f"{THREADS}/{named}/messages", *acts} <= set(paths)
