"""Who else is at a thread: told to open pages of the same business at once, to nobody else, and kept nowhere."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Page, Request, expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Unavailable
from tallybook.core.wakeups import wake_up
from tallybook.web import inbox_presence
from tallybook.web.inbox_presence import Here, Room, Sayings
from tallybook.web.live import Live
from tests import world
from tests.web import talks
from tests.web.browser import OpenTab
from tests.web.talks import first, say, words

ANA = Here(7, 3, "writes", "Ana לביא: a/b")


@given(st.integers(1, 2**62), st.integers(1, 2**30), st.sampled_from(["looks", "writes", "left"]), st.text(max_size=60))
def test_what_is_said_passes_through_a_wake_up_whole(thread: int, who: int, doing: Any, name: str) -> None:
    here = Here(thread, who, doing, name.encode(errors="replace").decode())
    topic = inbox_presence.written(here)
    assert " " not in topic
    assert inbox_presence.read(topic) == here


@pytest.mark.parametrize(
    "topic", ["inbox", "here", "here:1:2:looks", "here:x:2:looks:", "here:1:2:sings:", "here:1:2:looks:é"]
)
def test_another_topic_says_of_nobody_that_they_are_here(topic: str) -> None:
    assert inbox_presence.read(topic) is None


def test_a_room_forgets_by_itself_and_who_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    room, now = Room(), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    room.hear(1, ANA)
    assert list(room.of(1)) == [ANA]
    assert list(room.of(2)) == []
    room.hear(1, Here(7, 3, "left", "Ana"))
    assert list(room.of(1)) == []
    room.hear(1, ANA)
    now[0] += inbox_presence.LASTS + 1
    assert list(room.of(1)) == []


async def test_one_person_is_passed_on_once_in_a_while_whatever_the_thread_and_the_newest_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox_presence, "APART", 0.2)
    told: list[tuple[float, int, Here]] = []

    async def tell(business_id: int, here: Here) -> None:
        told.append((time.monotonic(), business_id, here))
        if len(told) == 1:
            raise Unavailable("The database is away.")

    sayings = Sayings(tell)
    for _ in range(3):
        sayings.say(1, ANA)
    await asyncio.sleep(0.05)  # the first is on its way, and what comes after it waits its turn
    sayings.say(1, ANA)  # a key held down is one saying
    for thread in range(100, 2_100):
        sayings.say(1, Here(thread, 3, "looks", "Ana"))
    sayings.say(1, Here(2_099, 3, "left", "Ana"))
    sayings.say(2, ANA)
    async with asyncio.timeout(10):
        while sayings.busy:
            await asyncio.sleep(0.02)  # they leave by themselves, at their pace
    mine = [(at, here) for at, business_id, here in told if business_id == 1]
    assert mine[0][1] == ANA
    assert [(here.thread, here.doing) for _, here in mine[1:]] == [(2_098, "looks"), (2_099, "left")]
    assert all(later - earlier >= 0.19 for (earlier, _), (later, _) in pairwise(mine))
    assert [here for _, business_id, here in told if business_id == 2] == [ANA]
    sayings.say(1, ANA)
    await sayings.close()
    assert not sayings.busy


def test_forgetting_looks_at_nobody_who_is_still_here(monkeypatch: pytest.MonkeyPatch) -> None:
    room, now, looks = Room(), [100.0], 0
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def look(frame: Any, event: str, _: Any) -> Any:
        nonlocal looks
        looks += event == "line"
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        for thread in range(2_000):
            room.hear(1, Here(thread, 3, "looks", "Ana"))
    finally:
        sys.settrace(before)
    assert looks < 2_000 * 30
    now[0] += inbox_presence.LASTS - 1
    room.hear(1, Here(5, 3, "writes", "Ana"))
    now[0] += 2
    assert [here.thread for here in room.of(1)] == [5]


@pytest.fixture
async def hub(db: Database, database_url: str) -> AsyncIterator[Live]:
    running = Live(db, database_url)
    async with running.running(), asyncio.timeout(20):
        while not running.connected:
            await asyncio.sleep(0.02)  # that it listens is told to nobody
        yield running


async def test_another_process_s_pages_hear_it_and_another_business_s_do_not(
    hub: Live, db: Database, business: Business
) -> None:
    ana = await db.run("add", lambda conn: world.ana(conn, business))
    caio = await db.run("add", world.caio)
    heard: dict[str, list[str]] = {"ours": [], "theirs": [], "monitor": []}

    async def listen(name: str, who: world.Someone, topic: str) -> None:
        async for event in hub.stream(who.caller, topic):
            heard[name].append(event)

    listening = [
        asyncio.create_task(listen(*one))
        for one in (("ours", ana, "inbox"), ("theirs", caio, "inbox"), ("monitor", ana, "monitor"))
    ]

    async def tell(conn: Conn) -> None:
        await wake_up(conn, inbox_presence.written(ANA), business.id)
        await wake_up(conn, "inbox", caio.caller.business_id)

    await asyncio.sleep(0)  # both begin to listen
    await db.run("tell", tell)
    async with asyncio.timeout(10):
        while not any("event: here" in one for one in heard["ours"]) or not any(
            "changed" in one for one in heard["theirs"]
        ):
            await asyncio.sleep(0.02)  # what was heard is a list, which signals nothing
    for task in listening:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert any('"doing":"writes"' in one and "לביא" in one for one in heard["ours"])
    assert not any("event: here" in one for one in [*heard["theirs"], *heard["monitor"]])
    assert not any("changed" in one for one in heard["ours"][1:]), "nothing is drawn anew for it"


def says(request: Request, doing: str) -> bool:
    return request.url.endswith("/here") and f'"{doing}"' in (request.post_data or "")


def sayings_of(page: Page) -> list[str]:
    """What a page says from now on that its person does."""
    said: list[str] = []
    page.on("request", lambda one: said.extend(word for word in ("writes", "looks", "left") if says(one, word)))
    return said


async def test_two_who_write_to_one_customer_see_each_other_and_who_answered_first(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is it open?"))
    tabs = []
    for login, name in (("duma", "Duma Nkosi"), ("bongi", "Bongi Zulu")):
        overrides: dict[str, Any] = {"login": login, "name": name, "role": Role.AGENT}
        who = await db.run("add", partial(world.someone, business=business, **overrides))
        tabs.append(await open_tab())
        await tabs[-1].log_in(who)
    duma, bongi = tabs
    await duma.page.clock.install()
    for tab in tabs:
        await tab.go(f"/inbox/{await first(db)}")
        await expect(tab.page.locator("#live")).to_have_attribute("data-state", "live")
    await expect(duma.page.locator("#also-here")).to_have_text("Bongi Zulu is here")
    await duma.page.locator("#text").press_sequentially("Until si")
    await expect(bongi.page.locator("#also-here")).to_have_text("Duma Nkosi is writing an answer")
    assert await bongi.violations() == []
    said = sayings_of(duma.page)
    async with duma.page.expect_request(lambda one: says(one, "writes")):
        await duma.page.clock.run_for(6_000)  # more than a beat, and less than after what somebody only looks
        await duma.page.locator("#text").press_sequentially("x")
    assert set(said) == {"writes"}, "whoever writes says at no beat that they look"
    async with duma.page.expect_request(lambda one: says(one, "looks")):
        await duma.page.clock.run_for(12_000)
    await duma.page.locator("#text").press("Backspace")
    await bongi.page.locator("#text").fill("Until six")
    await bongi.page.keyboard.press("Enter")
    await expect(duma.page.locator("#was-answered")).to_be_visible()
    await expect(duma.page.locator("#text")).to_have_value("Until si")
    await duma.keep("presence")
    await expect(bongi.page.locator("#was-answered")).to_be_hidden()
    await bongi.go("/inbox")
    await expect(duma.page.locator("#also-here")).to_be_hidden()
