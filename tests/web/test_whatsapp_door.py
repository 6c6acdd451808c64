"""``/webhooks/whatsapp``: what Meta signed is kept and answered, the handshake is answered, all else is refused."""

from __future__ import annotations

from typing import Any

import httpx

from tallybook.channels.whatsapp import verify
from tallybook.channels.whatsapp.webhook import WhatsAppWebhook
from tallybook.core import signatures
from tallybook.core.db import Database
from tallybook.web import webhooks
from tests.channels.whatsapp import bodies
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
