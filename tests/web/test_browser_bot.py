"""The bot as people meet it: its draft above where they write, and its pages, in either language and on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox.answer_types import Bot, Mode
from tallybook.inbox.service import answering
from tallybook.inbox.service.answering import Turn
from tests import world
from tests.inbox.test_answering import ADD, KNOWN, OPENING
from tests.web import talks
from tests.web.browser import LOOKS, PHONE, SOON, OpenTab, Site, looks, seen_as
from tests.web.talks import first, say, words


@pytest.fixture(scope="module")
async def site(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    (folder / "tallybook.toml").write_text('[inbox.bot]\nmode = "draft"\n')
    running = Site(database_url, folder, TALLYBOOK_CONFIG=str(folder / "tallybook.toml"))
    await running.start()
    yield running
    assert await running.stop() == 0


async def test_a_draft_is_edited_thrown_away_and_sent_where_one_is(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.LEAD}
    duma = await db.run("add", lambda conn: world.someone(conn, business, **overrides))
    await talks.connect(db, business)
    async with db.transaction() as conn:
        for one in KNOWN:
            await conn.execute(ADD, one)

    async def asked(text: str, after: int) -> None:
        await say(db, business, words(text))
        at = datetime.now(UTC) + timedelta(seconds=after)
        await answering.decide_due(db, Turn(business, Bot(Mode.DRAFT), at))

    await asked("Do you sell batteries?", 10)
    await asked("What are your opening hours?", 20)
    tab = await open_tab(duma)
    await tab.go(f"/inbox/{await first(db)}")
    await expect(tab.page.locator(".draft .words")).to_have_text(OPENING)
    await expect(tab.page.locator(".decision").last).to_contain_text("Bot: drafted, because")
    await tab.keep("bot-draft-desk")
    await tab.page.fill("#text", "Hello!")
    await tab.page.click("#draft-edit")
    await expect(tab.page.locator("#text")).to_have_value(f"Hello!\n{OPENING}")
    await tab.page.fill("#text", "")
    await tab.page.click("#draft-send")
    await expect(tab.page.locator(".said.human .words")).to_have_text(OPENING, timeout=SOON)
    await expect(tab.page.locator(".draft")).to_have_count(0)
    assert await tab.violations() == []
    hebrew = await open_tab(duma, viewport=PHONE, locale="he-IL", color_scheme="dark")
    for path, name in (("", "board"), ("/answers", "answers"), ("/decisions", "decisions")):
        await hebrew.go(f"/inbox/bot{path}")
        await hebrew.keep(f"bot-{name}-hebrew")
        assert await hebrew.violations() == []
        assert await hebrew.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await tab.go(f"/inbox/bot{path}")
        await tab.keep(f"bot-{name}-desk")


LIST = """question,answer,language
Do you sell batteries?,"Yes, for most phones.",en
What are your opening hours?,We are open from ten to five.,en
כמה עולה משלוח?,המשלוח חינם.,he
{more}"""


@pytest.mark.parametrize("look", looks("hebrew", LOOKS[1:]))
async def test_a_file_of_answers_is_looked_at_before_it_is_written(
    open_tab: OpenTab, db: Database, business: Business, look: str
) -> None:
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    async with db.transaction() as conn:
        for one in KNOWN:
            await conn.execute(ADD, one)
    tab = await open_tab(bia, **seen_as(look))

    async def choose(more: str) -> None:
        await tab.go("/inbox/bot/answers")
        await tab.page.locator("section details summary").nth(1).click()
        content = {"name": "answers.csv", "mimeType": "text/csv", "buffer": LIST.format(more=more).encode()}
        await tab.page.set_input_files("input[type=file]", [content])
        await tab.page.check("input[name=withdraw]")
        await tab.page.locator("form[enctype] button").click()

    tab.expected.append("400")
    await choose("Where are you?,,en\nDo you deliver?,Yes.,fr\n")
    await expect(tab.page.locator(".part").first).to_contain_text("6")
    assert await tab.violations() == []
    await tab.keep(f"bot-list-wrong-{look}", whole=True)
    await choose("")
    await expect(tab.page.locator(".part .lines del")).to_have_count(1)
    assert await tab.violations() == []
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await tab.keep(f"bot-list-{look}", whole=True)
    await tab.page.check("input[name=over]")
    await tab.page.locator("form[action$=write] button").click()
    await expect(tab.page.locator(".notice.news")).to_be_visible()
    await tab.keep(f"bot-list-done-{look}", whole=True)
