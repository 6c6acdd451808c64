"""The pages and the API of broadcasts: a look with numbers, one press, one broadcast, and its results."""

from __future__ import annotations

import base64
import re
from typing import Any

import httpx

from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Scope
from tallybook.core.db import Database
from tests import world
from tests.inbox.people import NALEDI, NUMBER, THABO, said, write
from tests.inbox.test_broadcasts import Line, boss, phone, rows, send
from tests.web.browser import PHONE, OpenTab
from tests.web.conftest import Browser, OpenApi

__all__ = ["boss"]

PATH = "/inbox/broadcasts"
API = "/api/inbox/broadcasts"
LIST = f"Phone,Name\n{phone(1)},Naledi\n{phone(7)},Sipho\nnothing,Nobody\n".encode()
FORM = {
    "key": "k1", "name": "Summer", "template": "1", "account": NUMBER, "kind": "list", "place.body.1": "{name|friend}",
    "place.body.2": "half price",
}  # fmt: skip


async def test_a_broadcast_is_looked_at_begun_once_and_told_of(
    browser: Browser, db: Database, business: Business, boss: Caller, root: world.Someone
) -> None:
    await write(db, business, said(NALEDI, 0))
    await browser.log_in(root)
    assert "Nothing was broadcast yet" in (await browser.get(PATH)).text
    assert "half price" not in (await browser.get(f"{PATH}/new")).text
    looked = await browser.post(f"{PATH}/look", FORM, files={"file": ("list.csv", LIST)})
    assert looked.status_code == 200
    assert "It reaches 2 people" in looked.text
    assert "Hello Sipho, today only: half price." in looked.text
    listed = re.findall(r'name="listed" value="([^"]+)"', looked.text)
    assert await rows(db, "select 1 from broadcasts") == []
    for _ in range(2):
        begun = await browser.post(PATH, FORM | {"listed": listed[0]})
        assert begun.headers["location"] == f"{PATH}/1"
    await send(db, line := Line(), business)
    assert len(line.sent) == 2
    page = (await browser.get(f"{PATH}/1?show=sent")).text
    assert "Sent to all" in page
    assert (await browser.get(f"{PATH}/1/results.csv")).text.count(",sent,") == 2
    assert (await browser.post(f"{PATH}/1/turn", {"what": "stop"})).status_code == 409


async def test_what_was_typed_stays_with_what_is_wrong(browser: Browser, boss: Caller, root: world.Someone) -> None:
    await browser.log_in(root)
    for wrong, says in (
        ({"kind": "label"}, "Say who is to get it."), ({"kind": "all"}, "This would reach nobody."),
        ({"kind": "all", "place.body.2": "{colour}"}, "A name in braces is no column of the list. colour"),
    ):  # fmt: skip
        answer = await browser.post(PATH, FORM | wrong)
        assert answer.status_code == 400
        assert says in answer.text
        assert 'value="Summer"' in answer.text


async def test_the_words_and_a_customer_s_wish_are_kept(
    browser: Browser, db: Database, business: Business, boss: Caller, root: world.Someone
) -> None:
    await write(db, business, said(NALEDI, 0))
    await browser.log_in(root)
    assert (await browser.post(f"{PATH}/words", {"stop": "Enough\n", "resume": "more"})).status_code == 303
    assert "enough" in (await browser.get(PATH)).text
    assert (await browser.post("/inbox/1/consent", {"stopped": "yes"})).status_code == 303
    assert "Wants no more marketing" in (await browser.get("/inbox/1")).text


