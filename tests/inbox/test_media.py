"""Files that customers send: each is fetched once, is what was announced, and is there, or says why it is not."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallybook import customer_files
from tallybook.app import inbox_files
from tallybook.channels.whatsapp.media import is_ours_to_ask
from tallybook.core import channel_accounts, jobs, kept_files, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.file_types import checked_type, is_inline
from tallybook.core.jobs import Pace
from tallybook.inbox.service import customers, erasing, media
from tallybook.inbox.store.media import Wanted
from tallybook.settings import Settings
from tests import world
from tests.channels.whatsapp.bodies import CUSTOMER, NUMBER, OTHER, body, change, contact, message, said
from tests.channels.whatsapp.test_received import SEAL, come
from tests.cloud_api.server import FakeCloudApi
from tests.core.worked import rows, until

TOKEN = "a-token-of-the-tests"
ELSEWHERE = "106540352242999"
JPEG = b"\xff\xd8\xff\xe0" + b"a roof " * 40_000
FILES = "select state, reason, type, size, tries from inbox_files order by id"
STATES = "select state from inbox_files order by id"
SHOWN = "select media_url from whatsapp_message order by seq"
QUICK = Pace(idle=0.05, lease=2)
HURRY = "update jobs set not_before = now() where kind = 'inbox.file' and state = 'waiting'"
HURRIED = f"with hurried as ({HURRY} returning 1) select from hurried"
CUT = """
select pg_terminate_backend(pid) from pg_stat_activity
where pid <> pg_backend_pid() and datname = current_database() and usename = 'tallybook_prod'
"""
WORK = """
import asyncio
from tallybook.app import open_app, inbox_files
from tallybook.core import jobs
from tallybook.core.jobs import Pace
from tallybook.core.sealing import Seal
from tallybook.inbox.service import media
from tallybook.settings import Settings

async def main():
    async with open_app(Settings.load()) as app:
        files = inbox_files(app.settings, app.db, Seal([b"k" * 32]))
        print("works", flush=True)
        pace = Pace(idle=0.05, lease=2)
        await jobs.run_jobs(app.db, {media.FETCH: files.run_job}, asyncio.Event(), asyncio.Event(), pace)

