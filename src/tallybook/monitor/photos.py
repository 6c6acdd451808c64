"""Which photos belong to which drop. Pure: no database, no clock.

A photo whose own words name the drop belongs to it. One without words is probable for the drops of the post of the same
sender that is nearest to it in time, and for no other, until a person says what it is.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

WITHIN = timedelta(minutes=10)
MAX_BYTES = 32 * 1024 * 1024


class Spoken(msgspec.Struct, frozen=True):
    """A message near a drop's posts: who said it when, the drops that its words name, and whether a file is with it."""

    message_id: int
    sender: str
    said_at: datetime
    drops: tuple[str, ...] = ()
    has_file: bool = False


class How(enum.StrEnum):
    """Why a photo is listed under a drop. ``CAPTION`` and ``CONFIRMED`` are certain, ``REFUSED`` is not one of it."""

    CAPTION = "caption"
    CONFIRMED = "confirmed"
    PROBABLE = "probable"
    REFUSED = "refused"


class Told(msgspec.Struct, frozen=True):
    """What people said: of this drop by photo, and the photos that somebody confirmed for another drop."""

    belongs: Mapping[int, bool] = {}
    elsewhere: Collection[int] = frozenset()


def photos_of(drop: str, spoken: Sequence[Spoken], told: Told, within: timedelta = WITHIN) -> dict[int, How]:
    """The photos of a drop among all that its senders said near its posts, in the order they were said."""
    posts = [one for one in spoken if one.drops]
    found: dict[int, How] = {}
    for one in sorted(spoken, key=lambda s: (s.said_at, s.message_id)):
        how = _how(drop, one, posts, told, within) if one.has_file else None
        if how is not None:
            found[one.message_id] = how
    return found


def _how(drop: str, photo: Spoken, posts: Sequence[Spoken], told: Told, within: timedelta) -> How | None:
    if photo.drops:
        return How.CAPTION if drop in photo.drops else None
    said = told.belongs.get(photo.message_id)
    if said is not None:
        return How.CONFIRMED if said else How.REFUSED
    nearest = nearest_post(photo, posts, within)
    if photo.message_id in told.elsewhere or nearest is None or drop not in nearest.drops:
        return None
    return How.PROBABLE


def nearest_post(photo: Spoken, posts: Sequence[Spoken], within: timedelta) -> Spoken | None:
    """The sender's own post that is nearest to a photo, ``within`` at most; of two as near, the one before it."""
    near = [post for post in posts if post.sender == photo.sender and abs(post.said_at - photo.said_at) <= within]
    return min(near, key=lambda p: (abs(p.said_at - photo.said_at), p.said_at, p.message_id), default=None)
