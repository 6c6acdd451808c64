"""One act on several threads of the list: without a script, by the keyboard and the mouse, all of them or none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox.service import labels, teams
from tallybook.web import i18n, inbox_several_view
from tallybook.web.times import Clock
from tests import world
from tests.core.worked import rows
from tests.inbox.test_hooks import hook
from tests.web.browser import LOOKS, OpenTab, looks, seen_as
from tests.web.conftest import Browser
from tests.web.talks import say, words

PHONES = [f"+2782000000{number}" for number in range(1, 7)]
NAMES = ["Naledi Khumalo", "Sipho Mthembu", "נעמי בן דוד", "Lerato", "Themba Zulu", "Wolfeschlegelsteinhausen " * 3]
THREADS = "select id from whatsapp_conversation order by id"
TOLD = "select action, subject_id::int, count(*)::int from audit_log where subject = 'conversation' group by 1, 2"
STAND = "select is_open, assigned_to, team_id, inbound - read_inbound from whatsapp_conversation order by id"
LABELLED = "select conversation_id from conversation_labels order by 1"


@pytest.fixture
async def bia(db: Database, business: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.bia(conn, business))


async def they_write(db: Database, business: Business) -> list[int]:
    """Six customers write, each once; their threads in the order in which they came."""
    await say(db, business, *(words("Hello", phone, name=name) for phone, name in zip(PHONES, NAMES, strict=True)))
    return [row[0] for row in await rows(db, THREADS)]


async def told(browser: Browser, threads: list[int], do: str, path: str = "/inbox/several") -> str:
    """What the list says after one act on these threads."""
    answer = await browser.post(path, {"thread": [str(one) for one in threads], "do": do})
    assert answer.status_code == 303, answer.text
    page = (await browser.get(answer.headers["location"])).text
    found = re.search(r'id="did"[^>]*>.*?<span>(.*?)</span>', page, re.DOTALL)
    return found[1] if found else ""


async def test_each_act_is_done_to_all_that_were_chosen_told_with_its_number_and_recorded_once(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    label = await db.run("label", lambda conn: labels.add(conn, bia.caller, "VIP", "red"))
    team = await db.run("team", lambda conn: teams.add(conn, bia.caller, "Sales", [bia.account_id]))
    talks = await they_write(db, business)
    some = talks[:3]
    await browser.log_in(bia)
    page = (await browser.get("/inbox")).text
    assert page.count('name="thread"') == len(talks)
    assert await told(browser, some, f"label:{label}") == "Labelled: 3 threads"
    assert await told(browser, talks[:4], f"label:{label}") == "Labelled: 1 thread · 3 were so already"
    assert await told(browser, talks[:4], f"label:{label}", "/inbox/several?show=mine") == (
        "Nothing changed · 4 were so already"
    )
    assert await told(browser, talks[3:4], f"unlabel:{label}") == "Label taken off: 1 thread"
    assert await told(browser, some, f"assign:person:{bia.account_id}") == "Assigned: 3 threads"
    assert await told(browser, talks[3:], f"assign:team:{team}") == "Assigned: 3 threads"
    assert await told(browser, talks[2:4], "unassign") == "Given to nobody: 2 threads"
    assert await told(browser, talks, "read") == "Marked as read: 6 threads"
    assert await told(browser, [*some, *some], "close") == "Closed: 3 threads"
    assert await told(browser, some, "close") == "Nothing changed · 3 were so already"
    assert await told(browser, talks[:1], "reopen") == "Opened again: 1 thread"
    assert await told(browser, talks[4:], "snooze:customer") == "Snoozed: 2 threads"
    assert [row[0] for row in await rows(db, LABELLED)] == some
    me = bia.account_id
    assert await rows(db, STAND) == [
        (True, me, None, 0), (False, me, None, 0), (False, None, None, 0), (True, None, None, 0),
        (True, None, team, 0), (True, None, team, 0),
    ]  # fmt: skip
    each = {(row[0], row[1]): row[2] for row in await rows(db, TOLD)}
    assert set(each.values()) == {1}
    actions = [action for action, _ in each]
    for action, times in (
        ("labelled", 4), ("label_taken_off", 1), ("assigned", 6), ("unassigned", 2), ("marked_read", 6), ("closed", 3),
        ("reopened", 1), ("snoozed", 2),
    ):  # fmt: skip
        assert actions.count(f"conversation.{action}") == times, action


async def test_nothing_is_done_to_another_business_s_threads_to_too_many_or_by_who_may_not(
    open_browser: Callable[..., Browser], db: Database, business: Business, bia: world.Someone
) -> None:
    label = await db.run("label", lambda conn: labels.add(conn, bia.caller, "VIP", "red"))
    talks = await they_write(db, business)
    caio = await db.run("caio", world.caio)
    theirs, ours = open_browser(), open_browser()
    await theirs.log_in(caio)
    for do in (f"label:{label}", "close", "read", f"assign:person:{caio.account_id}", "unassign", "snooze:tomorrow"):
        assert (await theirs.post("/inbox/several", {"thread": [str(talks[0])], "do": do})).status_code == 404, do
    await ours.log_in(bia)
    assert "no thread was chosen" in await told(ours, [], "close")
    assert "at most 100 threads" in await told(ours, list(range(1, 102)), "close")
    # One that is not theirs among others, a person and a label of nobody's, and nonsense: nothing of it is done.
    for threads, do in (
        ([*talks, 10**6], "close"), (talks, f"assign:person:{caio.account_id}"), (talks, "assign:team:7"),
        (talks, "label:9"), (talks, "label:x"), (talks, "snooze:never"), (talks, "explode"), ([*talks, -1], "read"),
    ):  # fmt: skip
        answer = await ours.post("/inbox/several", {"thread": [str(one) for one in threads], "do": do})
        assert answer.status_code in {400, 404}, do
    looks = open_browser()
    viewer = {"login": "vera", "name": "Vera", "role": Role.VIEWER}
    await looks.log_in(await db.run("add", lambda conn: world.someone(conn, business, **viewer)))
    assert (await looks.post("/inbox/several", {"thread": [str(talks[0])], "do": "close"})).status_code == 403
    assert 'name="thread"' not in (await looks.get("/inbox")).text
    assert await rows(db, STAND) == [(True, None, None, 1)] * len(talks)
    assert await rows(db, TOLD) == await rows(db, LABELLED) == []


async def test_several_people_at_once_and_customers_who_write_meanwhile_lose_nothing(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    label = await db.run("label", lambda conn: labels.add(conn, bia.caller, "VIP", "red"))
    talks = await they_write(db, business)
    await hook(db, business)
    await browser.log_in(bia)
    token = await browser.token()
    given = [str(one) for one in reversed(talks)]

    async def act(do: str) -> int:
        form = {"_csrf_token": token, "thread": given, "do": do}
        return (await browser.client.post("/inbox/several", data=form, headers=browser.headers)).status_code

    acts = [f"label:{label}", "read", f"assign:person:{bia.account_id}"]
    writing = [say(db, business, *(words("More", phone) for phone in PHONES)) for _ in range(3)]
    done = await asyncio.gather(*(act(do) for do in acts * 3), *writing)
    assert done[:9] == [303] * 9
    assert [row[0] for row in await rows(db, LABELLED)] == talks
    each = {(row[0], row[1]): row[2] for row in await rows(db, TOLD)}
    for action in ("conversation.labelled", "conversation.assigned"):
        assert [each[action, one] for one in talks] == [1] * len(talks)
    hooked = "select conversation_id from hook_events where kind = 'conversation.assigned' order by 1"
    assert [row[0] for row in await rows(db, hooked)] == talks
    assert await told(browser, talks, "read") in {f"Marked as read: {n} threads" for n in range(2, 7)} | {
        "Nothing changed · 6 were so already"
    } | {f"Marked as read: {n} threads · {6 - n} were so already" for n in range(2, 6)}
    assert {row[3] for row in await rows(db, STAND)} == {0}


def test_what_an_address_says_of_an_act_is_said_only_if_it_is_ours() -> None:
    clock = Clock(datetime.now(UTC), Business(1, "Velo Fibre", "UTC", "en"), "en", i18n.words("en"))
    assert inbox_several_view.said("close-12-0", clock) == "Closed: 12 threads"
    for text in ("", "close", "close-1", "explode-1-2", "close-1-2-3", "close-9999-1", "<b>-1-2"):
        assert inbox_several_view.said(text, clock) == ""


@pytest.mark.parametrize("look", looks("hebrew phone dark", LOOKS))
async def test_threads_are_chosen_by_keys_with_shift_and_all_at_once_and_the_list_says_what_was_done(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone, look: str
) -> None:
    await db.run("label", lambda conn: labels.add(conn, bia.caller, "VIP", "red"))
    await db.run("label", lambda conn: labels.add(conn, bia.caller, "לקוח חשוב מאוד", "teal"))
    await db.run("team", lambda conn: teams.add(conn, bia.caller, "Sales", [bia.account_id]))
    await they_write(db, business)
    tab = await open_tab(bia, **seen_as(look))
    page, chosen = tab.page, tab.page.locator(".pick-one:checked")
    await tab.go("/inbox")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await expect(chosen).to_have_count(1)
    for _ in range(2):
        await page.keyboard.press("j")
    await page.keyboard.press("Shift+X")
    await expect(chosen).to_have_count(3)
    await expect(page.locator("#chosen")).to_contain_text("3")
    await page.locator(".pick-one").nth(4).click(modifiers=["Shift"])
    await expect(chosen).to_have_count(5)
    # Somebody writes, and the list is drawn anew: what was chosen is so still.
    await say(db, business, words("And one thing more", PHONES[0]))
    await expect(page.locator(".talk", has_text="And one thing more")).to_have_count(1)
    await expect(chosen).to_have_count(5)
    await page.locator("#choose-all").click()
    await expect(chosen).to_have_count(6)
    await expect(page.locator("#chosen")).to_contain_text("6")
    assert await tab.violations() == []
    await tab.keep(f"several-chosen-{look}")
    await page.locator("#label-several summary").click()
    await tab.keep(f"several-labels-{look}")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.locator("#label-several button.item", has_text="VIP").click()
    await expect(page.locator("#did")).to_contain_text("6")
    await expect(page.locator(".talk .dot-label")).to_have_count(6)
    assert await tab.violations() == []
    await tab.keep(f"several-done-{look}")
    # The list that is drawn anew says it still, and the page that is read anew says it no more.
    await say(db, business, words("And the last one", PHONES[0]))
    await expect(page.locator(".talk", has_text="And the last one")).to_have_count(1)
    await expect(page.locator("#did")).to_contain_text("6")
    await page.reload()
    await expect(page.locator("#did")).to_have_count(0)
    # Of another list nothing is chosen that is not seen.
    await page.locator("#choose summary").first.click()
    await page.locator("#choose-all").click()
    await page.locator("#filters label", has=page.locator("input[value=unread]")).click()
    await expect(page.locator("#did")).to_have_count(0)
    await expect(chosen).to_have_count(0)
    await page.locator("#assign-several summary").click()
    await tab.keep(f"several-assign-{look}")
