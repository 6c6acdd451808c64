"""What is read in the inbox: the list of threads, and the messages of one of them."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

MEDIA = frozenset({"image", "sticker", "video", "audio", "voice", "document", "media", "media_placeholder"})


class Filter(enum.StrEnum):
    """Which threads are listed: every one, or those that wait for the caller, are his, nobody's, or closed.

    UNREAD is by the caller's own counter. MINE are those assigned to him, and to a team of his but to nobody in it;
    UNASSIGNED the open ones that are nobody's and no team's. SNOOZED wait for a moment or for their customer;
    MINE and UNASSIGNED are without them. MENTIONS have a note that names him. BLOCKED are those of
    customers that somebody blocked, which no other one shows.
    """

    ALL = "all"
    UNREAD = "unread"
    MINE = "mine"
    UNASSIGNED = "unassigned"
    CLOSED = "closed"
    SNOOZED = "snoozed"
    MENTIONS = "mentions"
    BLOCKED = "blocked"


class Narrow(msgspec.Struct, frozen=True):
    """Threads of one team alone, or under one label, by its number; None for all of them."""

    team: int | None = None
    label: int | None = None


class Shown(msgspec.Struct, frozen=True):
    """Which threads are meant: those of a filter, of a team's or under a label alone where one is given."""

    filter: Filter = Filter.ALL
    narrow: Narrow = Narrow()


class Sought(msgspec.Struct, frozen=True):
    """Whose threads are sought: of these contacts, or by words as search_rules has them; all where it is empty."""

    contacts: tuple[int, ...] | None = None
    words: str | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a page of threads ended: the last one's ``last_message_at`` and its number."""

    at: datetime
    id: int


class Thread(msgspec.Struct, frozen=True):
    """A thread as the list shows it.

    ``name`` is what to call the customer: the lead's, what our people call them, what they call themselves, the phone;
    empty where nobody knows any of it, and never a LID. ``phone`` is E.164. ``last_body`` is a preview of the newest
    message. ``unread`` is the caller's own count, ``team_unread`` the team's, which is also that of a caller who is no
    person.
    """

    id: int
    canonical_key: str
    lead_id: int | None
    name: str
    lead_name: str | None
    push_name: str | None
    phone: str | None
    last_body: str
    last_type: str
    last_source: str
    last_message_at: datetime | None
    unread: int
    team_unread: int
    is_open: bool
    assigned_to: int | None
    channel: str
    account: str
    bot_active: bool
    team_id: int | None = None
    is_blocked: bool = False
    snoozed_until: datetime | None = None
    back_at: datetime | None = None

    @property
    def is_back(self) -> bool:
        """Whether it came back by itself, and nobody of ours has written in it since."""
        if self.back_at is None:
            return False
        return self.last_source != "human" or self.last_message_at is None or self.last_message_at < self.back_at

    @property
    def has_media(self) -> bool:
        """Whether the newest message is more than words."""
        return self.last_type in MEDIA


class Bubble(msgspec.Struct, frozen=True):
    """A message of a thread. ``said_at`` is the provider's time, by which it is shown; ``created_at`` when we saw it.

    ``late``: something said after it was there before it. ``quotes`` are the words of the message that it answers, None
    where it answers none that is here. ``media``: it is more than words.
    ``reactions`` are the emojis put on it, ``our_reaction`` ours among them.
    """

    id: int
    seq: int
    body: str
    direction: str
    source: str
    type: str
    status: str
    said_at: datetime
    created_at: datetime
    late: bool
    quotes: str | None
    media: bool
    failed_reason: str | None
    reactions: list[str]
    edited: bool
    media_url: str | None
    our_reaction: str | None = None
