"""The pages by which a customer's data is handed over or forgotten, and the command that does the same."""

from __future__ import annotations

import io
from zipfile import ZipFile

import pytest

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Conn, Database
from tests import world
from tests.core.worked import rows
from tests.web.conftest import Browser
from tests.web.talks import NALEDI, first, say, words


@pytest.fixture
async def thread(db: Database, business: Business) -> int:
    await say(db, business, words("One"), words("Two"))
    return await first(db)


async def somebody(db: Database, business: Business, role: Role) -> world.Someone:
    overrides = {"login": role.value, "name": "Duma Nkosi", "role": role}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


async def test_what_goes_is_shown_and_it_goes_once_it_was_typed_who_it_is(
    browser: Browser, db: Database, business: Business, thread: int
) -> None:
    await browser.log_in(await somebody(db, business, Role.LEAD))
    assert f"/inbox/{thread}/erase" in (await browser.get(f"/inbox/{thread}")).text
    page = (await browser.get(f"/inbox/{thread}/erase")).text
    assert "<dt>Messages</dt><dd>2</dd>" in page
    assert "Backups that were made before" in page
    wrong = await browser.post(f"/inbox/{thread}/erase", {"typed": "Naledi"})
    assert wrong.status_code == 400
    assert "Type exactly what is shown" in wrong.text
    assert 'value="Naledi"' in wrong.text
    done = await browser.post(f"/inbox/{thread}/erase", {"typed": NALEDI})
    assert (done.status_code, done.headers["location"]) == (303, "/inbox")
    assert await rows(db, "select count(*) from contacts") == [(0,)]
    assert await rows(db, "select kind from jobs where kind like 'inbox.forget%'") == [("inbox.forget",)]
    assert (await browser.post(f"/inbox/{thread}/erase", {"typed": NALEDI})).status_code == 404


async def test_a_readable_copy_is_named_with_what_has_it_forget_them_and_a_masked_one_is_not(
    browser: Browser, db: Database, business: Business, thread: int
) -> None:
    async def copied(conn: Conn) -> None:
        for name, masked in (("dev", False), ("staging", True)):
            what = ("environment.copied", "environment", name, None, {"masked": masked})
            await audit.record(conn, business.id, "command line", None, *what)

    await db.run("copied", copied)
    await browser.log_in(await somebody(db, business, Role.LEAD))
    page = (await browser.get(f"/inbox/{thread}/erase")).text
    assert "tallybook env forget dev" in page
    assert "staging" not in page


async def test_an_export_is_a_zip_and_named_without_any_name(
    browser: Browser, db: Database, business: Business, thread: int
) -> None:
    await browser.log_in(await somebody(db, business, Role.LEAD))
    for path in (f"/inbox/{thread}/export", f"/api/inbox/threads/{NALEDI}/export"):
        answer = await browser.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == 'attachment; filename="contact.zip"'
        assert answer.headers["cache-control"] == "no-store"
        with ZipFile(io.BytesIO(answer.content)) as archive:
            assert b"Two" in archive.read("messages.csv")
            assert archive.testzip() is None


async def test_who_may_only_answer_neither_exports_nor_forgets(
    browser: Browser, db: Database, business: Business, thread: int
) -> None:
    await browser.log_in(await somebody(db, business, Role.AGENT))
    assert "/erase" not in (await browser.get(f"/inbox/{thread}")).text
    for path in ("erase", "export"):
        assert (await browser.get(f"/inbox/{thread}/{path}")).status_code == 403
    assert (await browser.post(f"/inbox/{thread}/erase", {"typed": NALEDI})).status_code == 403
    assert await rows(db, "select count(*) from contacts") == [(1,)]
