"""Webhooks as Meta documents them, written anew with numbers that are nobody's."""

from __future__ import annotations

import json
from typing import Any

NUMBER = "106540352242922"  # the id of our number at Meta; no telephone number
OURS = "15555550100"
WABA = "102290129340398"
CUSTOMER = "27820000001"
OTHER = "27820000002"
BSUID = "ZA.13491208655302741918"
NOON = 1764676800  # 2 December 2025, 12:00 UTC
SECRET = b"an app secret of the tests"

Json = dict[str, Any]


def body(*changes: Json, waba: str = WABA, time: int | None = None) -> bytes:
    """A webhook of one entry."""
    entry: Json = {"id": waba, "changes": list(changes)} | ({"time": time} if time else {})
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def change(part: str, *items: Any, field: str = "messages", number: str = NUMBER, **value: Any) -> Json:
    """A change of a number, with a list of updates in the part of that name."""
    metadata = {"display_phone_number": OURS, "phone_number_id": number}
    head = {"messaging_product": "whatsapp", "metadata": metadata}
    return {"field": field, "value": head | {part: list(items)} | value}


def account_change(field: str, **value: Any) -> Json:
    """News of the account, which name no number."""
    return {"field": field, "value": value}


def contact(wa_id: str | None = CUSTOMER, user_id: str | None = BSUID, **profile: str) -> Json:
    known = {"wa_id": wa_id, "user_id": user_id}
    return {"profile": {"name": "Naledi"} | profile} | {
        name: value for name, value in known.items() if value is not None
    }


def message(kind: str, number: int = 1, **more: Any) -> Json:
    """A message of a customer; its type's field is named in ``more``."""
    return {"id": f"wamid.{number:04}", "from": CUSTOMER, "timestamp": str(NOON + number), "type": kind} | more


def text(words: str = "Is it open today?", number: int = 1, **more: Any) -> Json:
    return message("text", number, text={"body": words}, **more)


def status(became: str, number: int = 1, at: int = NOON, **more: Any) -> Json:
    known = {"id": f"wamid.{number:04}", "status": became, "timestamp": str(at), "recipient_id": CUSTOMER}
    return known | more


def said(*items: Json, **more: Any) -> bytes:
    """A webhook of messages."""
    return body(change("messages", *items, contacts=[contact()], **more))


IMAGE = message("image", 2, image={
    "id": "1003383421387256", "mime_type": "image/jpeg", "caption": "The roof",
    "sha256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "url": "https://lookaside.example/1",
})  # fmt: skip
VOICE = message("audio", 3, audio={"id": "1908", "mime_type": "audio/ogg; codecs=opus", "voice": True, "sha256": "x"})
DOCUMENT = message("document", 4, document={"id": "77", "mime_type": "application/pdf", "filename": "offer.pdf"})
STICKER = message("sticker", 5, sticker={"id": "78", "mime_type": "image/webp", "animated": True})
VIDEO = message("video", 6, video={"id": "79", "mime_type": "video/mp4"})
LOCATION = message("location", 7, location={
    "latitude": -26.2, "longitude": 28.04, "name": "Velo Fibre", "address": "1 Example Road",
})  # fmt: skip
CARDS = message("contacts", 8, contacts=[{
    "name": {"formatted_name": "Thabo M", "first_name": "Thabo"}, "phones": [{"phone": OTHER, "type": "CELL"}],
}])  # fmt: skip
BUTTON_REPLY = message("interactive", 9, context={"from": OURS, "id": "wamid.ours"}, interactive={
    "type": "button_reply", "button_reply": {"id": "yes", "title": "Yes, please"},
})  # fmt: skip
LIST_REPLY = message("interactive", 10, interactive={
    "type": "list_reply", "list_reply": {"id": "slot-3", "title": "Tuesday", "description": "09:00"},
})  # fmt: skip
FORM = message("interactive", 11, interactive={
    "type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": '{"a": 1}'},
})  # fmt: skip
TAPPED = message("button", 12, button={"text": "Stop", "payload": "stop"}, context={"id": "wamid.ours"})
ORDER = message("order", 13, order={
    "catalog_id": "5", "text": "For Friday", "product_items": [{"product_retailer_id": "r", "quantity": 2}],
})  # fmt: skip
REACTION = message("reaction", 14, reaction={"message_id": "wamid.0001", "emoji": "👍"})
UNREACTION = message("reaction", 15, reaction={"message_id": "wamid.0001"})
EDIT = message("edit", 16, edit={
    "original_message_id": "wamid.0001", "message": {"type": "text", "text": {"body": "Is it open tomorrow?"}},
})  # fmt: skip
REVOKE = message("revoke", 17, revoke={"original_message_id": "wamid.0001"})
UNSUPPORTED = message("unsupported", 18, unsupported={"type": "poll"}, errors=[
    {"code": 131051, "title": "Message type unknown", "error_data": {"details": "Not supported."}},
])  # fmt: skip
NEW_NUMBER = message("system", 19, system={
    "body": "Naledi changed", "type": "user_changed_number", "wa_id": OTHER,
})  # fmt: skip
NEWER_TYPE = message("hologram", 20, hologram={"id": "1"})
FROM_AD = text("I saw your ad", 21, referral={"source_type": "ad", "source_id": "9", "ctwa_clid": "c"})
NO_PHONE = text("No number here", 22) | {"from": "", "from_user_id": BSUID}
IN_GROUP = text("Hello all", 23, group_id="Y2FwaV9ncm91cDoxMjM")
EVERY_TYPE = [
    text(), IMAGE, VOICE, DOCUMENT, STICKER, VIDEO, LOCATION, CARDS, BUTTON_REPLY, LIST_REPLY, FORM, TAPPED, ORDER,
    REACTION, UNREACTION, EDIT, REVOKE, UNSUPPORTED, NEW_NUMBER, NEWER_TYPE, FROM_AD, NO_PHONE, IN_GROUP,
]  # fmt: skip