async def test_a_program_does_all_that_the_pages_do(
    open_api: OpenApi, db: Database, business: Business, boss: Caller, root: world.Someone
) -> None:
    await write(db, business, *(said(who, 0) for who in (NALEDI, THABO)))
    api = await open_api(root, Scope.ADMIN)

    async def asked(call: Any, status: int = 200) -> Any:
        answer: httpx.Response = await call
        assert answer.status_code == status, answer.text
        return answer.json().get("data")

    assert (await asked(api.post("/api/whatsapp/conversations/2/consent", json={"stopped": True})))["stopped"]
    assert (await asked(api.get("/api/whatsapp/conversations/2/consent")))["history"][0]["how"] == "person"
    new = {
        "key": "k", "name": "Summer", "template": 1, "account": NUMBER, "kind": "all",
        "places": {"body.1": "{name}", "body.2": "x"},
    }  # fmt: skip
    looked = await asked(api.post(f"{API}/look", json=new))
    assert (looked["reaches"], looked["out"]) == (1, {"opted_out": 1})
    assert (await asked(api.post(API, json=new), 201))["id"] == 1
    assert (await asked(api.post(API, json=new), 201))["id"] == 1
    assert (await asked(api.post(f"{API}/1/turn", json={"what": "pause"})))["state"] == "paused"
    assert (await asked(api.post(f"{API}/1/turn", json={"what": "stop"})))["counts"] == {"cancelled": 1, "skipped": 1}
    found = await asked(api.get(f"{API}/1/recipients", params={"show": "skipped"}))
    assert [one["name"] for one in found["recipients"]] == ["Thabo"]
    assert "Thabo" in (await api.get(f"{API}/1/results.csv")).text
    assert len(await asked(api.get(API))) == 1
    listed = new | {"key": "k2", "kind": "list", "listed": base64.b64encode(LIST).decode()}
    assert (await asked(api.post(f"{API}/look", json=listed)))["invalid"] == [4]
    for wrong in ({"listed": "%"}, {"starts_at": "2026-01-01T00:00:00"}, {"places": {"body.9": "x"}}, {"template": 9}):
        assert (await api.post(API, json=listed | {"key": "k3"} | wrong)).status_code in {400, 404}
    assert (await api.get(f"{API}/{10**30}")).status_code == 404
    caio = await db.run("add", world.caio)
    other = await open_api(caio, Scope.ADMIN)
    for path in (f"{API}/1", f"{API}/1/recipients", f"{API}/1/results.csv", "/api/whatsapp/conversations/1/consent"):
        assert (await other.get(path)).status_code == 404


async def test_the_pages_keep_to_wcag_and_to_their_width(
    open_tab: OpenTab, db: Database, business: Business, boss: Caller, root: world.Someone
) -> None:
    await write(db, business, *(said(who, 0) for who in (NALEDI, THABO)))
    tab = await open_tab(root)
    await tab.go(f"{PATH}/new")
    await tab.page.fill("#name", "A summer broadcast with a name that goes on and on")
    await tab.page.fill("#place-1", "{name|friend}")
    await tab.page.fill("#place-2", "half price")
    await tab.page.click("text=Look at it")
    await tab.page.get_by_text("It reaches 2 people").wait_for()
    assert await tab.violations() == []
    await tab.keep("broadcast-look", whole=True)
    await tab.page.click("text=Send it to 2 people now")
    await tab.page.get_by_role("button", name="Pause").wait_for()
    look = await open_tab(root, viewport=PHONE, locale="he", color_scheme="dark")
    for name, path in (("list", PATH), ("new", f"{PATH}/new"), ("one", f"{PATH}/1")):
        await look.go(path)
        assert await look.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        await look.keep(f"broadcast-{name}", whole=True)
    assert await look.violations() == []


async def test_a_program_reads_and_keeps_the_words_by_which_customers_say_no_more(
    open_api: OpenApi, root: world.Someone
) -> None:
    api, reader = await open_api(root, Scope.ADMIN), await open_api(root, Scope.READ)
    kept = await api.put(f"{API}/words", json={"stop": ["  Enough! ", "ENOUGH", "די"], "resume": ["more"]})
    assert kept.json()["data"] == {"stop": ["enough", "די"], "resume": ["more"]}
    assert (await reader.get(f"{API}/words")).json()["data"] == kept.json()["data"]
    assert (await reader.put(f"{API}/words", json={"stop": ["a"], "resume": ["b"]})).status_code == 403
    for stop in ([], ["!"], ["x" * 41], ["a\0"], [f"w{number}" for number in range(31)]):
        assert (await api.put(f"{API}/words", json={"stop": stop, "resume": ["more"]})).status_code == 400, stop
    assert (await api.get(f"{API}/words")).json()["data"] == kept.json()["data"]
