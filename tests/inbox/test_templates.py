"""Templates are known as WhatsApp has them, whatever order it tells of them in, and one press sends one once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallybook.app import whatsapp_sender
from tallybook.channels.whatsapp.templates import Catalogue
from tallybook.core import channel_accounts, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.core.sending import Post, deliver
from tallybook.inbox.service import outcomes, sending, templates
from tallybook.inbox.service.sending import WindowClosed
from tallybook.inbox.template_types import Template
from tallybook.settings import Settings
from tests import world
from tests.channels.whatsapp.bodies import CUSTOMER, NUMBER, WABA, account_change, body, said, text
from tests.channels.whatsapp.test_received import SEAL, come
from tests.cloud_api.server import FakeCloudApi
from tests.cloud_api.templates import a_template
from tests.core.worked import rows

TOKEN = "a-token-of-the-tests"
STOP = asyncio.Event()
VALUES = {"body.1": "Dana", "body.2": "Monday"}


@pytest.fixture
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: TOKEN}) as api:
        api.templates.of[WABA] = [a_template(), a_template("bye", "Bye!"), a_template("paused", "x", status="PAUSED")]
        api.templates.numbers[WABA] = [NUMBER]
        yield api


@pytest.fixture
async def number(db: Database, business: Business) -> str:
    caller = people.command_line(business.id)
    for new in (
        NewAccount("whatsapp", NUMBER, token=TOKEN),
        NewAccount("whatsapp", f"waba:{WABA}", may_be_silent=True),
    ):
        await db.run("add", lambda conn, new=new: channel_accounts.add(conn, SEAL, caller, new))
    return NUMBER


@pytest.fixture
async def post(db: Database, api: FakeCloudApi) -> AsyncIterator[Post]:
    sender = whatsapp_sender(Settings.load({"TALLYBOOK_WHATSAPP_API_URL": api.address}), db, SEAL)
    yield Post({sender.name: sender}, tell=outcomes.told)
    await sender.aclose()


@pytest.fixture
async def agent(db: Database, business: Business) -> Caller:
    return (await db.run("add", lambda conn: world.ana(conn, business, role=Role.AGENT))).caller


@pytest.fixture
async def thread(db: Database, number: str) -> int:
    """A customer's thread, in which they wrote two days ago."""
    then = int((datetime.now(UTC) - timedelta(days=2)).timestamp())
    await come(db, said(text("Is it open today?", 1, timestamp=str(then))))
    ((conversation,),) = await rows(db, "select id from whatsapp_conversation")
    return int(conversation)


async def read(db: Database, business: Business, api: FakeCloudApi) -> int:
    return await templates.read_all(db, SEAL, Catalogue(api.address, timeout=2.0), business.id)


async def known(db: Database) -> list[tuple[Any, ...]]:
    return await rows(db, "select name, status, gone_at is not null from inbox_templates order by name")


async def the(db: Database, caller: Caller, name: str = "visit") -> Template:
    board = await db.run("list", lambda conn: templates.board(conn, caller))
    return next(one for one in board.templates if one.name == name)


def news(name: str, event: str, ago: int = 60) -> bytes:
    """A webhook about a template, of a moment so many seconds ago."""
    told = {"event": event, "message_template_name": name, "message_template_language": "en"}
    at = int(datetime.now(UTC).timestamp()) - ago
    return body(account_change("message_template_status_update", **told), time=at)


async def long_ago(db: Database) -> None:
    """As if all that is known of templates had been told two hours ago."""
    async with db.transaction() as conn:
        await conn.execute("update inbox_templates set told_at = told_at - interval '2 hours'")


async def test_every_page_of_them_is_read_and_what_whatsapp_drops_is_gone(
    db: Database, business: Business, number: str, api: FakeCloudApi
) -> None:
    assert await read(db, business, api) == 3
    assert await known(db) == [("bye", "approved", False), ("paused", "paused", False), ("visit", "approved", False)]
    assert not any("secret" in one or TOKEN in one for one in api.templates.asked)
    api.templates.of[WABA].pop(1)
    await read(db, business, api)
    assert await known(db) == [("bye", "approved", True), ("paused", "paused", False), ("visit", "approved", False)]
    assert await rows(db, "select waba, templates, accounts, reason from template_syncs") == [(WABA, 2, [NUMBER], "")]


async def test_what_cannot_be_read_says_why_and_takes_nothing_away(
    db: Database, business: Business, number: str, api: FakeCloudApi
) -> None:
    await read(db, business, api)
    api.templates.closed = True
    assert await read(db, business, api) == 0
    ((reason,),) = await rows(db, "select reason from template_syncs")
    assert "token" in reason
    assert len(await known(db)) == 3


async def test_what_is_told_later_holds_whichever_comes_first(
    db: Database, business: Business, number: str, agent: Caller, api: FakeCloudApi
) -> None:
    await read(db, business, api)
    await come(db, news("visit", "REJECTED"))
    assert (await the(db, agent)).status == "approved"
    await long_ago(db)
    await come(db, news("visit", "PAUSED"), news("visit", "REJECTED", ago=600))
    assert (await the(db, agent)).status == "paused"
    await read(db, business, api)
    assert (await the(db, agent)).status == "approved"
    await come(db, news("new_one", "APPROVED"))
    assert (await the(db, agent, "new_one")).components == []
    ((jobs,),) = await rows(db, "select count(*) from jobs where kind = 'inbox.templates'")
    assert jobs >= 1


