"""Files in a thread as people use them: seen, heard of, made large, attached and sent."""

from __future__ import annotations

import hashlib
import re
import struct
import zlib

from playwright.async_api import FilePayload, expect

from tallybook.core import content
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.content import Content, File, Person
from tallybook.core.db import Database
from tallybook.core.kept_files import path_of, write
from tallybook.core.messages import Identity, Incoming, Media
from tests import world
from tests.core.worked import rows
from tests.web import talks
from tests.web.browser import PHONE, OpenTab, Site
from tests.web.talks import NALEDI, NUMBER, first, say, words

KEEP = """
update inbox_files set state = 'kept', sha256 = %(sha256)s, type = %(type)s, size = %(size)s, width = 640, height = 480
where media_id = %(media_id)s
"""
FAIL = "update inbox_files set state = 'failed', reason = %(reason)s where media_id = %(media_id)s"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int) -> bytes:
    """A picture of a slope in orange and blue."""
    lines = b"".join(
        b"\0" + b"".join(bytes((230, 120 + x * 90 // width, 60)) if x > y else b"\x30\x60\xa0" for x in range(width))
        for y in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


BOUGHT = [
    {"product_retailer_id": "Drop cable 50 m", "quantity": 2, "item_price": 149.5, "currency": "ZAR"},
    {"product_retailer_id": "קופסה", "quantity": 1, "item_price": 20, "currency": "ZAR"},
]
FILLED_IN = '{"preferred_day": "Tuesday", "rooms": ["Kitchen", "Study"], "flow_token": "not-shown"}'


def brings(number: int, kind: str, text: str = "", filename: str = "", **sent: object) -> Incoming:
    """A message with a file, or with what ``sent`` holds."""
    file = None if sent else File(f"media-{number}", "application/octet-stream")
    said = Content(kind, person=Person(name="Naledi Khumalo", phone=NALEDI), file=file)
    if sent:
        said = Content(kind, content.msgspec.Raw(content.msgspec.json.encode(sent)), said.person)
    plain = words(text, external_id=f"wamid.file{number}")
    media = None if sent else Media(kind, filename)
    return Incoming(
        channel="whatsapp", account=NUMBER, scope=NUMBER, external_id=plain.external_id, chat=NALEDI,
        sender=Identity(NALEDI, NALEDI), said_at=plain.said_at, text=text,
        content_hash=hashlib.sha256(str(number).encode()).digest(), media=media, content=content.written(said),
    )  # fmt: skip


async def thread_with_files(db: Database, business: Business, site: Site) -> int:
    await talks.connect(db, business)
    card = {"name": {"formatted_name": "Thabo Mokoena"}, "phones": [{"phone": "+27 82 000 0009"}]}
    await say(
        db, business,
        brings(1, "image", "This is the gate"), brings(2, "document", filename="an offer of last time.pdf"),
        brings(3, "video"), brings(4, "image"),
        brings(5, "location", location={"latitude": -26.2, "longitude": 28.04, "name": "Velo Fibre"}),
        brings(6, "contacts", contacts=[card]),
        brings(7, "order", "For Friday", order={"product_items": BOUGHT}),
        brings(8, "interactive", "Sent", interactive={"nfm_reply": {"response_json": FILLED_IN}}),
    )  # fmt: skip
    picture = png(640, 480)
    digest = hashlib.sha256(picture).digest()
    write(path_of(site.data / "inbox" / "prod", digest), picture)
    kept = {"sha256": digest, "size": len(picture)}
    async with db.transaction() as conn:
        await conn.execute(KEEP, kept | {"media_id": "media-1", "type": "image/png"})
        await conn.execute(KEEP, kept | {"media_id": "media-2", "type": "application/pdf"})
        reason = "WhatsApp does not have this file any more: it keeps files for some days only."
        await conn.execute(FAIL, {"media_id": "media-4", "reason": reason})
    return await first(db)


async def test_files_are_seen_made_large_pasted_and_sent(
    open_tab: OpenTab, db: Database, business: Business, site: Site
) -> None:
    duma = await db.run("add", lambda conn: world.someone(conn, business, login="duma", name="Duma", role=Role.AGENT))
    number = await thread_with_files(db, business, site)
    tab = await open_tab(duma)
    await tab.go(f"/inbox/{number}")
    page = tab.page
    picture = page.locator(".picture.shot img")
    await expect(picture).to_have_js_property("naturalWidth", 640)
    ordered, filled_in = page.locator(".told").first, page.locator(".told").last
    await expect(ordered).to_contain_text("Drop cable 50 m")
    await expect(ordered.locator(".total")).to_have_text(re.compile(r"Total\s+\D*319\.00"))
    await expect(filled_in).to_contain_text("preferred day")
    await expect(filled_in).to_contain_text("Kitchen, Study")
    await expect(filled_in).not_to_contain_text("not-shown")
    await filled_in.scroll_into_view_if_needed()
    await tab.keep("files-desk")
    assert await tab.violations() == []
    await picture.click()
    await expect(page.locator("dialog.large img")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog.large")).to_have_count(0)
    with_file = FilePayload(name="roof.png", mimeType="image/png", buffer=png(32, 32))
    await page.set_input_files("#file", files=[with_file])
    await expect(page.locator("#attached")).to_contain_text("roof.png")
    await page.fill("#text", "The roof")
    await tab.keep("files-attached")
    await page.keyboard.press("Enter")
    await expect(page.locator(".said.human .picture img")).to_have_attribute("alt", "The roof")
    await expect(page.locator("#attached")).to_have_count(0)
    await expect(page.locator("#text")).to_have_value("")
    assert await rows(db, "select count(*) from outbox") == [(1,)]
    await page.context.add_cookies([{"name": "lang", "value": "he", "url": tab.address}])
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size(PHONE)
    await tab.go(f"/inbox/{number}")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.locator(".told").last.scroll_into_view_if_needed()
    await tab.keep("files-told-phone-hebrew-dark")
    await page.set_input_files("#file", files=[with_file])
    await expect(page.locator("#attached")).to_be_visible()
    await tab.keep("files-phone-hebrew-dark")
    assert await tab.violations() == []