STATUSES = [
    status("sent", 30, pricing={"billable": True, "pricing_model": "PMP", "category": "service", "type": "regular"}),
    status("delivered", 30, NOON + 1),
    status("read", 30, NOON + 2, biz_opaque_callback_data="reply:7"),
    status("failed", 31, errors=[
        {"code": 131047, "title": "Re-engagement message", "error_data": {"details": "More than 24 hours."}},
    ]),
    status("read", 32, recipient_type="group", recipient_id="Y2FwaV9ncm91cDoxMjM", recipient_participant_id=CUSTOMER),
    status("read", 32, recipient_type="group", recipient_id="Y2FwaV9ncm91cDoxMjM", recipient_participant_id=OTHER),
]  # fmt: skip
ECHO = message("text", 40, text={"body": "We open at nine"}) | {"from": OURS, "to": CUSTOMER}
PAST = {
    "metadata": {"phase": 0, "chunk_order": 1, "progress": 55},
    "threads": [{"id": CUSTOMER, "messages": [
        text("Last month", 50) | {"history_context": {"status": "READ"}},
        message("text", 51, text={"body": "Thank you"}) | {"from": OURS, "to": CUSTOMER},
        message("media_placeholder", 52),
    ]}],
}  # fmt: skip
CHANGES: list[Json] = [
    change("messages", *EVERY_TYPE, contacts=[contact()]),
    change("statuses", *STATUSES),
    change("errors", {"code": 130429, "title": "Rate limit hit"}),
    change("message_echoes", ECHO, field="smb_message_echoes"),
    change("history", PAST, field="history"),
    change("messages", message("image", 52, image={"id": "80"}), field="history"),
    change("user_id_update", {
        "wa_id": CUSTOMER, "user_id": {"previous": BSUID, "current": "ZA.2"}, "timestamp": str(NOON),
    }, field="user_id_update"),
    change("user_preferences", {
        "wa_id": CUSTOMER, "category": "marketing_messages", "value": "stop", "timestamp": NOON,
    }, field="user_preferences"),
    change("state_sync", {
        "type": "contact", "contact": {"full_name": "Naledi K", "phone_number": CUSTOMER}, "action": "add",
        "metadata": {"timestamp": str(NOON)},
    }, field="smb_app_state_sync"),
    change("calls", {"id": "wacid.1", "from": CUSTOMER, "event": "connect", "timestamp": str(NOON)}, field="calls"),
    account_change("message_template_status_update", event="APPROVED", message_template_id=594, reason="NONE"),
    account_change("account_update", event="VERIFIED_ACCOUNT", phone_number=OURS),
]  # fmt: skip
EVERYTHING = body(*CHANGES, time=NOON)