async def test_after_a_day_a_template_reaches_the_customer_as_it_was_shown(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await read(db, business, api)
    template = await the(db, agent)
    with pytest.raises(WindowClosed):
        await db.run("answer", lambda conn: sending.send_text(conn, agent, thread, "Yes", "k"))

    async def press(key: str = "k", values: dict[str, str] = VALUES) -> int:
        return await db.run("send", lambda conn: templates.send(conn, agent, thread, template, values, key))

    first, *others = await asyncio.gather(*(press() for _ in range(4)))
    assert set(others) == {first}
    await deliver(db, business.id, post, STOP)
    (taken,) = api.taken
    assert taken.body["template"]["components"] == [
        {"type": "body", "parameters": [{"type": "text", "text": "Dana"}, {"type": "text", "text": "Monday"}]}
    ]
    told = "select body, message_type, status, provider_message_id from whatsapp_message where direction = 'out'"
    assert await rows(db, told) == [("Hello Dana, we come on Monday.", "template", "sent", taken.id)]
    assert await rows(db, "select last_type, last_body from whatsapp_conversation") == [
        ("template", "Hello Dana, we come on Monday.")
    ]
    with pytest.raises(Conflict, match="Another text"):
        await press(values=VALUES | {"body.1": "Noa"})
    await long_ago(db)
    await come(db, news("visit", "DISABLED"))
    template = await the(db, agent)
    assert await press() == first
    with pytest.raises(Invalid, match="stopped"):
        await press("k2")


async def test_what_whatsapp_refuses_is_told_by_what_it_means(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await read(db, business, api)
    template = await the(db, agent)
    api.templates.of[WABA][0]["status"] = "PAUSED"
    await db.run("send", lambda conn: templates.send(conn, agent, thread, template, VALUES, "k"))
    await deliver(db, business.id, post, STOP)
    assert api.refused == [132015]
    ((status, reason),) = await rows(db, "select status, failed_reason from whatsapp_message where direction = 'out'")
    assert (status, "paused" in reason) == ("failed", True)


async def test_only_what_the_number_may_send_is_offered(
    db: Database, business: Business, agent: Caller, thread: int, api: FakeCloudApi
) -> None:
    await read(db, business, api)
    offered = await db.run("offer", lambda conn: templates.offered(conn, agent, thread))
    assert [one.name for one in offered] == ["bye", "visit"]
    caller = people.command_line(business.id)
    api.templates.of["777"], api.templates.numbers["777"] = [a_template("foreign", "x")], ["1"]
    new = NewAccount("whatsapp", "waba:777", may_be_silent=True)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))
    await read(db, business, api)
    foreign = await the(db, agent, "foreign")
    assert "foreign" not in [
        one.name for one in await db.run("offer", lambda conn: templates.offered(conn, agent, thread))
    ]
    with pytest.raises(Invalid, match="number"):
        await db.run("send", lambda conn: templates.send(conn, agent, thread, foreign, {}, "k"))


async def test_another_business_has_none_of_them_and_a_viewer_sends_none(
    db: Database, business: Business, agent: Caller, thread: int, api: FakeCloudApi
) -> None:
    await read(db, business, api)
    template = await the(db, agent)
    caio = (await db.run("add", world.caio)).caller
    with pytest.raises(NotFound):
        await db.run("one", lambda conn: templates.one(conn, caio, template.id))
    with pytest.raises(NotFound):
        await db.run("send", lambda conn: templates.send(conn, caio, thread, template, VALUES, "k"))
    viewer = (await db.run("add", lambda conn: world.bia(conn, business, role=Role.VIEWER))).caller
    with pytest.raises(NotAllowed):
        await db.run("send", lambda conn: templates.send(conn, viewer, thread, template, VALUES, "k"))


async def test_who_came_by_an_advertisement_and_was_answered_may_be_answered_for_three_days(
    db: Database, business: Business, agent: Caller, number: str, post: Post, api: FakeCloudApi
) -> None:
    then = datetime.now(UTC) - timedelta(hours=20)
    referral = {"source_type": "ad", "source_id": "1", "headline": "Fast fibre"}
    await come(db, said(text("Hi", 1, timestamp=str(int(then.timestamp())), referral=referral)))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    api.hear(NUMBER, CUSTOMER, referred=True)
    await db.run("answer", lambda conn: sending.send_text(conn, agent, thread, "Hello!", "k"))
    before = await db.run("ask", lambda conn: sending.window_of(conn, agent, thread))
    assert before.until == then.replace(microsecond=0) + timedelta(hours=24)
    await deliver(db, business.id, post, STOP)
    after = await db.run("ask", lambda conn: sending.window_of(conn, agent, thread))
    assert after.until is not None
    assert timedelta(hours=71, minutes=58) < after.until - datetime.now(UTC) < timedelta(hours=72)
    api.shift = 70 * 3600.0
    await db.run("answer", lambda conn: sending.send_text(conn, agent, thread, "Still there?", "k2"))
    await deliver(db, business.id, post, STOP)
    assert (api.texts, api.refused) == (["Hello!", "Still there?"], [])
