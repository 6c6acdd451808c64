"""The shapes that programs of the first inbox read: every field of a thread and of a message, and what stands in it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests import world as office
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.test_received import add, come
from tests.web.conftest import OpenApi

THREADS = "/api/crm/threads"
PHONE = f"+{bodies.CUSTOMER}"
LATER = 100
PHOTO = bodies.message("image", LATER, image={"id": "1", "mime_type": "image/jpeg"})
LONG = "Is it open on Sunday, or on Monday, or on any day of the week after?"
# What comes, what the list says of it in English and in Hebrew, and whether it is a file.
NEWEST = {
    "words": (bodies.text(LONG, LATER), f"{LONG[:49]}…", f"{LONG[:49]}…", False),
    "photo": (PHOTO, "📷 Photo", "📷 תמונה", True),
    "captioned": (bodies.IMAGE, "📷 The roof", "📷 The roof", True),
    "sticker": (bodies.STICKER, "📷 Sticker", "📷 מדבקה", True),
    "video": (bodies.VIDEO, "🎬 Video", "🎬 סרטון", True),
    "voice": (bodies.VOICE, "🎤 Voice message", "🎤 הודעה קולית", True),
    "document": (bodies.DOCUMENT, "📄 Document", "📄 מסמך", True),
}


@pytest.fixture
async def api(open_api: OpenApi, db: Database, root: office.Someone, business: Business) -> httpx.AsyncClient:
    await add(db, business)
    return await open_api(root)


async def only_thread(api: httpx.AsyncClient, language: str = "en") -> dict[str, Any]:
    answer = await api.get(THREADS, headers={"accept-language": language})
    ((thread,),) = [answer.json()["data"]["threads"]]
    found: dict[str, Any] = thread
    return found


@pytest.mark.parametrize("what", NEWEST)
async def test_the_last_message_of_a_thread_is_its_first_fifty_characters_or_what_it_is(
    api: httpx.AsyncClient, db: Database, what: str
) -> None:
    newest, english, hebrew, is_file = NEWEST[what]
    await come(db, bodies.said(bodies.text()), bodies.said(newest))
    for language, expected in (("en", english), ("he", hebrew)):
        thread = await only_thread(api, language)
        assert (thread["lastMessage"], thread["has_media"]) == (expected, is_file)
        assert len(thread["lastMessage"]) <= 50
        page = await api.get("/inbox", headers={"accept": "text/html", "accept-language": language})
        assert f">{expected}</span>" in page.text


async def test_every_field_of_a_thread_stands_as_it_did(
    api: httpx.AsyncClient, db: Database, business: Business
) -> None:
    await come(db, bodies.said(bodies.text()), bodies.said(PHOTO))
    assert await only_thread(api) == {
        "id": f"phone:{business.id}:{PHONE}", "conversation_id": 1, "name": "Naledi", "lead_name": None,
        "push_name": "Naledi", "lead_id": None, "phone": PHONE, "phone_e164": PHONE, "lastMessage": "📷 Photo",
        "unread": 2, "time": "2025-12-02T12:01:40Z", "is_closed": False, "has_media": True,
    }  # fmt: skip


async def test_every_field_of_a_message_stands_as_it_did(api: httpx.AsyncClient, db: Database) -> None:
    await come(db, bodies.said(bodies.text()), bodies.said(PHOTO))
    words, photo = (await api.get(f"{THREADS}/{bodies.CUSTOMER}/messages")).json()["data"]["messages"]
    said = {"direction": "in", "status": "received", "source": "customer"}
    assert words == said | {
        "id": 1, "body": "Is it open today?", "timestamp": "2025-12-02T12:00:01Z", "time": "14:00",
        "message_type": "text", "media_url": None,
    }  # fmt: skip
    assert photo == said | {
        "id": 2, "body": "", "timestamp": "2025-12-02T12:01:40Z", "time": "14:01",
        "message_type": "image", "media_url": "/inbox/files/1",
    }  # fmt: skip
