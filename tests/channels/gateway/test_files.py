"""Files of a gateway's numbers: a customer's is fetched and kept, one of ours is given to the gateway and sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tallybook import customer_files
from tallybook.app import gateway_sender
from tallybook.core import channel_accounts, kept_files, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.sending import Post, deliver
from tallybook.inbox.contents import File
from tallybook.inbox.service import outcomes, sending
from tallybook.settings import Settings
from tests import world
from tests.channels.gateway.fake_gateway import FakeGateway
from tests.channels.gateway.test_gateway import CUSTOMER, SECRET, body, update
from tests.channels.gateway.test_sender import STOP, come
from tests.channels.whatsapp.test_received import SEAL
from tests.core.worked import rows
from tests.inbox.test_media import FILES, HURRIED, STATES, on_disk, work

JPEG = b"\xff\xd8\xff\xe0 a roof"
HASH = hashlib.sha256(JPEG).digest()
OTHERS = "27820000002@s.whatsapp.net"


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with FakeGateway(SECRET) as gateway:
        yield gateway


@pytest.fixture
async def agent(db: Database, business: Business) -> Caller:
    new = NewAccount("gateway", "front-desk")
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, people.command_line(business.id), new))
    return (await db.run("add", lambda conn: world.ana(conn, business, role=Role.AGENT))).caller


@pytest.fixture
def settings(tmp_path: Path, gateway: FakeGateway) -> Settings:
    values = {"TALLYBOOK_GATEWAY_API_URL": gateway.address, "TALLYBOOK_GATEWAY_SECRET": SECRET.decode()}
    return Settings.load(values | {"TALLYBOOK_INBOX_FILE_MB": "1"}, tmp_path)


def photo(number: int, chat: str = CUSTOMER, **file: Any) -> dict[str, Any]:
    at = int(datetime.now(UTC).timestamp())
    told = {"mime": "image/jpeg", "filename": "roof.jpg"} | file
    return update(number, chat=chat, type="image", text="The roof", at=at, file=told, **{"from": chat})


async def test_a_customer_s_file_is_asked_for_by_its_id_or_by_its_message_s_and_kept(
    db: Database, agent: Caller, gateway: FakeGateway, settings: Settings
) -> None:
    gateway.files["front-desk", "f-1"] = JPEG
    gateway.files["front-desk", "3EB00002"] = b"%PDF-1.7 an offer"
    await come(db, body(photo(1, id="f-1", sha256=HASH.hex())), body(photo(2)))
    await work(db, settings, 2)
    kept = [("kept", None, "image/jpeg", len(JPEG), 0), ("kept", None, "application/pdf", 17, 0)]
    assert await rows(db, FILES) == kept
    assert sorted(on_disk(settings)) == sorted([JPEG, b"%PDF-1.7 an offer"])


async def test_an_address_in_a_webhook_is_never_asked(
    db: Database, agent: Caller, gateway: FakeGateway, settings: Settings
) -> None:
    with FakeGateway(SECRET) as other:
        await come(db, body(photo(1, url=f"{other.address}/files/get")))
        await work(db, settings)
        assert other.asked == []
    assert await rows(db, "select state, reason from inbox_files") == [
        ("failed", "The gateway does not have this file any more.")
    ]


@pytest.mark.parametrize("order", [503, 429, 401, 500, "cut"])
async def test_a_file_that_cannot_be_had_for_now_is_tried_later(
    db: Database, agent: Caller, gateway: FakeGateway, settings: Settings, order: int | str
) -> None:
    gateway.files["front-desk", "f-1"] = JPEG
    gateway.of_files.append(order)
    await come(db, body(photo(1, id="f-1")))
    await work(db, settings)
    assert await rows(db, "select state, tries from inbox_files") == [("waiting", 1)]
    await rows(db, HURRIED)
    await work(db, settings, 2)
    assert await rows(db, STATES) == [("kept",)]


async def test_whoever_tells_a_hash_of_somebody_else_s_file_does_not_get_it(
    db: Database, agent: Caller, gateway: FakeGateway, settings: Settings
) -> None:
    """What a gateway tells of a file is what the customer's own program told it."""
    gateway.files |= {("front-desk", "f-1"): JPEG, ("front-desk", "f-2"): b"\xff\xd8\xff another"}
    await come(db, body(photo(1, id="f-1", sha256=HASH.hex())))
    await work(db, settings)
    await come(db, body(photo(2, OTHERS, id="f-2", sha256=HASH.hex())))
    await work(db, settings, 2)
    assert await rows(db, "select state, sha256 from inbox_files order by id") == [("kept", HASH), ("waiting", None)]
    assert gateway.asked == ["/files/get"] * 2


async def sent(db: Database, business: Business, settings: Settings) -> None:
    sender = gateway_sender(settings, db, SEAL)
    await rows(db, "update outbox set not_before = now() where state = 'waiting' returning id")
    async with db.transaction() as conn:
        await conn.execute("delete from sending_moments")
        await conn.execute("update sending_lines set open_at = now()")
    await deliver(db, business.id, Post({"gateway": sender}, tell=outcomes.told), STOP)
    await sender.aclose()


async def test_a_file_from_the_composer_is_given_to_the_gateway_once_and_sent(
    db: Database, business: Business, agent: Caller, gateway: FakeGateway, settings: Settings
) -> None:
    await come(db, body(update(1)))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    kept_files.write(kept_files.path_of(customer_files.folder(settings), HASH), JPEG)
    for key in ("a", "b"):
        file = File("image", HASH.hex(), "image/jpeg", "roof.jpg", "The roof")
        await db.run("send", lambda conn, file=file, key=key: sending.send(conn, agent, thread, file, key))
        await sent(db, business, settings)
    assert gateway.given == {"file-1": ("front-desk", "image/jpeg", JPEG)}
    told = {"type": "image", "text": "The roof", "file": {"id": "file-1", "mime": "image/jpeg", "filename": "roof.jpg"}}
    assert [{name: one[name] for name in told} for one in gateway.sent] == [told] * 2
    await rows(db, "update uploaded_files set at = at - interval '25 hours' returning 1")
    await db.run("send", lambda conn: sending.send(conn, agent, thread, file, "c"))
    await sent(db, business, settings)
    assert [one["file"]["id"] for one in gateway.sent] == ["file-1", "file-1", "file-2"]


@pytest.mark.parametrize(("order", "state"), [(415, "parked"), (404, "parked"), (503, "waiting"), (401, "waiting")])
async def test_a_file_that_a_gateway_does_not_take_is_that_message_s_own_trouble(
    db: Database, business: Business, agent: Caller, gateway: FakeGateway, settings: Settings, order: int, state: str
) -> None:
    await come(db, body(update(1)))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    kept_files.write(kept_files.path_of(customer_files.folder(settings), HASH), JPEG)
    gateway.of_files.append(order)
    file = File("image", HASH.hex(), "image/jpeg", "roof.jpg")
    await db.run("send", lambda conn: sending.send(conn, agent, thread, file, "a"))
    await sent(db, business, settings)
    ((found, reason),) = await rows(db, "select state, reason from outbox")
    assert found == state
    assert "27820000001" not in reason
    assert gateway.sent == []
