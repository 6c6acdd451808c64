"""A review as people work on it with others: feedback, whose it is, photos, many at once. Seen in a real browser."""

from __future__ import annotations

import asyncio
import hashlib
import re
import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tallybook.core import ingest, wakeups
from tallybook.core.businesses import Business
from tallybook.core.channel import Refused, Settlement
from tallybook.core.db import Conn, Database
from tallybook.core.kept_files import path_of
from tallybook.core.messages import Identity, Incoming, Media
from tallybook.core.sending import Post, deliver
from tallybook.monitor.service import feedback
from tallybook.monitor.service.filing import Desk
from tallybook.monitor.store import photos as photo_store
from tallybook.monitor.store.photos import Kept
from tallybook.web.auth import HOME
from tests import world
from tests.core.posted import Provider
from tests.web.browser import DESK, LAWLEY, PHONE, OpenTab, Site, Tab, looks, post, set_up

expect.set_options(timeout=10_000)
KEPT = "select id from messages where media_type is not null order by id"


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await set_up(db, business)
    return business


@pytest.fixture
async def ana(db: Database, home: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.ana(conn, home))


@pytest.fixture
async def bia(db: Database, home: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.bia(conn, home))


def picture(red: int) -> bytes:
    """A PNG of 90 by 60 points of one colour."""
    rows = b"".join(b"\0" + bytes((red, 120, 90)) * 90 for _ in range(60))

    def part(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", 90, 60, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


async def photo(db: Database, home: Business, content: bytes, text: str = "") -> None:
    """Somebody posts a photo just after a drop."""
    name = hashlib.sha256(content).hexdigest()
    incoming = Incoming(
        channel="bridge", account="bridge", scope=LAWLEY.group, external_id=f"P{name[:16]}", chat=LAWLEY.group,
        sender=Identity("27820000007@s.whatsapp.net", "+27820000007"), said_at=datetime.now(UTC), text=text,
        content_hash=bytes.fromhex(name), media=Media("image", "a.jpg", bytes.fromhex(name), len(content)),
    )  # fmt: skip

    async def work(conn: Conn) -> None:
        await ingest.absorb(conn, home, [incoming], Desk({LAWLEY.group: LAWLEY}, home.zone))
        await wakeups.wake_up(conn, "monitor", home.id)

    await db.run("photo", work)


async def keep(db: Database, home: Business, folder: Path, contents: list[bytes], types: list[str]) -> list[int]:
    """As the worker would have fetched them."""

    async def work(conn: Conn) -> list[int]:
        ids = [row[0] for row in await (await conn.execute(KEPT)).fetchall()]
        await photo_store.ask(conn, home.id, ids)
        for message_id, content, type_ in zip(ids, contents, types, strict=False):
            sha256 = hashlib.sha256(content).digest()
            path = path_of(folder, sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            await photo_store.keep(conn, home.id, message_id, Kept(sha256, type_, len(content)))
        for message_id in ids[len(contents) :]:
            reason = "The bridge gave another file: one of the same name was there before."
            await photo_store.fail(conn, home.id, message_id, reason)
        return ids

    return await db.run("keep", work)


async def send(db: Database, home: Business, *answers: Exception) -> list[str]:
    """What the worker does at a wake-up."""
    provider = Provider(Settlement.BY_ECHO, *answers, name="bridge")
    await deliver(db, home.id, Post({"bridge": provider}, tell=feedback.told), asyncio.Event())
    return provider.sent


def row(tab: Tab, drop: str) -> Any:
    return tab.page.locator(".row", has_text=drop)


async def open_review(tab: Tab, drop: str) -> None:
    await row(tab, drop).locator("a").click()
    await expect(tab.page.locator("#sheet h2")).to_have_text(drop)
    await expect(tab.page.locator("#live")).to_have_attribute("data-state", "live")


async def test_the_feedback_writes_itself_beside_the_ticks_and_is_sent_once_and_told_of(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    tab = await open_tab(ana, HOME)
    await open_review(tab, "DR1752104")
    field = tab.page.locator("#feedback")
    await expect(field).to_have_value(re.compile(r"^DR1752104\nNEEDS CORRECTION\n\nMissing items:\n- Property Photo"))
    for key in "1234567890-=":
        await tab.page.keyboard.press(key)
    await expect(field).to_have_value("DR1752104\nAll items complete!")
    await tab.page.keyboard.press("f")
    await field.fill("DR1752104\nWell done, all twelve!")
    await tab.page.keyboard.press("Control+Enter")
    await expect(tab.page.locator("#last-said")).to_contain_text("Waits to be sent")
    await expect(tab.page.locator("#say-it button")).to_be_disabled()
    await expect(field).to_have_value("DR1752104\nAll items complete!")
    assert len(await send(db, home)) == 1
    await expect(tab.page.locator("#last-said .how")).to_have_text("Sent to the group")
    await expect(tab.page.locator("#sheet .trail", has_text="Feedback sent")).to_be_visible()
    await expect(tab.page.locator("#say-it button")).to_have_text("Send again")
    await tab.page.locator("#say-it button").click()
    await expect(tab.page.locator("#last-said")).to_contain_text("Waits to be sent")
    assert await send(db, home, Refused("The bridge refused the message.")) == []
    await expect(tab.page.locator("#last-said")).to_contain_text("Not sent")
    await expect(tab.page.locator("#last-said")).to_contain_text("The bridge refused the message.")
    await tab.keep("reviews-feedback", whole=True)
    assert await tab.violations() == []


async def test_what_was_typed_into_the_feedback_stays_when_a_post_comes_meanwhile(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104", ago=timedelta(minutes=5))
    tab = await open_tab(ana, HOME)
    tab.expected.append("409")
    await open_review(tab, "DR1752104")
    await tab.page.fill("#feedback", "DR1752104 please come back")
    await post(db, home, "DR1752104")
    await expect(tab.page.locator("#say")).to_contain_text("Posted again")
    await tab.page.locator("#say-it button").click()
    await expect(tab.page.locator("#say")).to_contain_text("It was posted again meanwhile")
    await expect(tab.page.locator("#feedback")).to_have_value("DR1752104 please come back")
    await tab.page.locator("#say button").click()
    await expect(tab.page.locator("#sheet")).to_have_attribute("data-posts", "2")
    await expect(tab.page.locator("#feedback")).to_have_value("DR1752104 please come back")
    await tab.page.locator("#say-it button").click()
    await expect(tab.page.locator("#last-said")).to_contain_text("Waits to be sent")


async def test_of_two_people_one_works_and_the_other_can_neither_send_nor_assign_nor_confirm(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone, bia: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    await photo(db, home, picture(200))
    first, second = await open_tab(ana, HOME), await open_tab(bia, HOME)
    await open_review(second, "DR1752104")
    await expect(second.page.locator("#say-it")).to_be_visible()
    await open_review(first, "DR1752104")
    await first.page.keyboard.press("1")
    await expect(first.page.locator("#saved")).to_have_text("Saved")
    await expect(second.page.locator("#say")).to_contain_text(f"{ana.name} is working on this review")
    for control in ("#say-it", "#assign", ".photo form"):
        await expect(second.page.locator(control)).to_have_count(0)
    await expect(first.page.locator("#say-it")).to_be_visible()


async def test_a_review_is_assigned_and_found_under_mine_and_the_other_page_follows(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone, bia: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    await post(db, home, "DR1752105")
    first, second = await open_tab(ana, HOME), await open_tab(bia, HOME)
    await open_review(first, "DR1752104")
    await open_review(second, "DR1752104")
    await first.page.select_option("#assign", label=bia.name)
    await expect(second.page.locator("#assign")).to_have_value(str(bia.account_id))
    await expect(row(second, "DR1752104")).to_contain_text(bia.name)
    await expect(first.page.locator("#sheet .trail", has_text=f"Assigned: nobody → {bia.name}")).to_be_visible()
    await second.page.select_option("select[name=assigned]", "me")
    await expect(second.page.locator("#rows .row")).to_have_count(1)
    assert await first.violations() == []


async def test_many_are_chosen_with_the_keyboard_shown_with_their_numbers_and_done_row_by_row(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone, bia: world.Someone
) -> None:
    for number in range(4):
        await post(db, home, f"DR175210{number}", ago=timedelta(minutes=9 - number))
        if number:
            await post(db, home, f"DR175210{number}", ago=timedelta(minutes=4 - number))
    other = await open_tab(bia, HOME)
    await open_review(other, "DR1752102")
    await other.page.keyboard.press("1")
    await expect(other.page.locator("#saved")).to_have_text("Saved")
    tab = await open_tab(ana, HOME)
    await tab.page.keyboard.press("j")
    await tab.page.keyboard.press("x")
    for _ in range(3):
        await tab.page.keyboard.press("j")
    await tab.page.keyboard.press("Shift+X")
    await expect(tab.page.locator("#selected > span")).to_have_text("4 selected")
    await tab.keep("reviews-chosen", whole=True)
    assert await tab.violations() == []
    await tab.page.locator("#selected button", has_text="Looked at").click()
    await expect(tab.page.locator(".sum")).to_contain_text("4 drops are chosen. 2 would be changed. 1 needs nothing.")
    await expect(tab.page.locator(".sum b")).to_have_text("1 is left alone: somebody is working on it.")
    await tab.keep("reviews-preview", whole=True)
    assert await tab.violations() == []
    await tab.page.get_by_role("button", name="Yes, change 2 drops").click()
    await expect(tab.page.locator(".sum")).to_contain_text("2 drops were changed. 1 was left as it was")
    await expect(tab.page.locator(".outcomes li").first).to_contain_text(f"{bia.name} is working on it")
    await tab.page.get_by_role("link", name="Back to the list").click()
    await expect(tab.page.locator(".row .tag.again")).to_have_count(1)
    await tab.page.locator(".pickbox").first.check()
    await tab.page.locator("#selected [data-do=all]").click()
    await expect(tab.page.locator("#selected > span")).to_have_text("All that fit: 4 drops")
    await tab.page.locator("#selected button", has_text="Assign").click()
    await expect(tab.page.locator(".sum")).to_contain_text("4 drops are chosen. 3 would be changed.")
    await tab.page.get_by_role("button", name="Assign them").click()
    await expect(tab.page.locator(".sum")).to_contain_text("3 drops were changed.")


async def test_photos_are_shown_large_confirmed_or_refused_and_what_is_no_picture_is_a_file(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone, site: Site
) -> None:
    await post(db, home, "DR1752104")
    contents = [picture(200), picture(90), b"<svg onload='alert(1)'/>"]
    for content in [*contents, picture(1)]:
        await photo(db, home, content)
    ids = await keep(db, home, site.data / "media", contents, ["image/png", "image/png", "application/octet-stream"])
    tab = await open_tab(ana, HOME)
    await open_review(tab, "DR1752104")
    await expect(tab.page.locator(".strip > .photo")).to_have_count(4)
    await expect(tab.page.locator(".photo img")).to_have_count(2)
    shown = tab.page.locator(f"#photo-{ids[0]} img")
    await expect(shown).to_have_js_property("naturalWidth", 90)
    await expect(tab.page.locator(f"#photo-{ids[3]}")).to_contain_text("The bridge gave another file")
    await tab.keep("reviews-photos", whole=True)
    assert await tab.violations() == []
    await shown.click()
    await expect(tab.page.locator("dialog.large img")).to_be_visible()
    await tab.page.keyboard.press("Escape")
    await expect(tab.page.locator("dialog.large")).to_have_count(0)
    await tab.page.locator(f"#photo-{ids[0]} button[value=confirm]").click()
    await expect(tab.page.locator(f"#photo-{ids[0]} .tag.done")).to_have_text("of this drop")
    await tab.page.locator(f"#photo-{ids[1]} button[value=refuse]").click()
    await expect(tab.page.locator(".photos .earlier summary")).to_have_text("1 that is not of this drop")
    await tab.page.locator(f"#photo-{ids[3]} button[value=fetch]").click()
    await expect(tab.page.locator(f"#photo-{ids[3]}")).to_contain_text("Being fetched")
    address = tab.page.url.split("?")[0]
    for message_id, type_ in ((ids[0], "image/png"), (ids[2], "application/octet-stream")):
        answer = await tab.page.request.get(f"{address}/photos/{message_id}")
        assert (answer.status, answer.headers["content-type"]) == (200, type_)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert ("content-disposition" in answer.headers) == (type_ == "application/octet-stream")
    assert (await tab.page.request.get(f"{address}/photos/{ids[3]}")).status == 404


@pytest.mark.parametrize(
    ("lang", "size", "scheme"),
    looks(("he", PHONE, "light"), [("he", PHONE, "light"), ("en", PHONE, "dark"), ("he", DESK, "dark")]),
)
async def test_a_review_is_whole_in_both_languages_on_a_phone_and_in_the_dark(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone, site: Site, lang: str, size: Any, scheme: str
) -> None:
    await post(db, home, "DR1752104")
    for content in (picture(200), picture(90), picture(30)):
        await photo(db, home, content)
    await keep(db, home, site.data / "media", [picture(200), picture(90)], ["image/png"] * 2)
    tab = await open_tab(ana, HOME, viewport=size, color_scheme=scheme, locale=lang)
    await row(tab, "DR1752104").locator("a").click()
    await expect(tab.page.locator("#sheet h2")).to_have_text("DR1752104")
    await tab.page.locator("#say-it button").click()
    await expect(tab.page.locator("#last-said")).to_be_visible()
    assert await send(db, home)
    await expect(tab.page.locator("#last-said[data-state=sent]")).to_be_visible()
    await tab.keep(f"reviews-review-{lang}-{size['width']}-{scheme}", whole=True)
    wide = await tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    assert await tab.violations() == []
    # As the bar of what is chosen does it, which a phone's list has too.
    await tab.go("/wa-monitor")
    if size == PHONE:
        await tab.page.locator(".choose").click()
    await tab.page.locator(".pickbox").first.check()
    await expect(tab.page.locator("#selected")).to_be_visible()
    await tab.keep(f"reviews-list-{lang}-{size['width']}-{scheme}", whole=True)
    await tab.page.locator("#selected button[value=assign]").click()
    await expect(tab.page.locator(".outcomes li")).to_have_count(1)
    await tab.keep(f"reviews-bulk-{lang}-{size['width']}-{scheme}", whole=True)
    wide = await tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    assert await tab.violations() == []
