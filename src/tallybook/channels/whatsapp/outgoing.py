"""What is said to the Cloud API: one request for each kind of thing that the outbox holds. Pure."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from tallybook.core.channel import Refused
from tallybook.core.messages import Outgoing

LONGEST_TEXT = 4096  # characters
LONGEST_KEY = 512  # characters of what is given back with every report
LONGEST_CAPTION = 1024
NUMBER = re.compile(r"[0-9A-Za-z_-]{1,64}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
CAPTIONED = frozenset({"image", "video", "document"})


class Request(msgspec.Struct, frozen=True):
    """What to post below the API's address, and the body with its exact keys."""

    path: str
    body: dict[str, object]


class Media(msgspec.Struct, frozen=True):
    """A file that the provider has (``id``) or can fetch (``link``)."""

    kind: Literal["image", "video", "audio", "document", "sticker"]
    id: str = ""
    link: str = ""
    caption: str = ""
    filename: str = ""


class Reaction(msgspec.Struct, frozen=True):
    """What is put on the message ``about``; the empty emoji takes it off."""

    about: str
    emoji: str = ""


class Read(msgspec.Struct, frozen=True):
    """The message up to which the customer is shown that we read; ``typing``, and that somebody writes to them."""

    about: str
    typing: bool = False


class Body(msgspec.Struct, frozen=True):
    """What the outbox holds: one of these, perhaps a ``quote`` (the id of what it answers).

    Beside a template or a question ``text`` is what the customer reads, for our own record. The two, and nothing else
    here, are as the Cloud API takes them.
    """

    text: str = ""
    quote: str | None = None
    template: dict[str, Any] | None = None
    media: Media | None = None
    interactive: dict[str, Any] | None = None
    reaction: Reaction | None = None
    read: Read | None = None


def request_of(outgoing: Outgoing) -> Request:
    """The request for a message. ``to`` is a phone in E.164 with its plus, or else a user id.

    Raises Refused for what the API could not take.
    """
    try:
        body = msgspec.convert(outgoing.body, Body)
    except msgspec.ValidationError as error:
        raise Refused("This is nothing that can be sent by WhatsApp.") from error
    if not NUMBER.fullmatch(outgoing.account):
        raise Refused("This is not the id of a number of ours.")
    path = f"{outgoing.account}/messages"
    if body.read is not None:
        return Request(path, _read(body.read))
    if not outgoing.to or len(outgoing.dedup_key) > LONGEST_KEY:
        raise Refused("There is nobody to send to." if not outgoing.to else "The message's key is too long.")
    is_phone = _PHONE.fullmatch(outgoing.to) is not None
    kind, said = _said(body)
    request: dict[str, object] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to" if is_phone else "recipient": outgoing.to.removeprefix("+") if is_phone else outgoing.to,
        "type": kind,
        kind: said,
        "biz_opaque_callback_data": outgoing.dedup_key,
    }
    if body.quote:
        request["context"] = {"message_id": body.quote}
    return Request(path, request)


def is_repeatable(outgoing: Outgoing) -> bool:
    """Whether it may be sent again with no harm: two receipts for one message are one."""
    return "read" in outgoing.body


def _read(read: Read) -> dict[str, object]:
    said: dict[str, object] = {"messaging_product": "whatsapp", "status": "read", "message_id": read.about}
    return said | ({"typing_indicator": {"type": "text"}} if read.typing else {})


def _said(body: Body) -> tuple[str, dict[str, Any]]:
    """The type and what it says."""
    if body.template is not None:
        return "template", body.template
    if body.interactive is not None:
        return "interactive", body.interactive
    if body.media is not None:
        return body.media.kind, _file(body.media)
    if body.reaction is not None:
        return "reaction", {"message_id": body.reaction.about, "emoji": body.reaction.emoji}
    if not body.text.strip():
        raise Refused("There is no text to send.")
    if len(body.text) > LONGEST_TEXT:
        raise Refused(f"WhatsApp takes {LONGEST_TEXT:,} characters at most.")
    return "text", {"body": body.text}


def _file(media: Media) -> dict[str, Any]:
    if not media.id and not media.link:
        raise Refused("The file is not at WhatsApp yet.")
    if len(media.caption) > LONGEST_CAPTION:
        raise Refused(f"WhatsApp takes {LONGEST_CAPTION:,} characters beside a file at most.")
    said = {"id": media.id} if media.id else {"link": media.link}
    said |= {"caption": media.caption} if media.caption and media.kind in CAPTIONED else {}
    return said | ({"filename": media.filename} if media.filename and media.kind == "document" else {})
