"""What the Cloud API's webhooks look like. Any field may be missing, null, or empty; unknown ones are left alone.

Numbers and flags are read from their text too, since both spellings have been seen.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

Text = str | None
Moment = int | float | str | None
T = TypeVar("T")


class Wire(msgspec.Struct, gc=False):
    """A part of a webhook."""


# The frame is read part by part: what is wrong in one of them is nothing to the updates in the others.
NONE = Raw(b"null")


class Body(Wire):
    """A webhook. ``entry`` is needed, since without it there is nothing."""

    entry: Raw


class Entry(Wire):
    """News of one business account (WABA), whose id it has."""

    id: Raw = NONE
    time: Raw = NONE
    changes: Raw = NONE


class Change(Wire):
    """One kind of news."""

    field: Raw = NONE
    value: Raw = NONE


class Metadata(Wire):
    """The number of ours that it is about."""

    phone_number_id: Raw = NONE
    display_phone_number: Raw = NONE


class Profile(Wire):
    name: Text = None
    username: Text = None


class Contact(Wire):
    """Somebody, as WhatsApp knows them. With a username the phone is missing or empty."""

    wa_id: Text = None
    user_id: Text = None
    parent_user_id: Text = None
    profile: Raw = NONE


class Context(Wire):
    """The message that is quoted."""

    id: Text = None


class FileRef(Wire):
    """A photo, video, voice note, document or sticker."""

    id: Text = None
    mime_type: Text = None
    sha256: Text = None
    caption: Text = None
    filename: Text = None
    url: Text = None
    voice: bool | None = None
    animated: bool | None = None
    file_size: int | None = None


class Words(Wire):
    body: Text = None


class Reaction(Wire):
    message_id: Text = None
    emoji: Text = None


class Button(Wire):
    text: Text = None
    payload: Text = None


class Row(Wire):
    """A chosen button or row; of a form, ``body`` is its heading."""

    id: Text = None
    title: Text = None
    body: Text = None


class Interactive(Wire):
    type: Text = None
    button_reply: Row | None = None
    list_reply: Row | None = None
    nfm_reply: Row | None = None


class Place(Wire):
    name: Text = None
    address: Text = None


class CardName(Wire):
    formatted_name: Text = None


class Card(Wire):
    name: CardName | None = None


class Order(Wire):
    text: Text = None


class System(Wire):
    """Something changed about the sender: the phone (``wa_id``) or the user id (``user_id``)."""

    body: Text = None
    type: Text = None
    wa_id: Text = None
    new_wa_id: Text = None
    user_id: Text = None
    parent_user_id: Text = None


class Changed(Wire):
    """An edit or a taking-back: of which message, and for an edit what it says now."""

    original_message_id: Text = None
    message: Raw = NONE


class Details(Wire):
    details: Text = None


class Error(Wire):
    code: int | None = None
    title: Text = None
    message: Text = None
    error_data: Details | None = None


class HistoryContext(Wire):
    status: Text = None


class Base(Wire):
    """What every message has; read alone where the rest of one cannot be read. Within an edit there is no id."""

    id: Text = None
    type: Text = None
    timestamp: Moment = None
    from_: Text = msgspec.field(default=None, name="from")
    from_user_id: Text = None
    from_parent_user_id: Text = None
    to: Text = None
    to_user_id: Text = None
    to_parent_user_id: Text = None
    group_id: Text = None


class Message(Base):
    """A message, echo or past message; what it says is in the field of its type's name."""

    context: Context | None = None
    errors: list[Error] | None = None
    text: Words | None = None
    image: FileRef | None = None
    video: FileRef | None = None
    audio: FileRef | None = None
    document: FileRef | None = None
    sticker: FileRef | None = None
    reaction: Reaction | None = None
    button: Button | None = None
    interactive: Interactive | None = None
    location: Place | None = None
    contacts: list[Card] | None = None
    order: Order | None = None
    system: System | None = None
    edit: Changed | None = None
    revoke: Changed | None = None
    referral: Raw = NONE


class Status(Wire):
    """What became of a message of ours. One message has several, in any order."""

    id: str
    status: str
    timestamp: Moment = None
    recipient_id: Text = None
    recipient_user_id: Text = None
    recipient_parent_user_id: Text = None
    recipient_type: Text = None
    recipient_participant_id: Text = None
    biz_opaque_callback_data: Text = None
    errors: list[Error] | None = None


class Chunk(Wire):
    """A part of a number's past. ``errors`` come instead where the business did not share it."""

    threads: Raw = NONE
    errors: Raw = NONE


class Thread(Wire):
    """The past with one customer: ``id`` is their phone."""

    id: Raw = NONE
    messages: Raw = NONE


class SyncedContact(Wire):
    full_name: Text = None
    phone_number: Text = None


class SyncedAt(Wire):
    timestamp: Moment = None


class Synced(Wire):
    """An entry of the business phone's own address book, added or taken out."""

    contact: SyncedContact | None = None
    metadata: SyncedAt | None = None


class UserIds(Wire):
    previous: Text = None
    current: Text = None


class UserIdUpdate(Wire):
    """Somebody's opaque id is another from now on."""

    wa_id: Text = None
    user_id: UserIds | None = None
    parent_user_id: UserIds | None = None
    timestamp: Moment = None


class About(Wire):
    """Of an update of some other kind: whom it is about, and when, as far as it says so."""

    id: Text = None
    from_: Text = msgspec.field(default=None, name="from")
    wa_id: Text = None
    user_id: Any = None
    timestamp: Moment = None


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape, strict=False)


def decode(raw: Raw | bytes | str, shape: type[T]) -> T:
    """Reads a part. Raises msgspec.ValidationError where it has another shape, msgspec.DecodeError for no JSON."""
    return _decoder(shape).decode(raw)  # type: ignore[no-any-return, arg-type]  # Raw is a buffer too


def read_or(raw: Raw | None, shape: Any, otherwise: Any) -> Any:
    """What stands around updates, as far as it can be read: a fault in it is none of theirs."""
    try:
        return decode(raw, shape) if raw is not None else otherwise
    except msgspec.ValidationError:
        return otherwise


def items(part: Raw) -> list[Raw]:
    """A list's items; of what should be a list and is none, that alone."""
    try:
        return decode(part, list[Raw])
    except msgspec.ValidationError:
        return [] if bytes(part) == b"null" else [part]


def text_of(raw: Raw) -> str:
    """An id or a name, also where it is told as a number; "" for what is neither."""
    told = read_or(raw, Any, None)
    return str(told) if isinstance(told, str | int) and not isinstance(told, bool) else ""
