"""What a thread draws of a message beyond its words: a photo, a document, a place, a contact card, an order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tallybook.core.file_types import PLAYED_TYPES, SHOWN_TYPES
from tallybook.core.marking import N_
from tallybook.inbox.service.files import Shown
from tallybook.inbox.thread_types import Bubble

from .inbox_order_view import Interactive, ListView, Order, form_view, order_view
from .times import Clock

ADDRESS = "/inbox/files/"
WIDEST, HIGHEST = 288, 320  # pixels of a photo in its bubble
STICKER = 144
SIZES = ("B", "KB", "MB", "GB")
STEP = 1024
ROUNDED = 10  # from here a size is told without tenths
# Why a file is not there; each as its source says it.
REASONS = (
    N_("WhatsApp does not have this file any more: it keeps files for some days only."),
    N_("WhatsApp named an address for the file that is none of its own."),
    N_("WhatsApp cannot be reached for the file."),
    N_("The gateway does not have this file any more."),
    N_("The gateway cannot be reached for the file."),
    N_("The gateway does not take our signature: look at TALLYBOOK_GATEWAY_SECRET on both sides."),
    N_("No gateway is set that has files: set TALLYBOOK_GATEWAY_API_URL and TALLYBOOK_GATEWAY_SECRET."),
    N_("What came is not the file that WhatsApp announced."),
    N_("The file is larger than this installation takes."),
    N_("The file cannot be written on this machine."),
    N_("The file is gone from this machine."),
    N_("Choose a file first."),
    N_("WhatsApp takes photos (JPEG, PNG), videos (MP4), sound, PDF, text and Office files."),
    N_("Another file was sent under this key. Load the page again."),
    N_("A file of this kind can have no words beside it."),
    N_("There is no such file."),
    N_("The files cannot be read on this machine now. Try again later."),
    N_("The file is too large to be sent from here."),
    N_("WhatsApp takes 5 MB of this kind of file at most."),
    N_("WhatsApp takes 16 MB of this kind of file at most."),
    N_("WhatsApp takes 100 MB of this kind of file at most."),
    N_("The file needs a shorter name, without signs that cannot be seen."),
)
ALT = {
    "image": (N_("Photo from the customer"), N_("Photo that we sent")),
    "sticker": (N_("Sticker from the customer"), N_("Sticker that we sent")),
}
NAMES = {
    "image": N_("Photo"), "sticker": N_("Sticker"), "video": N_("Video"), "audio": N_("Voice message"),
    "document": N_("Document"),
}  # fmt: skip


@dataclass(frozen=True)
class FileView:
    """A file as drawn. ``look``: photo, sticker, video, audio, document, waiting, failed or gone.

    ``width`` and ``height`` are what it takes on the page, None where its size is not known. ``name`` is what to call
    it, ``size`` how large it is, in words.
    """

    look: str
    url: str
    again: str
    name: str
    size: str
    alt: str
    reason: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True)
class PlaceView:
    """A place on a map. ``url`` leads to it."""

    name: str
    address: str
    numbers: str
    url: str
    look: str = "place"


@dataclass(frozen=True)
class CardView:
    """Somebody's contact card: what they are called, where they work, and how they are reached."""

    name: str
    work: str
    phones: Sequence[str]
    mails: Sequence[str]
    look: str = "card"


View = FileView | PlaceView | ListView | Sequence[CardView]


def file_view(file: Shown, *, ours: bool, clock: Clock) -> FileView:
    """A message's file."""
    say = clock.words.gettext
    url = f"{ADDRESS}{file.id}"
    name = file.filename or say(NAMES.get(file.kind, NAMES["document"]))
    alt = say(ALT["sticker" if file.kind == "sticker" else "image"][ours])
    look = _look(file)
    width, height = _room(file, STICKER if look == "sticker" else WIDEST)
    return FileView(
        look=look, url=url, again=f"{url}/again", name=name, size=size_words(file.size), alt=alt,
        reason=say(file.reason) if file.reason else "", width=width, height=height,
    )  # fmt: skip


