"""Customers confirm or cancel an appointment by the buttons under its reminder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import audit
from tallybook.core import content as contents
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.wakeups import wake_up
from tallybook.inbox.automation_types import Booked, Cause
from tallybook.inbox.contents import Choice, Interactive
from tallybook.inbox.store import appointments as store
from tallybook.inbox.store import contacts as contact_store
from tallybook.inbox.store.sending import Held

from .filing import TOPIC

CUSTOMER = "Customer"
TITLES = {"en": ("Confirm", "Cancel"), "he": ("אישור", "ביטול")}
BECOMES = {"confirm": "confirmed", "cancel": "cancelled"}
ALIVE = frozenset({"booked", "confirmed"})
_PAYLOAD = re.compile(r"appointment:([1-9]\d{0,17}):(\d{1,9}):(confirm|cancel)", re.ASCII)


def payloads(booked: Booked) -> Sequence[str]:
    """What comes back when somebody presses the first or the second button."""
    return [f"appointment:{booked.id}:{booked.moves}:{one}" for one in BECOMES]


def asked(text: str, booked: Booked, locale: str) -> Interactive:
    """A text with the two buttons."""
    titles = TITLES.get(locale, TITLES["en"])
    choices = tuple(Choice(payload, title) for payload, title in zip(payloads(booked), titles, strict=True))
    return Interactive("buttons", text, choices)


def pressed(content: str | None) -> tuple[int, int, str] | None:
    """The appointment, its move and the status that a message asks for; None for any other message. Pure."""
    known = contents.read(content)
    if known is None or known.type not in {"button", "interactive"}:
        return None
    sent = msgspec.json.decode(known.as_sent)
    for part in (("interactive", "button_reply", "id"), ("button", "payload")):
        value = sent
        for name in part:
            value = value.get(name) if isinstance(value, dict) else None
        found = _PAYLOAD.fullmatch(value) if isinstance(value, str) else None
        if found is not None:
            return int(found[1]), int(found[2]), BECOMES[found[3]]
    return None


async def read(conn: Conn, business: Business, thread: Held, cause: Cause, now: datetime) -> bool:
    """Does what a customer pressed about an appointment of theirs as it is now; whether that changed anything."""
    content = await store.content_of(conn, business.id, cause.message_id or 0)
    told = pressed(content)
    if told is None:
        return False
    number, moves, status = told
    contact = await contact_store.of_thread(conn, business.id, thread.id)
    held = await store.hold(conn, business.id, number)
    if held is None or held.contact_id != contact or held.moves != moves or held.status not in ALIVE:
        return False
    if not await store.set_status(conn, business.id, number, status, now):
        return False
    was, after = {"status": held.status}, {"status": status}
    await audit.record(conn, business.id, CUSTOMER, None, "appointment.changed", "appointment", str(number), was, after)
    await wake_up(conn, TOPIC, business.id)
    return True
