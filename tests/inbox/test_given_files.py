"""A file that WhatsApp cannot be given is that message's own trouble: it is parked, and the number goes on sending."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallybook import customer_files
from tallybook.app import inbox_files, whatsapp_sender
from tallybook.core import channel_accounts, kept_files, outbox, people
from tallybook.core.businesses import Business
from tallybook.core.channel import SendError
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing
from tallybook.core.sending import Post, deliver
from tallybook.inbox.store.media import Copy
from tallybook.settings import Settings
from tests.channels.whatsapp.bodies import CUSTOMER, NUMBER, OTHER
from tests.channels.whatsapp.test_received import SEAL
from tests.cloud_api.server import FakeCloudApi
from tests.core.worked import rows

JPEG = b"\xff\xd8\xff\xe0 a roof"
HASH = hashlib.sha256(JPEG).digest()
STOP = asyncio.Event()


@pytest.fixture
async def api(db: Database, business: Business) -> AsyncIterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: "a-token"}) as api:
        for customer in (CUSTOMER, OTHER):
            api.hear(NUMBER, customer)
        new = NewAccount("whatsapp", NUMBER, token="a-token")
        await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, people.command_line(business.id), new))
        yield api


@pytest.fixture
def settings(tmp_path: Path, api: FakeCloudApi) -> Settings:
    settings = Settings.load({"TALLYBOOK_WHATSAPP_API_URL": api.address}, tmp_path)
    kept_files.write(kept_files.path_of(customer_files.folder(settings), HASH), JPEG)
    return settings


def outgoing(key: str, to: str, **body: Any) -> Outgoing:
    return Outgoing("whatsapp", NUMBER, to, key, body, f"conversation:{to}")


def a_photo(key: str = "photo") -> Outgoing:
    file = {"kind": "image", "sha256": HASH.hex(), "mime": "image/jpeg", "filename": "roof.jpg"}
    return outgoing(key, CUSTOMER, media=msgspec.Raw(msgspec.json.encode(file)))


async def put(db: Database, business: Business, *messages: Outgoing) -> None:
    for message in messages:
        await db.run("put", lambda conn, message=message: outbox.put(conn, business.id, message))


async def test_a_file_that_is_never_taken_is_parked_and_words_to_others_leave_meanwhile(
    db: Database, business: Business, settings: Settings, api: FakeCloudApi
) -> None:
    sender = whatsapp_sender(settings, db, SEAL)
    post = Post({sender.name: sender}, at_once=1)
    api.files.orders = ["busy"] * 50
    await put(db, business, a_photo(), outgoing("words", OTHER, text="Until six."))
    await deliver(db, business.id, post, STOP)
    assert [one.text for one in api.taken] == ["Until six."]
    assert await rows(db, "select failures, open_at from sending_lines") == [(0, None)]
    assert await rows(db, "select state, faults from outbox order by id") == [("waiting", 1), ("sent", 0)]
    for _ in range(sender.limits.most_faults):
        await rows(db, "update outbox set not_before = now() where state = 'waiting' returning id")
        await deliver(db, business.id, post, STOP)
    ((state, reason), _) = await rows(db, "select state, reason from outbox order by id")
    assert (state, reason) == ("parked", "WhatsApp did not say that it took the file.")


async def test_a_slow_upload_puts_its_own_message_off_and_closes_nothing(
    db: Database, business: Business, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_files, "PATIENCE", 0.05)
    files = inbox_files(settings, db, SEAL)
    slow = asyncio.create_task(asyncio.Event().wait())
    files.under_way[Copy(NUMBER, HASH, "image/jpeg", "whatsapp")] = slow
    with pytest.raises(SendError, match="on its way") as raised:
        await files.given(a_photo())
    slow.cancel()
    assert (raised.value.of_line, raised.value.permanent) == (False, False)
    assert raised.value.retry_after


async def test_a_slow_upload_that_came_through_is_not_taken_for_one_that_is_under_way(
    db: Database, business: Business, settings: Settings, api: FakeCloudApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the provider was given it keeps for a time; after that it is given the file again."""
    monkeypatch.setattr(customer_files, "PATIENCE", 0)
    files = inbox_files(settings, db, SEAL)
    with pytest.raises(SendError, match="on its way"):
        await files.given(a_photo())
    (slow,) = files.under_way.values()
    await slow
    ((first,),) = await rows(db, "select media_id from uploaded_files")
    await rows(db, "update uploaded_files set at = now() - interval '40 days' returning media_id")
    monkeypatch.setattr(customer_files, "PATIENCE", 15)
    given = await files.given(a_photo())
    assert msgspec.json.decode(msgspec.json.encode(given.body["media"]))["id"] != first
