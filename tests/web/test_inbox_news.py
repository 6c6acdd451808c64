"""The page and the API of what channels told besides messages: counted, looked at, without what anybody wrote."""

from __future__ import annotations

from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Database
from tests import world
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import CUSTOMER, NOON, WABA, account_change, body, change
from tests.channels.whatsapp.test_received import add, come
from tests.web.browser import PHONE, OpenTab
from tests.web.conftest import Browser, OpenApi

PATH, API = "/inbox/news", "/api/inbox/news"
BANNED = account_change("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "DISABLE"})


async def told(db: Database, business: Business) -> None:
    await add(db, business)
    await add(db, business, f"waba:{WABA}", label="Front desk")
    await come(db, bodies.EVERYTHING, body(BANNED, time=NOON), body(change("messages", 5), time=NOON))


async def test_it_stands_there_until_somebody_has_looked_and_health_says_so(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    await browser.log_in(root)
    assert "Nothing yet." in (await browser.get(PATH)).text
    await told(db, business)
    page = (await browser.get(PATH)).text
    for seen in ("4 things want a look.", "DISABLED_UPDATE · DISABLE", "Cannot be read", "calls", "Front desk"):
        assert seen in page
    for private in ("Naledi", CUSTOMER, "Is it open"):
        assert private not in page
    assert "WhatsApp has disabled this account." in (await browser.get("/health")).text
    only = (await browser.get(f"{PATH}?kind=unreadable")).text
    assert "DISABLED_UPDATE" not in only
    assert "I have looked" not in only
    newest = page.split('name="upto" value="')[1].split('"')[0]
    assert (await browser.post(f"{PATH}/seen", {"upto": newest})).status_code == 303
    assert "Nothing wants a look." in (await browser.get(PATH)).text
    health = (await browser.get("/health")).text
    assert "No trouble is told of any account." in health
    assert "All that came could be read." in health


async def test_who_is_no_admin_sees_none_of_it(browser: Browser, ana: world.Someone) -> None:
    await browser.log_in(ana)
    assert (await browser.get(PATH)).status_code == 403
    assert (await browser.post(f"{PATH}/seen", {"upto": "1"})).status_code == 403


async def test_a_program_reads_it_and_says_that_it_was_looked_at(
    open_api: OpenApi, db: Database, business: Business, root: world.Someone
) -> None:
    await told(db, business)
    api = await open_api(root, Scope.ADMIN)
    found = (await api.get(API)).json()["data"]
    counts = {one["kind"]: (one["items"], one["new"]) for one in found["kinds"]}
    assert counts["account:account_update"] == (2, 2)
    assert counts["unknown:calls"] == (1, 0)
    (banned,) = [one for one in found["items"] if one["words"] == ["DISABLED_UPDATE", "DISABLE"]]
    assert (banned["state"], banned["new"], banned["account"]) == ("wrong", True, f"waba:{WABA}")
    (only,) = (await api.get(API, params={"kind": "unknown:calls"})).json()["data"]["items"]
    assert only["kind"] == "unknown:calls"
    assert (await api.get(API, params={"before": found["items"][-1]["id"]})).json()["data"]["items"] == []
    newest = {"id": found["items"][0]["id"]}
    for items in (4, 0):
        assert (await api.post(f"{API}/seen", json=newest)).json()["data"] == {"items": items}
    for odd in (-1, 0, 10**15):
        assert (await api.post(f"{API}/seen", json={"id": odd})).json()["data"] == {"items": 0}
    assert (await (await open_api(root, Scope.READ)).get(API)).status_code == 403


async def test_the_page_keeps_to_wcag_and_to_its_width(
    open_tab: OpenTab, db: Database, business: Business, root: world.Someone
) -> None:
    desk = await open_tab(root)
    await desk.go(PATH)
    await desk.keep("news empty", whole=True)
    await told(db, business)
    hebrew = {"locale": "he", "color_scheme": "dark"}
    tabs = {"desk": desk, "phone": await open_tab(root, viewport=PHONE), "desk he": await open_tab(root, **hebrew),
            "phone he": await open_tab(root, viewport=PHONE, **hebrew)}  # fmt: skip
    for name, tab in tabs.items():
        await tab.go(PATH)
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        await tab.keep(f"news {name}", whole=True)
        assert await tab.violations() == []
    await desk.page.get_by_role("button", name="I have looked at all 4").click()
    await desk.page.get_by_role("heading", name="Nothing wants a look.").wait_for()
