"""What people work with at the desk: teams, labels, notes, assignments."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Member(msgspec.Struct, frozen=True):
    """Somebody who can be given a thread, or be named in a note."""

    account_id: int
    login: str
    name: str


class Team(msgspec.Struct, frozen=True):
    """A team, who is in it, and how many threads are its own."""

    id: int
    name: str
    members: list[Member]
    threads: int


class Owner(msgspec.Struct, frozen=True):
    """Whose a thread is: somebody's, a team's, somebody's as one of a team, or (neither) nobody's."""

    person: int | None = None
    team: int | None = None


NOBODY = Owner()


class Label(msgspec.Struct, frozen=True):
    """A label. ``colour`` is one of ``desk_rules.COLOURS``."""

    id: int
    name: str
    colour: str


class Note(msgspec.Struct, frozen=True):
    """What somebody of ours noted on a thread; never sent. ``mentions`` are the accounts that it names."""

    id: int
    conversation_id: int
    account_id: int
    author: str
    body: str
    written_at: datetime
    edited_at: datetime | None
    removed_at: datetime | None
    mentions: list[int]


class Assignment(msgspec.Struct, frozen=True):
    """That a thread became somebody's or a team's (None: nobody's), by the names of the moment."""

    id: int
    at: datetime
    who: str
    person: str | None
    team: str | None
