"""The pages and the API of webhooks: a secret once, everything by a plain form, nothing of another business."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Database
from tests import world
from tests.inbox.people import NALEDI, said, write
from tests.inbox.test_hooks import EVERYTHING, Receiver, deliver
from tests.web.browser import PHONE, OpenTab
from tests.web.conftest import Browser, OpenApi

PATH = "/inbox/hooks"
API = "/api/inbox/hooks"
FORM = {"name": "shop", "url": "https://hooks.test/told?token=hidden", "events": EVERYTHING}


async def test_an_admin_adds_one_and_sees_its_secret_once_and_what_it_is_told(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    await browser.log_in(root)
    assert "Nobody is told yet." in (await browser.get(PATH)).text
    made = await browser.post(PATH, FORM)
    (secret,) = re.findall(r"tbh_[\w-]+", made.text)
    assert "no-store" in made.headers["cache-control"]
    page = await browser.get(f"{PATH}/1")
    assert secret not in page.text
    assert "token=" not in page.text
    assert "hooks.test" in page.text
    await write(db, business, said(NALEDI, 0))
    assert (await browser.post(f"{PATH}/1/test")).status_code == 303
    await deliver(db, receiver := Receiver())
    assert len(receiver.calls) == 3
    page = (await browser.get(f"{PATH}/1?show=arrived")).text
    assert "A customer wrote" in page
    assert page.count("Tell again") == 3
    await browser.post(f"{PATH}/1/again", {"event": "2"})
    await deliver(db, receiver)
    assert receiver.calls[3].delivery == "message.received:1"
    await browser.post(f"{PATH}/1/switch", {"on": "false"})
    assert (await browser.post(f"{PATH}/1/test")).status_code == 409
    assert (await browser.post(f"{PATH}/1/remove")).status_code == 303
    assert (await browser.get(f"{PATH}/1")).status_code == 404


async def test_what_was_typed_stays_on_the_page_with_what_is_wrong(browser: Browser, root: world.Someone) -> None:
    await browser.log_in(root)
    answer = await browser.post(PATH, FORM | {"url": "http://plain.test/x"})
    assert answer.status_code == 400
    assert "The address must begin with https://" in answer.text
    assert "http://plain.test/x" in answer.text


async def test_who_is_no_admin_and_who_is_of_another_business_finds_nothing(
    browser: Browser, db: Database, business: Business, root: world.Someone, ana: world.Someone
) -> None:
    await browser.log_in(root)
    await browser.post(PATH, FORM)
    caio = await db.run("add", world.caio)
    for who, status in ((ana, 403), (caio, 404)):
        await browser.log_in(who)
        assert (await browser.get(f"{PATH}/1")).status_code == status
        for what in ("rotate", "switch", "test", "again", "remove"):
            assert (await browser.post(f"{PATH}/1/{what}")).status_code == status


async def test_a_program_does_all_that_the_pages_do(open_api: OpenApi, db: Database, root: world.Someone) -> None:
    api = await open_api(root, Scope.ADMIN)

    async def asked(call: Any, status: int = 200) -> Any:
        answer: httpx.Response = await call
        assert answer.status_code == status, answer.text
        return answer.json().get("data")

    made = await asked(api.post(API, json=FORM), 201)
    assert made["secret"].startswith("tbh_")
    await asked(api.post(API, json=FORM), 409)
    assert (await asked(api.post(f"{API}/1/rotate")))["secret"] != made["secret"]
    assert (await asked(api.post(f"{API}/1/test")))["waiting"] == 1
    await deliver(db, Receiver())
    found = await asked(api.get(f"{API}/1/events", params={"show": "arrived"}))
    assert [(one["event"], one["status"], one["says"]) for one in found["events"]] == [("test", 200, "ok")]
    assert await asked(api.post(f"{API}/1/again", json={"event": found["events"][0]["id"]})) == {"events": 1}
    assert (await asked(api.post(f"{API}/1/switch", json={"on": False})))["state"] == "off"
    assert [one["name"] for one in await asked(api.get(API))] == ["shop"]
    assert "hidden" not in json.dumps(await asked(api.get(API)))
    await asked(api.delete(f"{API}/1"))
    for path in (f"{API}/1/events", f"{API}/{10**30}/events"):
        await asked(api.get(path), 404)
    reader = await open_api(root, Scope.READ)
    assert (await reader.get(API)).status_code == 403


async def test_the_pages_keep_to_wcag_and_to_their_width(
    open_tab: OpenTab, db: Database, business: Business, root: world.Someone
) -> None:
    tab = await open_tab(root)
    await tab.go(PATH)
    await tab.page.fill("#hook-name", "The shop's own program with a name that goes on")
    await tab.page.fill("#hook-url", FORM["url"])
    await tab.page.click("main button.first")
    await tab.page.get_by_text("The secret that signs").wait_for()
    await write(db, business, *(said(NALEDI, minute) for minute in range(2)))
    await tab.page.click("text=Send a test")
    await tab.page.get_by_text("A customer wrote").first.wait_for()
    look = await open_tab(root, viewport=PHONE, locale="he", color_scheme="dark")
    for name, shown, path in (("list", look, PATH), ("one", look, f"{PATH}/1"), ("desk", tab, f"{PATH}/1")):
        await shown.go(path)
        assert await shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await shown.keep(f"hooks-{name}", whole=True)
    assert await look.violations() == []
    assert await tab.violations() == []
