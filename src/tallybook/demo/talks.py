"""What the demo's customers write, and what its people wrote back: made up, in English and Hebrew. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

NUMBER = "100000000000001"  # the id of the demo's own number at WhatsApp, which has none of it
OURS = "27820000040"
WABA = "100000000000002"
Json = dict[str, Any]


class Customer(msgspec.Struct, frozen=True):
    """Somebody who writes."""

    phone: str
    name: str


class Line(msgspec.Struct, frozen=True):
    """What was said so many minutes ago, by the customer or by one of ours on the phone."""

    ago: int
    text: str
    by_us: bool = False
    kind: str = "text"


NALEDI = Customer("27820000041", "Naledi Khumalo")
SIPHO = Customer("27820000042", "Sipho Mthembu")
NOA = Customer("27820000043", "נועה כהן")
AVI = Customer("27820000044", "אבי לוי")
LERATO = Customer("27820000045", "Lerato Mokoena")
LIOR = Customer("27820000046", "ליאור פרץ")
LEAD, CLOSED, SNOOZED = NALEDI, SIPHO, LIOR

PAST: tuple[tuple[Customer, tuple[Line, ...]], ...] = (
    (NALEDI, (
        Line(1510, "Good morning, do you install fibre in Lawley Extension 3?"),
        Line(1490, "Good morning Naledi! Yes, since March. Shall I put you on the list?", by_us=True),
        Line(1485, "Yes please 🙏 What does it cost?"),
        Line(1480, "R 399 a month, the installation is free.", by_us=True),
        Line(95, "I thought about it. Can you come this week?"),
    )),
    (SIPHO, (
        Line(300, "The installer was here, all works"),
        Line(290, "Thank you for telling us, Sipho!", by_us=True),
        Line(285, "Great team 👍"),
    )),
    (NOA, (
        Line(240, "שלום, קבעתם לי התקנה ליום שלישי בין 9:00 ל־12:00"),
        Line(232, "נכון, הטכנאי יתקשר חצי שעה לפני.", by_us=True),
        Line(40, "אפשר להקדים ליום שני? 🙂"),
    )),
    (AVI, (Line(180, "מה המחיר לחבילה של 500 מגה?"), Line(170, "וגם ל־1,000?"))),
    (LERATO, (
        Line(70, "", kind="poll"),
        Line(69, "Sorry, pressed the wrong thing. My router is red since this morning"),
    )),
    (LIOR, (
        Line(420, "הנתב הגיע, תודה רבה"),
        Line(410, "בשמחה! נדבר בשבוע הבא על ההתקנה.", by_us=True),
        Line(400, "מעולה"),
    )),
)  # fmt: skip
# While the demo runs, one of these comes after the other, again and again. Some of them the bot can answer.
COMING: tuple[tuple[Customer, str], ...] = (
    (LERATO, "What are your opening hours?"),
    (AVI, "מה שעות הפתיחה שלכם?"),
    (NALEDI, "Where is your office?"),
    (NOA, "אני מחכה לתשובה 🙂"),
    (SIPHO, "One more thing: how do I change the password of my router?"),
    (NOA, "אפשר לשלם בתשלומים?"),
    (LERATO, "I want to speak to a person"),
    (AVI, "תודה!"),
)
ANSWERS = (
    (
        "en",
        "What are your opening hours?",
        "We are open Monday to Friday from 8:00 to 17:00, and Saturday until 13:00.",
    ),
    ("en", "When do you open?", "We are open Monday to Friday from 8:00 to 17:00, and Saturday until 13:00."),
    ("en", "Where is your office?", "At 1 Example Road, Lawley. There is parking behind the building."),
    ("en", "How do I change the password of my router?", "Open 192.168.1.1 in your browser and choose “Wi-Fi”."),
    ("he", "מה שעות הפתיחה שלכם?", "אנחנו פתוחים בימים א׳–ה׳ בין 8:00 ל־17:00, ובימי ו׳ עד 13:00."),
    ("he", "אפשר לשלם בתשלומים?", "כן, עד שלושה תשלומים ללא ריבית."),
)


def body(part: str, *items: Json, field: str = "messages", **value: Any) -> bytes:
    """A webhook as WhatsApp sends it."""
    metadata = {"display_phone_number": OURS, "phone_number_id": NUMBER}
    head = {"messaging_product": "whatsapp", "metadata": metadata}
    change = {"field": field, "value": head | {part: list(items)} | value}
    entry = {"id": WABA, "changes": [change]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def written(who: Customer, line: Line, message_id: str, at: datetime) -> bytes:
    """A customer's message."""
    what: Json = {"text": {"body": line.text}} if line.kind == "text" else {"unsupported": {"type": line.kind}}
    kind = "text" if line.kind == "text" else "unsupported"
    said = {"id": message_id, "from": who.phone, "timestamp": _seconds(at), "type": kind} | what
    return body("messages", said, contacts=[{"profile": {"name": who.name}, "wa_id": who.phone}])


def answered(who: Customer, line: Line, message_id: str, at: datetime) -> bytes:
    """What one of ours typed on the phone."""
    said = {"id": message_id, "from": OURS, "to": who.phone, "timestamp": _seconds(at), "type": "text"}
    return body("message_echoes", said | {"text": {"body": line.text}}, field="smb_message_echoes")


def status(message_id: str, to: str, became: str, at: datetime, ours: str = "") -> bytes:
    """How far a message of ours came."""
    told = {"id": message_id, "status": became, "timestamp": _seconds(at), "recipient_id": to.lstrip("+")}
    return body("statuses", told | ({"biz_opaque_callback_data": ours} if ours else {}))


def past(now: datetime) -> Iterator[bytes]:
    """All that was said until now, talk by talk, with how far ours came."""
    for who, lines in PAST:
        for number, line in enumerate(lines):
            message_id, at = f"wamid.demo.{who.phone}.{number}", now - timedelta(minutes=line.ago)
            if line.by_us:
                yield answered(who, line, message_id, at)
                yield status(message_id, who.phone, "read", at + timedelta(seconds=40))
            else:
                yield written(who, line, message_id, at)


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))
