"""Files as people and programs meet them: shown safely, to nobody else, and sent once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallybook import customer_files
from tallybook.app import App, whatsapp_sender
from tallybook.core import api_tokens, businesses, channel_accounts, outbox
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Conn, Database
from tallybook.core.kept_files import path_of, write
from tallybook.core.people import command_line
from tallybook.core.sending import Post
from tallybook.inbox.service import outcomes
from tallybook.inbox.service.files import Shown
from tallybook.settings import Settings
from tallybook.web import i18n
from tallybook.web.file_answers import range_of
from tallybook.web.inbox_file_view import file_view, told_view
from tallybook.web.inbox_order_view import ListView
from tallybook.web.times import Clock
from tests import world as office
from tests.cloud_api.server import FakeCloudApi
from tests.core.worked import rows
from tests.inbox import world
from tests.inbox.world import Someone
from tests.web.conftest import HERE, Browser

NUMBER, TOKEN = "106540352242922", "a-token-of-the-tests"
PHONE = "27820000001"
JPEG = b"\xff\xd8\xff\xe0" + b"a roof " * 2_000
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff\xff?\0"
    b"\x05\xfe\x02\xfe\xa7\x9a\xa0\xa0\0\0\0\0IEND\xaeB`\x82"
)
EVIL = b"<html><script>alert(1)</script>"
FILE = """
insert into inbox_files (business_id, message_id, kind, filename, state, sha256, type, size, width, height, reason)
values (%(business)s, %(message)s, %(kind)s, %(filename)s, %(state)s, %(sha256)s, %(type)s, %(size)s, %(width)s,
    %(height)s, %(reason)s) returning id
"""
WINDOW = """
insert into conversation_windows (business_id, conversation_id, channel, account, last_inbound_at)
values (%s, %s, 'whatsapp', %s, now())
"""
NUMBERED = "update whatsapp_conversation set account = %s where business_id = %s"
TAKE_BACK = "update whatsapp_message set status = 'deleted' returning id"
SENT = "select message_type, body, status, media_url is not null from whatsapp_message where direction = 'out'"


@pytest.fixture
def cloud() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: TOKEN}) as api:
        api.hear(NUMBER, PHONE)
        yield api


@pytest.fixture
def settings(database_url: str, tmp_path: Path, cloud: FakeCloudApi) -> Settings:
    given = {"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_WHATSAPP_API_URL": cloud.address}
    return Settings.load(given, tmp_path)


@pytest.fixture
async def naledi(db: Database, business: Business, app: App) -> Someone:
    """A customer who may be answered, by a number that has a token."""

    async def work(conn: Conn) -> Someone:
        caller = command_line(business.id)
        await channel_accounts.add(conn, app.seal, caller, NewAccount("whatsapp", NUMBER, token=TOKEN))
        who = await world.customer(conn, business, f"+{PHONE}", profile="Naledi")
        await conn.execute(WINDOW, (business.id, who.id, NUMBER))
        await conn.execute(NUMBERED, (NUMBER, business.id))
        return who

    return await db.run("add", work)


async def brings(app: App, who: Someone, content: bytes, **more: Any) -> int:
    """A message with a file that is here; the file's number."""
    digest = hashlib.sha256(content).digest()
    if more.get("state", "kept") == "kept":
        write(path_of(customer_files.folder(app.settings), digest), content)
    values = {"kind": "image", "filename": "", "state": "kept", "type": "image/jpeg", "width": None, "height": None}
    values |= {"reason": None, "size": len(content), "sha256": digest, "business": who.business.id} | more

    async def work(conn: Conn) -> int:
        message = await world.says(conn, who, "", type=values["kind"])
        cursor = await conn.execute(FILE, values | {"message": message})
        ((number,),) = await cursor.fetchall()
        return int(number)

    return await app.db.run("add", work)


@pytest.fixture
async def api(app: App, asgi_app: Any, root: office.Someone) -> AsyncIterator[httpx.AsyncClient]:
    token = await app.db.run("token", lambda conn: api_tokens.create(conn, root.caller, "a program", frozenset(Scope)))
    transport = httpx.ASGITransport(asgi_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url=HERE, headers={"authorization": f"Bearer {token}"}
    ) as client:
        yield client


