"""What an update says beyond its text: the JSON in ``messages.content``, in the same words for every channel."""

from __future__ import annotations

import msgspec


class Person(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The other side, as the provider knows them. A ``username`` is for display and changes.

    ``user_id`` and ``parent_user_id`` are opaque: a provider's id of a person that stays when no phone is told.
    """

    name: str = ""
    username: str = ""
    phone: str | None = None
    lid: str | None = None
    user_id: str = ""
    parent_user_id: str = ""


class File(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a file can be had. ``id`` is the provider's, ``url`` may be there or not and is short-lived."""

    id: str = ""
    mime: str = ""
    url: str = ""
    voice: bool = False
    animated: bool = False


class Fault(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An error that the provider tells of. Decide by ``code`` and ``details``, never by ``title``."""

    code: int = 0
    title: str = ""
    details: str = ""


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one update says beyond its text.

    ``type`` is the provider's own word (text, image, reaction, delivered, …). ``about`` is the provider's id of the
    message that this one quotes, or, by its kind, reacts to, edits or takes back. ``emoji`` None in a reaction means
    that it was taken off. ``group`` is the group in which it was said. ``changed_to`` is who a person is from now on,
    where the update says that; ``person`` is then who they were. ``ours`` is our own key, which the provider gives back
    with a report. ``undated``: the provider told no moment that can be read, and ``said_at`` is 1970. ``referred``:
    they came by an advertisement or a button of ours elsewhere.
    ``half_read``: only ``as_sent`` holds all of it. ``as_sent`` is the update as it came, without what stood around it.
    """

    type: str
    as_sent: msgspec.Raw = msgspec.Raw(b"null")
    person: Person | None = None
    about: str = ""
    emoji: str | None = None
    file: File | None = None
    group: str = ""
    changed_to: Person | None = None
    ours: str = ""
    faults: list[Fault] = []
    undated: bool = False
    half_read: bool = False
    referred: bool = False


_decoder = msgspec.json.Decoder(Content)
_encoder = msgspec.json.Encoder()


def read(content: str | None) -> Content | None:
    """What an Incoming's ``content`` says; None where there is none. Raises msgspec.DecodeError."""
    return _decoder.decode(content) if content is not None else None


def written(content: Content) -> str:
    """The JSON of it, for an Incoming."""
    return _encoder.encode(content).decode()