def _look(file: Shown) -> str:
    if file.state != "kept":
        return file.state
    kind = file.type or ""
    if kind in SHOWN_TYPES and file.kind != "document":
        return "sticker" if file.kind == "sticker" else "photo"
    if kind in PLAYED_TYPES and file.kind != "document":
        return kind.partition("/")[0]
    return "document"


def _room(file: Shown, widest: int) -> tuple[int | None, int | None]:
    """A picture's size on the page, so that nothing moves when it comes."""
    if not file.width or not file.height:
        return None, None
    scale = min(1.0, widest / file.width, HIGHEST / file.height)
    return max(1, round(file.width * scale)), max(1, round(file.height * scale))


def size_words(size: int | None) -> str:
    """How large a file is, for people."""
    if size is None:
        return ""
    value, unit = float(size), 0
    while value >= STEP and unit < len(SIZES) - 1:
        value, unit = value / STEP, unit + 1
    return f"{value:.1f} {SIZES[unit]}" if unit and value < ROUNDED else f"{value:.0f} {SIZES[unit]}"


class _Location(msgspec.Struct, frozen=True):
    latitude: float = 0.0
    longitude: float = 0.0
    name: str = ""
    address: str = ""


class _Part(msgspec.Struct, frozen=True):
    phone: str = ""
    wa_id: str = ""
    email: str = ""
    company: str = ""
    title: str = ""


class _Name(msgspec.Struct, frozen=True):
    formatted_name: str = ""


class _Card(msgspec.Struct, frozen=True):
    name: _Name = _Name()
    phones: list[_Part] = []
    emails: list[_Part] = []
    org: _Part = _Part()


class _Sent(msgspec.Struct, frozen=True):
    location: _Location | None = None
    contacts: list[_Card] = []
    order: Order | None = None
    interactive: Interactive | None = None


class _Told(msgspec.Struct, frozen=True):
    as_sent: _Sent = _Sent()


def told_view(content: str, clock: Clock) -> View | None:
    """A place, the cards, an order or a form of what came with a message; None where it holds nothing of these."""
    try:
        sent = msgspec.json.decode(content, type=_Told).as_sent
    except msgspec.DecodeError:
        return None
    if sent.location is not None:
        return _place(sent.location)
    if sent.order is not None:
        return order_view(sent.order, clock)
    if sent.interactive is not None:
        return form_view(sent.interactive, clock)
    return [_card(one) for one in sent.contacts] or None


def _place(location: _Location) -> PlaceView:
    at = f"{location.latitude:.6f}", f"{location.longitude:.6f}"
    url = f"https://www.openstreetmap.org/?mlat={at[0]}&mlon={at[1]}#map=16/{at[0]}/{at[1]}"
    return PlaceView(location.name, location.address, f"{location.latitude:.5f}, {location.longitude:.5f}", url)


def _card(card: _Card) -> CardView:
    work = ", ".join(filter(None, (card.org.title, card.org.company)))
    phones = [one.phone or one.wa_id for one in card.phones if one.phone or one.wa_id]
    return CardView(card.name.formatted_name, work, phones, [one.email for one in card.emails if one.email])


def views(
    bubbles: Sequence[Bubble], files: Mapping[int, Shown], told: Mapping[int, str], clock: Clock
) -> dict[int, Any]:
    """What to draw of each message beyond its words, by message."""
    drawn: dict[int, Any] = {}
    for bubble in bubbles:
        if bubble.id in files:
            drawn[bubble.id] = file_view(files[bubble.id], ours=bubble.direction == "out", clock=clock)
        elif bubble.id in told and (view := told_view(told[bubble.id], clock)) is not None:
            drawn[bubble.id] = view
    return drawn


TOLD = frozenset({"location", "contacts", "order", "interactive"})
