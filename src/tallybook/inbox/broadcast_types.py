"""Broadcasts: one template to many, what was asked for, whom it reaches, and what became of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

UNDER_WAY = frozenset({"queued", "running", "paused"})


class Audience(msgspec.Struct, frozen=True):
    """Whom a broadcast is for: ``kind`` is all, label, status or list. ``contacts`` are those of a list."""

    kind: str
    label: int | None = None
    status: str = ""
    contacts: tuple[int, ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """One recipient of a preview: what they are called, and what they would read, or why they would not."""

    name: str
    text: str
    wrong: str = ""


class Preview(msgspec.Struct, frozen=True):
    """What a broadcast would do: how many it reaches, who is left out and why, how it reads for the first.

    ``new``: how many of a list never wrote to us. ``out`` counts by reason; ``invalid`` and ``duplicates`` are rows.
    """

    reaches: int
    new: int
    out: dict[str, int]
    invalid: list[int]
    duplicates: list[int]
    columns: list[str]
    samples: list[Sample]


class New(msgspec.Struct, frozen=True):
    """A broadcast to be. ``places`` are the template's, each with its text; ``listed`` is a list's file.

    ``starts_at`` None means now. Of one ``key`` there is one broadcast.
    """

    key: str
    name: str
    template: int
    account: str
    kind: str
    places: dict[str, str] = {}
    label: int | None = None
    status: str = ""
    listed: bytes = b""
    starts_at: datetime | None = None


class Broadcast(msgspec.Struct, frozen=True):
    """A broadcast. ``counts`` are of its recipients, by what became of them."""

    id: int
    name: str
    template: str
    language: str
    audience: str
    state: str
    who: str
    created_at: datetime
    starts_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    account: str
    places: dict[str, str]
    counts: dict[str, int] = {}

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Recipient(msgspec.Struct, frozen=True):
    """One recipient and what became of it. ``replied``: they wrote since; ``opted_out``: and want no more."""

    place: int
    contact_id: int
    name: str
    phone: str | None
    conversation_id: int | None
    state: str
    reason: str
    at: datetime | None
    replied: bool
    opted_out: bool
