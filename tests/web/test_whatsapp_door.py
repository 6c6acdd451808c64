"""``/webhooks/whatsapp``: what Meta signed is kept and answered, the handshake is answered, all else is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tallybook.channels.whatsapp import verify
from tallybook.channels.whatsapp.webhook import WhatsAppWebhook
from tallybook.core import signatures
from tallybook.core.businesses import Business
from tallybook.core.channel import MAX_BODY
from tallybook.core.db import Database
from tallybook.web import webhooks
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.test_received import add, come, process
from tests.core.worked import rows

HOOK = WhatsAppWebhook([bodies.SECRET], "a token of ours")
PATH = "/webhooks/whatsapp"


async def test_what_is_signed_is_kept_and_answered_and_what_is_not_is_refused(
    db: Database, app: Any, asgi_app: Any
) -> None:
    async with (
        webhooks.in_front_of(asgi_app, {"whatsapp": HOOK}, app) as whole,
        httpx.AsyncClient(transport=httpx.ASGITransport(whole), base_url="http://tallybook.test") as client,
    ):
        signed = {verify.SIGNATURE: signatures.signature(bodies.SECRET, bodies.EVERYTHING)}
        assert (await client.post(PATH, content=bodies.EVERYTHING, headers=signed)).status_code == 200
        assert (await client.post(PATH, content=bodies.EVERYTHING)).status_code == 401
        assert (await client.post(PATH, content=bodies.EVERYTHING + b" ", headers=signed)).status_code == 401
        asked = {"hub.mode": "subscribe", "hub.verify_token": "a token of ours", "hub.challenge": "<1158>"}
        greeted = await client.get(PATH, params=asked)
        assert (greeted.status_code, greeted.text) == (200, "<1158>")
        assert greeted.headers["content-type"].startswith("text/plain")
        assert (await client.get(PATH, params=asked | {"hub.verify_token": "another"})).status_code == 403
        assert (await client.put(PATH)).status_code == 405
    assert await rows(db, "select body from deliveries") == [(bodies.EVERYTHING,)]


async def test_a_webhook_of_a_thousand_updates_and_three_megabytes_is_kept_and_each_of_them_is_filed_once(
    db: Database, app: Any, asgi_app: Any, business: Business
) -> None:
    await add(db, business)
    entries = [
        {"id": bodies.WABA, "changes": [_change(number) for number in range(entry * 10, entry * 10 + 10)]}
        for entry in range(10)
    ]
    content = json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()
    content += b" " * (3 * 1024 * 1024 - len(content))
    async with (
        webhooks.in_front_of(asgi_app, {"whatsapp": HOOK}, app) as whole,
        httpx.AsyncClient(transport=httpx.ASGITransport(whole), base_url="http://tallybook.test") as client,
    ):
        signed = {verify.SIGNATURE: signatures.signature(bodies.SECRET, content)}
        for _ in range(2):
            assert (await client.post(PATH, content=content, headers=signed)).status_code == 200
        assert (await client.post(PATH, content=content.ljust(MAX_BODY + 1), headers=signed)).status_code == 413
    await process(db)
    # Again, in the batches of one entry each, as a retry may be.
    await come(db, *(bodies.body(*entry["changes"]) for entry in entries))
    assert await rows(db, "select state, count(*)::int from deliveries group by 1") == [("done", 11)]
    counts = "select count(*)::int, sum(last_seq)::int, sum(inbound)::int from whatsapp_conversation"
    assert await rows(db, counts) == [(100, 1000, 1000)]
    assert await rows(db, "select count(*)::int from messages") == [(1000,)]


def _change(number: int) -> dict[str, Any]:
    """Ten messages of one customer, each of some 2,700 characters."""
    phone = f"120155501{number:02}"
    some = [
        bodies.text(f"No. {number}.{place} " + "x" * 2700, number * 10 + place) | {"from": phone} for place in range(10)
    ]
    return bodies.change("messages", *some, contacts=[bodies.contact(phone, None)])
