"""While a model thinks a customer is shown that the bot writes: once, where it will answer, and where it is wished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from tallybook import typing_link
from tallybook.app import App
from tallybook.channels.llm.client import Endpoint
from tallybook.channels.whatsapp.sender import WhatsAppSender
from tallybook.core import stops
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.login_limits import Limits
from tallybook.inbox import jobs
from tallybook.inbox import responder_prompt as prompt
from tallybook.inbox.answer_types import Bot, Mode, ModelTerms
from tallybook.inbox.service import answering, sending
from tallybook.inbox.service.model_answers import Brain
from tallybook.projects_file import read_projects_file
from tallybook.settings import Settings
from tests.channels.whatsapp.bodies import NUMBER, said
from tests.channels.whatsapp.test_received import come
from tests.cloud_api.server import FakeCloudApi
from tests.core.worked import rows, until
from tests.fake_llm.server import FakeModel
from tests.inbox.test_answering import only_thread, shop, turn, written
from tests.world import Someone

__all__ = ["shop"]
KEY = "a-key-of-the-tests"
TERMS = ModelTerms("small", seconds=20.0)
ODD = "Can I bring my cat along when I come in?"
Decide = Callable[..., Awaitable[None]]


@pytest.fixture
def model() -> Iterator[FakeModel]:
    with FakeModel(KEY) as running:
        yield running


@pytest.fixture
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: "a-token-of-the-tests"}) as running:
        yield running


@pytest.fixture
async def app(db: Database, database_url: str, tmp_path: Path, api: FakeCloudApi) -> AsyncIterator[App]:
    async def token_of(_account: str) -> str:
        return "a-token-of-the-tests"

    sender = WhatsAppSender(api.address, token_of)
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": database_url}, tmp_path)
    yield App(settings, db, [b"k" * 32], Limits(b"k" * 32), senders={sender.name: sender})
    await sender.aclose()


@pytest.fixture
async def decide(db: Database, shop: Business, model: FakeModel, app: App) -> AsyncIterator[Decide]:
    """Decides as a worker whose business wishes that customers are shown it; ``mode`` and ``brain`` as told."""
    endpoint = Endpoint(model.address, KEY)

    async def work(*, mode: Mode = Mode.AUTO, thinks: bool = True, after: float = 10) -> None:
        brain = Brain(endpoint, TERMS) if thinks else None
        of = replace(turn(shop, mode, after=after), brain=brain, typing=partial(typing_link.show, app))
        await answering.decide_due(db, of)

    yield work
    await endpoint.aclose()


async def test_it_is_shown_while_the_model_thinks_and_once_for_a_burst(
    db: Database, model: FakeModel, api: FakeCloudApi, decide: Decide
) -> None:
    await come(db, said(written("Hello")), said(written(ODD, 2)))
    order = model.uses((prompt.FIND, {"question": "cats"}))
    model.says("Yes.")
    order.slow = True
    deciding = asyncio.create_task(decide())
    assert await asyncio.to_thread(order.held.wait, 20)

    async def shown() -> bool:
        return bool(api.reads)

    await until(shown)
    order.let_go.set()
    await deciding
    assert api.reads == [(NUMBER, written("", 2)["id"], True)]
    assert len(model.asked) == 2


async def test_who_takes_over_from_a_worker_that_died_shows_it_no_second_time(
    db: Database, shop: Business, model: FakeModel, api: FakeCloudApi, decide: Decide
) -> None:
    await come(db, said(written(ODD)))
    died = "insert into inbox_model_leases (conversation_id, seq, claimed_by, lease_until) select id, 1, "
    await rows(db, f"{died} gen_random_uuid(), now() from whatsapp_conversation returning seq")
    await decide()
    assert (len(model.asked), api.reads) == (1, [])


@pytest.mark.parametrize("way", ["known", "draft", "person", "closed", "stopped", "blocked"])
async def test_it_is_not_shown_where_nothing_of_the_model_s_will_come(
    db: Database, shop: Business, api: FakeCloudApi, decide: Decide, root: Someone, way: str
) -> None:
    await come(db, said(written("What are your opening hours?" if way == "known" else ODD)))
    thread = await only_thread(db)
    if way == "person":
        await db.run("say", lambda conn: sending.send_text(conn, root.caller, thread, "I am here.", "k"))
    if way == "closed":
        await rows(db, "update whatsapp_message set said_at = now() - interval '25 hours' returning id")
    if way == "stopped":
        await db.run("stop", lambda conn: stops.stop(conn, root.caller, "whatsapp"))
    if way == "blocked":
        await rows(db, "update whatsapp_conversation set blocked_at = now() returning id")
    await decide(mode=Mode.DRAFT if way == "draft" else Mode.AUTO, thinks=way != "known")
    assert api.reads == []


async def test_in_another_environment_nothing_is_shown(app: App, api: FakeCloudApi) -> None:
    from_dev = replace(app, settings=replace(app.settings, env="dev"))
    await typing_link.show(from_dev, typing_link.Typing(NUMBER, "wamid.1"))
    assert api.reads == []


def test_it_is_shown_where_the_file_says_that_reading_is(tmp_path: Path) -> None:
    file = tmp_path / "projects.toml"
    for line, wished in (("", False), ("read_receipts = true\n", True)):
        file.write_text(f'[inbox]\n{line}[inbox.bot]\nmode = "auto"\nmodel = "small"\n')
        told = read_projects_file(file).bot
        assert (told.shows_typing, told.model is not None) == (wished, True)
        other = Business(2, "Other", "UTC", "en")
        assert not jobs.bot_of(changed(told, business="Shop"), other, is_first=False).shows_typing
    assert not Bot().shows_typing