asyncio.run(main())
"""


@pytest.fixture
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: TOKEN}) as api:
        api.hear(NUMBER, CUSTOMER)
        yield api


@pytest.fixture
async def number(db: Database, business: Business) -> str:
    caller = people.command_line(business.id)
    new = NewAccount("whatsapp", NUMBER, token=TOKEN)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))
    return NUMBER


@pytest.fixture
def settings(tmp_path: Path, api: FakeCloudApi) -> Settings:
    return Settings.load({"TALLYBOOK_WHATSAPP_API_URL": api.address, "TALLYBOOK_INBOX_FILE_MB": "1"}, tmp_path)


def picture(number: int, told: dict[str, Any], kind: str = "image", **more: Any) -> dict[str, Any]:
    return message(kind, number, **{kind: told}) | {"timestamp": str(int(datetime.now(UTC).timestamp()))} | more


async def work(db: Database, settings: Settings, least: int = 1) -> None:
    """Fetches until nothing is due that can be had at once; ``least`` jobs are done by then."""
    files = inbox_files(settings, db, SEAL)
    stop, wake = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(jobs.run_jobs(db, {media.FETCH: files.run_job}, stop, wake, QUICK))

    async def idle() -> bool:
        ((done, due),) = await rows(
            db, "select count(*) filter (where state = 'done'), "
            "count(*) filter (where state in ('running', 'waiting') and not_before <= now()) from jobs",
        )  # fmt: skip
        return bool(done >= least and not due)

    try:
        await until(idle)
    finally:
        stop.set()
        wake.set()
        await task


def on_disk(settings: Settings) -> list[bytes]:
    folder = customer_files.folder(settings)
    return [path.read_bytes() for path in sorted(folder.glob("??/??/*"))]


async def test_a_photo_is_fetched_once_and_two_of_one_content_are_kept_once(
    db: Database, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    first, second = api.files.add("111", JPEG), api.files.add("222", JPEG)
    webhook = said(picture(1, first), picture(2, second))
    await come(db, webhook)
    assert await rows(db, STATES) == [("waiting",), ("waiting",)]
    await work(db, settings, 2)
    await come(db, webhook + b" ", said(picture(1, first)))
    await rows(db, HURRIED)
    await work(db, settings, 3)
    assert await rows(db, FILES) == [("kept", None, "image/jpeg", len(JPEG), 0)] * 2
    assert on_disk(settings) == [JPEG]
    assert api.files.downloads == 1
    ((one,), (two,)) = await rows(db, SHOWN)
    assert one.startswith("/inbox/files/")
    assert two != one


async def test_what_the_business_has_is_not_asked_for_again_whoever_sends_it(
    db: Database, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    clip = b"\0\0\0\x20ftypisom" + bytes(1000)
    first, second = api.files.add("111", clip, "video/mp4"), api.files.add("222", clip, "audio/mp4")
    await come(db, said(picture(1, first, "video")))
    await work(db, settings)
    theirs = picture(2, second, "audio", **{"from": OTHER})
    await come(db, body(change("messages", theirs, contacts=[contact(OTHER, None)])))
    await work(db, settings, 2)
    assert [row[:3] for row in await rows(db, FILES)] == [("kept", None, "video/mp4"), ("kept", None, "audio/mp4")]
    assert (api.files.downloads, on_disk(settings)) == (1, [clip])
    assert [path for path in api.files.asked if "222" in path] == []


@pytest.mark.parametrize("lost", ["the file", "the message"])
async def test_what_is_not_there_any_more_or_was_taken_back_is_fetched(
    db: Database, number: str, api: FakeCloudApi, settings: Settings, lost: str
) -> None:
    first, second = api.files.add("111", JPEG), api.files.add("222", JPEG)
    await come(db, said(picture(1, first)))
    await work(db, settings)
    if lost == "the file":
        for path in customer_files.folder(settings).glob("??/??/*"):
            path.unlink()
    else:
        await come(db, said(message("revoke", 9, revoke={"original_message_id": "wamid.0001"})))
    await come(db, said(picture(2, second)))
    await work(db, settings, 2)
    assert (await rows(db, STATES))[-1] == ("kept",)
    assert (api.files.downloads, on_disk(settings)) == (2, [JPEG])


async def test_whoever_tells_the_hash_of_another_business_s_file_does_not_get_it(
    db: Database, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    """Only what came to the same business, and was hashed here when it came, is taken for a content."""
    other = await db.run("add", world.kinneret_tours)
    new = NewAccount("whatsapp", ELSEWHERE, token=TOKEN)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, people.command_line(other.id), new))
    api.tokens[ELSEWHERE] = TOKEN
    told = api.files.add("111", JPEG)
    await come(db, said(picture(1, told)))
    await work(db, settings)
    api.files.add("222", b"\xff\xd8\xff another")
    claims = picture(2, told | {"id": "222"})
    await come(db, body(change("messages", claims, number=ELSEWHERE, contacts=[contact()])))
    await work(db, settings, 2)
    theirs = f"select state, sha256 from inbox_files where business_id = {other.id}"
    assert await rows(db, theirs) == [("waiting", None)]
    api.files.add("333", JPEG)
    await come(db, body(change("messages", picture(3, told | {"id": "333"}), number=ELSEWHERE, contacts=[contact()])))
    await work(db, settings, 3)
    assert [row[0] for row in await rows(db, f"{theirs} order by id")] == ["waiting", "kept"]
    assert api.files.downloads == 3


async def test_a_file_that_is_long_in_coming_for_one_message_holds_up_no_other(
    db: Database, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    told = api.files.add("111", JPEG)
    await come(db, said(picture(1, told)))
    await rows(db, "update jobs set state = 'parked', reason = 'a test' where kind = 'inbox.file' returning id")
    await come(db, said(picture(2, told)))
    await work(db, settings)
    assert await rows(db, STATES) == [("waiting",), ("waiting",)]
    await rows(db, "update inbox_files set asked_at = now() - interval '6 minutes' returning id")
    await rows(db, HURRIED)
    await work(db, settings, 2)
    assert await rows(db, STATES) == [("waiting",), ("kept",)]


async def test_what_is_not_what_was_announced_or_is_too_large_is_not_kept(
    db: Database, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    told = api.files.add("111", JPEG)
    large = api.files.add("222", b"\xff\xd8\xff" + bytes(1024 * 1024))
    other = api.files.add("333", b"<html><script>alert(1)</script>")
    api.files.orders.append("other")
    await come(db, said(picture(1, told)))
    await work(db, settings)
    assert await rows(db, "select state, tries from inbox_files") == [("waiting", 1)]
    assert on_disk(settings) == []
    await come(db, said(picture(2, large), picture(3, other)))
    await work(db, settings, 3)
    states = await rows(db, FILES)
    assert states[1][:2] == ("failed", media.TOO_LARGE)
    assert states[2][:3] == ("kept", None, "application/octet-stream")


async def test_what_fails_for_now_is_tried_later_and_what_expired_says_so_until_a_person_asks(
    db: Database, business: Business, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    told = api.files.add("111", JPEG)
    api.files.orders += ["busy", "cut"]
    await come(db, said(picture(1, told), picture(2, {"id": "999", "mime_type": "image/jpeg"})))
    await work(db, settings, 2)
    await rows(db, HURRIED)
    await work(db, settings, 3)
    assert await rows(db, "select state, tries from inbox_files order by id") == [("waiting", 2), ("failed", 1)]
    await rows(db, HURRIED)
    await work(db, settings, 4)
    assert await rows(db, STATES) == [("kept",), ("failed",)]
    ((_, reason),) = await rows(db, "select id, reason from inbox_files where state = 'failed'")
    assert "any more" in reason
    api.files.add("999", JPEG)
    ((file_id,),) = await rows(db, "select id from inbox_files where state = 'failed'")
    assert await db.run("again", lambda conn: media.again(conn, business.id, file_id))
    assert not await db.run("again", lambda conn: media.again(conn, business.id, file_id))
    await work(db, settings, 5)
    assert await rows(db, STATES) == [("kept",), ("kept",)]


async def test_a_message_that_comes_again_brings_a_newer_id_for_what_failed(
    db: Database, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    await come(db, said(picture(1, {"id": "999", "mime_type": "image/jpeg"})))
    await work(db, settings)
    told = api.files.add("1000", JPEG)
    await come(db, said(picture(1, told)))
    await work(db, settings, 2)
    assert await rows(db, STATES) == [("kept",)]


async def test_an_address_of_somebody_else_is_not_asked_and_gets_no_token(
    db: Database, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    with FakeCloudApi({}) as other:
        api.files.elsewhere = f"{other.address}/bytes/111"
        await come(db, said(picture(1, api.files.add("111", JPEG))))
        await work(db, settings)
        assert other.files.asked == []
    ((state, reason),) = await rows(db, "select state, reason from inbox_files")
    assert (state, "none of its own" in reason) == ("failed", True)


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", True),
        ("https://mmg.whatsapp.net/x", True),
        ("http://127.0.0.1:9000/bytes/1", True),
        ("http://127.0.0.1:9001/bytes/1", False),
        ("https://127.0.0.1:9000/bytes/1", False),
        ("http://lookaside.fbsbx.com/x", False),
        ("https://fbsbx.com.example.org/x", False),
        ("https://evilfbsbx.com/x", False),
        ("https://lookaside.fbsbx.com:8443/x", False),
        ("https://user@lookaside.fbsbx.com/x", False),
        ("https://lookaside.fbsbx.com@169.254.169.254/x", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("file:///etc/passwd", False),
        ("https://[::1/x", False),
        ("", False),
    ],
)
def test_only_the_provider_s_own_addresses_are_asked(url: str, ours: bool) -> None:
    assert is_ours_to_ask(url, "http://127.0.0.1:9000") is ours


def test_what_is_shown_by_itself_is_decided_by_content() -> None:
    mp4 = b"\0\0\0\x20ftypisom"
    assert checked_type(mp4, "video/mp4") == "video/mp4"
    assert checked_type(mp4, "audio/mp4; codecs=x") == "audio/mp4"
    assert checked_type(b"OggS\0", "audio/ogg; codecs=opus") == "audio/ogg"
    for told in ("image/svg+xml", "text/html", "image/jpeg", "application/xhtml+xml"):
        assert not is_inline(checked_type(b"<svg onload='alert(1)'>", told))
    assert not is_inline(checked_type(b"%PDF-1.7", "application/pdf"))


async def test_two_workers_and_one_that_is_killed_in_the_middle_leave_each_file_once(
    db: Database, number: str, api: FakeCloudApi, settings: Settings, database_url: str
) -> None:
    contents = [JPEG + bytes([count]) for count in range(6)]
    told = [api.files.add(str(500 + count), content) for count, content in enumerate(contents)]
    environment = {
        **os.environ, "TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(settings.data_dir),
        "TALLYBOOK_WHATSAPP_API_URL": api.address, "TALLYBOOK_SECRET_KEY": "k" * 32,
    }  # fmt: skip
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORK, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert killed.stdout is not None
        await killed.stdout.readline()
        await come(db, said(*(picture(count, one) for count, one in enumerate(told))))
        await until(partial(_asked, api))
    finally:
        killed.kill()
        await killed.communicate()
    await asyncio.gather(work(db, settings, 6), work(db, settings, 6))
    assert await rows(db, STATES) == [("kept",)] * 6
    assert sorted(on_disk(settings)) == sorted(contents)


async def test_a_file_that_comes_while_the_database_goes_is_there_once_it_is_back(
    db: Database, number: str, api: FakeCloudApi, settings: Settings, superuser_url: str
) -> None:
    await come(db, said(picture(1, api.files.add("111", JPEG))))
    files = inbox_files(settings, db, SEAL)

    class Going:
        async def fetch(self, wanted: Wanted, take: media.Take) -> None:
            await files.fetch(wanted, take)
            async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as server:
                await server.execute(CUT)

    stop, wake = asyncio.Event(), asyncio.Event()
    handler = partial(media.fetch, Going(), customer_files.shelf(settings))
    task = asyncio.create_task(jobs.run_jobs(db, {media.FETCH: handler}, stop, wake, QUICK))

    async def kept() -> bool:
        try:
            return await rows(db, STATES) == [("kept",)]
        except psycopg.OperationalError:  # our own look was cut off too
            return False

    try:
        await until(kept)
    finally:
        stop.set()
        wake.set()
        await task
    assert on_disk(settings) == [JPEG]


async def _asked(api: FakeCloudApi) -> bool:
    return len(api.files.asked) > 0


async def test_a_file_of_somebody_who_is_forgotten_while_it_comes_is_not_kept(
    db: Database, business: Business, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    await come(db, said(picture(1, api.files.add("111", JPEG))))
    lead = Caller(None, "Zanele", business, Role.LEAD)
    ((thread, phone),) = await rows(db, "select id, customer_number from whatsapp_conversation")
    files = inbox_files(settings, db, SEAL)

    class Slow:
        async def fetch(self, wanted: Wanted, take: media.Take) -> None:
            await files.fetch(wanted, take)
            number = await db.run(
                "forget", lambda conn: erasing.erase(conn, lead, thread, phone, customer_files.erased(settings))
            )
            await erasing.finish(db, customer_files.erased(settings), business.id, number)

    stop, wake = asyncio.Event(), asyncio.Event()
    handler = partial(media.fetch, Slow(), customer_files.shelf(settings))
    task = asyncio.create_task(jobs.run_jobs(db, {media.FETCH: handler}, stop, wake, QUICK))

    async def done() -> bool:
        return await rows(db, "select state from jobs where kind = 'inbox.file'") in ([("done",)], [])

    try:
        await until(done)
    finally:
        stop.set()
        wake.set()
        await task
    assert await rows(db, STATES) == []
    assert on_disk(settings) == []


async def test_a_file_that_no_message_refers_to_any_more_is_removed(
    db: Database, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    told, other = api.files.add("111", JPEG), api.files.add("222", JPEG + b"2")
    await come(db, said(picture(1, told), picture(2, other)))
    await work(db, settings, 2)
    folder = customer_files.folder(settings)
    left = folder / kept_files.DRAFTS / "left"
    left.write_bytes(b"half")
    stop = asyncio.Event()
    revoked = message("revoke", 9, revoke={"original_message_id": "wamid.0001"})
    await come(db, said(revoked))
    assert await media.sweep(db, folder, stop) == 0  # whatever is fresh is left alone
    yesterday = time.time() - 90_000
    for path in [left, *folder.glob("??/??/*")]:
        os.utime(path, (yesterday, yesterday))
    assert await media.sweep(db, folder, stop) == 1
    assert on_disk(settings) == [JPEG + b"2"]
    assert not left.exists()


async def test_files_go_with_their_messages_when_two_contacts_are_joined_and_come_back_when_they_are_parted(
    db: Database, business: Business, number: str, api: FakeCloudApi, settings: Settings
) -> None:
    told, other = api.files.add("111", JPEG), api.files.add("222", JPEG + b"2")
    await come(db, said(picture(1, told)))
    theirs = body(change("messages", picture(2, other) | {"from": OTHER}, contacts=[contact(OTHER, None)]))
    await come(db, theirs)
    await work(db, settings, 2)
    where = """
select array_agg(m.conversation_id order by m.id) from inbox_files f join whatsapp_message m on m.id = f.message_id
"""
    ((before,),) = await rows(db, where)
    lead = (await db.run("add", lambda conn: world.ana(conn, business))).caller
    ((contact_id,),) = await rows(db, "select max(id) from contacts")
    await db.run("join", lambda conn: customers.join(conn, lead, before[0], contact_id))
    assert await rows(db, where) == [([before[0]] * 2,)]
    ((joining,),) = await rows(db, "select id from contact_merges")
    await db.run("part", lambda conn: customers.part(conn, lead, before[0], joining))
    assert len(set((await rows(db, where))[0][0])) == 2
    assert await rows(db, STATES) == [("kept",)] * 2