async def test_a_photo_is_shown_with_its_size_and_handed_out_whole_or_in_part(
    app: App, browser: Browser, naledi: Someone, root: office.Someone
) -> None:
    number = await brings(app, naledi, JPEG, width=1200, height=900)
    await browser.log_in(root)
    page = await browser.get(f"/inbox/{naledi.id}")
    assert f'src="/inbox/files/{number}" alt="Photo from the customer" loading="lazy"' in page.text
    assert 'width="288" height="216"' in page.text
    answer = await browser.get(f"/inbox/files/{number}")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, JPEG, "image/jpeg")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("inline")
    part = await browser.get(f"/inbox/files/{number}", headers={"range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, JPEG[4:10])
    assert part.headers["content-range"] == f"bytes 4-9/{len(JPEG)}"
    beyond = await browser.get(f"/inbox/files/{number}", headers={"range": f"bytes={len(JPEG)}-"})
    assert beyond.status_code == 416
    same = await browser.get(f"/inbox/files/{number}", headers={"if-none-match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


@pytest.mark.parametrize(
    ("kind", "said"),
    [("text/html", EVIL), ("image/svg+xml", b"<svg onload='alert(1)'/>"), ("application/pdf", b"%PDF-")],
)
async def test_what_is_no_picture_sound_or_film_is_put_away_and_never_shown(
    app: App, api: httpx.AsyncClient, naledi: Someone, kind: str, said: bytes
) -> None:
    number = await brings(app, naledi, said, kind="document", type=kind, filename="x\u202egnp.exe\r\n\"'.html")
    answer = await api.get(f"/api/crm/files/{number}")
    assert (answer.status_code, answer.content) == (200, said)
    assert answer.headers["content-type"] == "application/octet-stream"
    named = answer.headers["content-disposition"]
    assert named.startswith("attachment; filename*=UTF-8''")
    assert not {'"', "\r", "\n"} & set(named)
    assert "%E2%80%AE" not in named


def test_a_range_is_understood_or_all_is_given() -> None:
    assert range_of("", 10) is None
    assert range_of("bytes=0-", 10) == (0, 10)
    assert range_of("bytes=-3", 10) == (7, 10)
    assert range_of("bytes=2-99", 10) == (2, 10)
    assert range_of("bytes=5-2", 10) is None
    assert range_of("bytes=0-1,4-5", 10) is None
    assert range_of("lines=1-2", 10) is None
    for none in ("bytes=10-", "bytes=-0"):
        with pytest.raises(ValueError, match="no such part"):
            range_of(none, 10)


@pytest.mark.parametrize(
    ("kind", "found", "look"),
    [
        ("image", "image/png", "photo"), ("sticker", "image/webp", "sticker"), ("audio", "audio/ogg", "audio"),
        ("video", "video/mp4", "video"), ("document", "image/png", "document"), ("image", "text/html", "document"),
        ("video", "application/octet-stream", "document"),
    ],
)  # fmt: skip
def test_a_file_is_drawn_by_what_it_holds_and_never_larger_than_its_bubble(kind: str, found: str, look: str) -> None:
    clock = Clock(datetime.now(UTC), Business(1, "Velo Fibre", "UTC", "en"), "en", i18n.words("en"))
    file = Shown(1, 2, kind, "kept", "", voice=False, reason=None, type=found, size=1536, width=4000, height=9000)
    drawn = file_view(file, ours=False, clock=clock)
    assert (drawn.look, drawn.size) == (look, "1.5 KB")
    assert drawn.height is not None
    assert drawn.height <= 320
    assert told_view('{"type": "location", "as_sent": {"location": "nowhere"}}', clock) is None


def item(name: str, count: object, price: object, currency: str = "ZAR") -> str:
    return json.dumps({"product_retailer_id": name, "quantity": count, "item_price": price, "currency": currency})


@pytest.mark.parametrize(
    ("items", "lines", "total"),
    [
        ([item("a", 2, 10), item("b", "1", "0.5")], [("a", "2 ×", "ZAR10.00"), ("b", "1 ×", "ZAR0.50")],
         "ZAR20.50"),
        ([item("a", 1, 10), item("b", 1, 5, "EUR")], [("a", "1 ×", "ZAR10.00"), ("b", "1 ×", "€5.00")], ""),
        ([item("a", 1, None)], [("a", "1 ×", "")], ""),
        ([item("a", 1, "free", "?")], [("a", "1 ×", "")], ""),
        ([item("a", 1, 3, "coins")], [("a", "1 ×", "3 coins")], "3 coins"),
        ([item("a", 1, 3), item("b", 1, None)], [("a", "1 ×", "ZAR3.00"), ("b", "1 ×", "")], ""),
        ([item("a", 1, "1e40"), item("b", 1, 3)], [("a", "1 ×", ""), ("b", "1 ×", "ZAR3.00")], ""),
    ],
    ids=[
        "a sum", "two currencies", "no price", "no number", "no currency of any country", "one without a price",
        "more than there is",
    ],
)  # fmt: skip
def test_an_order_is_drawn_with_its_products_prices_and_sum(
    items: list[str], lines: list[tuple[str, str, str]], total: str
) -> None:
    clock = Clock(datetime.now(UTC), Business(1, "Velo Fibre", "UTC", "en"), "en", i18n.words("en"))
    drawn = told_view(f'{{"type": "order", "as_sent": {{"order": {{"product_items": [{", ".join(items)}]}}}}}}', clock)
    assert isinstance(drawn, ListView)
    assert [(one.name, one.value, one.aside) for one in drawn.lines] == lines
    assert drawn.total == total


def test_of_a_large_order_the_rest_is_counted() -> None:
    clock = Clock(datetime.now(UTC), Business(1, "Velo Fibre", "UTC", "en"), "en", i18n.words("en"))
    items = ", ".join(item(str(number), 1, 1) for number in range(40))
    drawn = told_view(f'{{"as_sent": {{"order": {{"product_items": [{items}]}}}}}}', clock)
    assert isinstance(drawn, ListView)
    assert (len(drawn.lines), drawn.more, drawn.total) == (30, 10, "ZAR40.00")


async def test_nothing_is_handed_out_of_another_business_or_of_what_was_taken_back_or_lost(
    app: App, db: Database, api: httpx.AsyncClient, naledi: Someone
) -> None:
    other = await db.run("add", lambda conn: businesses.add(conn, "Another", "UTC"))
    theirs = await db.run("add", lambda conn: world.customer(conn, other, "+27820000002"))
    number = await brings(app, theirs, JPEG)
    for path in (f"/api/crm/files/{number}", f"/inbox/files/{number}", "/api/crm/files/999999"):
        assert (await api.get(path)).status_code == 404
    assert (await api.post(f"/api/crm/files/{number}/again")).status_code == 404
    mine = await brings(app, naledi, JPEG + b"1")
    path_of(customer_files.folder(app.settings), hashlib.sha256(JPEG + b"1").digest()).unlink()
    assert (await api.get(f"/api/crm/files/{mine}")).status_code == 404
    assert await rows(db, f"select state from inbox_files where id = {mine}") == [("failed",)]
    taken = await brings(app, naledi, JPEG + b"2")
    await rows(
        db, "with gone as (update whatsapp_message set status = 'deleted' returning 1) select count(*) from gone"
    )
    assert (await api.get(f"/api/crm/files/{taken}")).status_code == 404


async def test_a_disk_that_is_away_loses_nothing(
    app: App, db: Database, api: httpx.AsyncClient, naledi: Someone, tmp_path: Path
) -> None:
    number = await brings(app, naledi, JPEG)
    folder = customer_files.folder(app.settings)
    path = path_of(folder, hashlib.sha256(JPEG).digest())
    folder.rename(tmp_path / "unmounted")
    assert (await api.get(f"/api/crm/files/{number}")).status_code == 503
    (tmp_path / "unmounted").rename(folder)
    path.unlink()
    path.symlink_to(path.name)  # not to be read, and there all the same
    assert (await api.get(f"/api/crm/files/{number}")).status_code == 503
    assert await rows(db, "select state from inbox_files") == [("kept",)]


@pytest.mark.parametrize("state", ["gone", "failed"])
async def test_a_file_that_is_back_on_the_disk_is_shown_again(
    app: App, db: Database, browser: Browser, naledi: Someone, root: office.Someone, state: str
) -> None:
    gone: dict[str, Any] = {"state": state, "reason": "The file is gone from this machine."}
    one, other = await brings(app, naledi, JPEG, **gone), await brings(app, naledi, PNG, **gone, type="image/png")
    path = path_of(customer_files.folder(app.settings), hashlib.sha256(JPEG).digest())
    await browser.log_in(root)
    assert f'src="/inbox/files/{one}"' not in (await browser.get(f"/inbox/{naledi.id}")).text
    write(path, JPEG)
    answer = await browser.get(f"/inbox/files/{one}")
    assert (answer.status_code, answer.content) == (200, JPEG)
    states = "select state, reason from inbox_files order by id"
    assert await rows(db, states) == [("kept", None), tuple(gone.values())]
    write(path_of(customer_files.folder(app.settings), hashlib.sha256(PNG).digest()), PNG)
    assert f'src="/inbox/files/{other}"' in (await browser.get(f"/inbox/{naledi.id}")).text
    assert await rows(db, states) == [("kept", None)] * 2


async def test_a_file_that_failed_says_why_and_is_asked_for_again_once(
    app: App, db: Database, browser: Browser, naledi: Someone, root: office.Someone
) -> None:
    reason = "WhatsApp cannot be reached for the file."
    number = await brings(app, naledi, b"", state="failed", reason=reason, sha256=None, type=None, size=None)
    await browser.log_in(root)
    page = await browser.get(f"/inbox/{naledi.id}")
    assert reason in page.text
    assert f'action="/inbox/files/{number}/again"' in page.text
    for _ in range(2):
        assert (await browser.post(f"/inbox/files/{number}/again")).headers["location"] == f"/inbox/{naledi.id}"
    assert await rows(db, "select count(*) from jobs where kind = 'inbox.file'") == [(1,)]
    assert "is being fetched" in (await browser.get(f"/inbox/{naledi.id}")).text


async def send_waiting(app: App) -> tuple[asyncio.Task[None], asyncio.Event]:
    """The outbox as the worker sends it."""
    sender = whatsapp_sender(app.settings, app.db, app.seal)
    stop = asyncio.Event()
    post = Post({sender.name: sender}, tell=outcomes.told)
    return asyncio.create_task(outbox.run_outbox(app.db, post, stop, asyncio.Event(), 0.05)), stop


async def test_a_file_is_sent_once_for_its_key_and_given_to_whatsapp_once(
    app: App, db: Database, api: httpx.AsyncClient, naledi: Someone, cloud: FakeCloudApi
) -> None:
    task, stop = await send_waiting(app)
    path = f"/api/crm/threads/%2B{PHONE}/message"
    form = {"data": {"text": "The roof", "key": "one"}, "files": {"file": ("roof.png", PNG, "image/png")}}
    try:
        first, second = await asyncio.gather(api.post(path, **form), api.post(path, **form))
        third = await api.post(path, **form | {"data": {"text": "And again", "key": "two"}})
        assert [one.status_code for one in (first, second, third)] == [200] * 3, first.text
        assert first.json()["data"]["id"] == second.json()["data"]["id"]
        assert first.json()["data"]["status"] == "sent"
        words = await api.post(path, json={"text": "Words"}, headers={"idempotency-key": "three"})
        assert words.json()["data"]["key"] == "three"
    finally:
        stop.set()
        await task
    assert [file.content for file in cloud.files.uploaded.values()] == [PNG]
    assert len(cloud.taken) == 3
    sent = await rows(db, SENT + " order by id")
    assert sent[:2] == [("image", "The roof", "sent", True), ("image", "And again", "sent", True)]


async def test_what_cannot_be_sent_is_told_by_its_code(
    app: App, db: Database, api: httpx.AsyncClient, naledi: Someone, cloud: FakeCloudApi
) -> None:
    path = f"/api/crm/threads/{naledi.id}/message"

    async def code(status: int, **request: Any) -> str:
        answer = await api.post(request.pop("path", path), **request)
        assert answer.status_code == status, answer.text
        return str(answer.json()["error"]["code"])

    file = {"file": ("a.jpg", JPEG, "image/jpeg")}
    assert await code(400, json={"text": " "}) == "empty_message"
    odd = {"content-type": "multipart/form-data"}
    for body, head in ((b"{", {}), (b"[]", {}), (b"", odd), (b"--x", odd), (b"x", odd | {"idempotency-key": "\t"})):
        assert await code(400, content=body, headers=head)
    for wait in ("nan", "inf", "-1", "31"):
        assert await code(400, path=f"{path}?wait={wait}", json={"text": "a"}) == "VALIDATION_ERROR"
    assert await code(400, json={"text": "a\0b"}) == "VALIDATION_ERROR"
    assert await code(400, data={"text": ""}, files={"other": ("a", b"a", "text/plain")}) == "no_file"
    assert await code(400, files={"file": ("a.jpg", b"", "image/jpeg")}) == "no_file"
    assert (
        await code(413, files={"file": ("a.jpg", b"\xff\xd8\xff" + bytes(11 * 2**20), "image/jpeg")})
        == "file_too_large"
    )
    assert (
        await code(413, files={"file": ("a.jpg", b"\xff\xd8\xff" + bytes(6 * 2**20), "image/jpeg")}) == "file_too_large"
    )
    assert await code(400, files={"file": ("a.html", EVIL, "text/html")}) == "VALIDATION_ERROR"
    assert await code(404, path="/api/crm/threads/999999/message", json={"text": "a"}) == "NOT_FOUND"
    assert await code(504, path=f"{path}?wait=0.1", files=file, data={"key": "one"}) == "send_timeout"
    assert await code(409, files={"file": ("a.png", PNG, "image/png")}, data={"key": "one"}) == "CONFLICT"
    cloud.order("says", code=131053)
    task, stop = await send_waiting(app)
    try:
        assert await code(503, files=file, data={"key": "one"}) == "provider_error"
    finally:
        stop.set()
        await task
    folder = customer_files.folder(app.settings)
    assert list((folder / "drafts").iterdir()) == []


@pytest.mark.parametrize("announced", [True, False])
async def test_json_for_a_message_is_read_to_a_megabyte_and_no_further(
    api: httpx.AsyncClient, naledi: Someone, announced: bool
) -> None:
    read = 0

    async def long() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(30):
            read += 100_000
            yield b" " * 100_000

    path = f"/api/crm/threads/{naledi.id}/message"
    head = {"content-type": "application/json"} | ({"content-length": "3000000"} if announced else {})
    answer = await api.post(path, content=long(), headers=head)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")
    assert read <= (0 if announced else 1_100_000)


async def test_the_composer_sends_a_file_and_keeps_what_was_typed_where_it_cannot(
    db: Database, browser: Browser, naledi: Someone, root: office.Someone
) -> None:
    await browser.log_in(root)
    partial = {"hx-request": "true", "x-part": "composer", "x-csrftoken": await browser.token()}
    path = f"/inbox/{naledi.id}/file"
    refused = await browser.client.post(
        path, data={"text": "See this", "key": "k1"}, files={"file": ("a.html", EVIL, "text/html")},
        headers=browser.headers | partial,
    )  # fmt: skip
    assert refused.status_code == 400
    assert "WhatsApp takes photos" in refused.text
    assert "See this" in refused.text
    taken = await browser.client.post(
        path, data={"text": "See this", "key": "k1"}, files={"file": ("a.png", PNG, "image/png")},
        headers=browser.headers | partial,
    )  # fmt: skip
    assert taken.status_code == 204
    assert await rows(db, SENT) == [("image", "See this", "queued", True)]
    assert 'alt="See this"' in (await browser.get(f"/inbox/{naledi.id}")).text
