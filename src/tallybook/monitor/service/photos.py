"""A drop's photos: listed, asked for from the bridge, shown, and said by people to belong to it or not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from tallybook.core import audit, jobs
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotFound
from tallybook.core.jobs import NewJob
from tallybook.monitor import rules
from tallybook.monitor.photos import WITHIN, How, Spoken, Told, photos_of
from tallybook.monitor.store import photos as store
from tallybook.monitor.store import reviews as review_store
from tallybook.monitor.store.photos import Kept, Near, Saying
from tallybook.monitor.types import Review

from . import reviews
from .reviews import Reviewer

FETCH = "monitor.photo"
PICTURE = "image"
AT_ONCE = 40  # pictures that opening a review asks for by itself


class Photo(msgspec.Struct, frozen=True):
    """A photo or file listed under a drop. ``state`` is None, waiting, kept or failed; ``reason`` why it failed.

    ``type`` is what the file is by its content, known once it is kept; ``media_type`` what its sender called it.
    """

    message_id: int
    how: How
    said_at: datetime
    phone: str | None
    media_type: str
    state: str | None
    type: str | None
    size: int | None
    reason: str | None


async def listed(conn: Conn, business: Business, review: Review, within: timedelta = WITHIN) -> list[Photo]:
    """The photos of a review's drop in the order they were said, those that somebody refused among them."""
    drop = (review.space, review.drop_number)
    near = {one.message_id: one for one in await store.near(conn, business.id, drop, within)}
    files = [one.message_id for one in near.values() if one.media_type]
    belongs, elsewhere = await store.told(conn, business.id, drop, files) if files else ({}, frozenset())
    found = photos_of(review.drop_number, [_spoken(one) for one in near.values()], Told(belongs, elsewhere), within)
    return [_photo(near[message_id], how) for message_id, how in found.items()]


def _spoken(near: Near) -> Spoken:
    drops = rules.drops_in(near.text, rules.compile_pattern(near.pattern)) if near.text else []
    return Spoken(near.message_id, near.sender, near.said_at, tuple(drops), near.media_type is not None)


def _photo(near: Near, how: How) -> Photo:
    return Photo(
        near.message_id, how, near.said_at, near.phone, near.media_type or "", near.state, near.type, near.size,
        near.reason,
    )  # fmt: skip


async def ask_for_pictures(conn: Conn, business: Business, photos: Sequence[Photo]) -> int:
    """Has the pictures fetched that nobody asked for yet, refused ones aside. Returns how many."""
    wanted = [
        one.message_id
        for one in photos
        if one.state is None and one.media_type == PICTURE and one.how is not How.REFUSED
    ]
    return await _enqueue(conn, business.id, await store.ask(conn, business.id, wanted[:AT_ONCE])) if wanted else 0


async def ask(conn: Conn, business: Business, review_id: UUID, message_id: int, within: timedelta = WITHIN) -> None:
    """Has one file fetched, or tries again what could not be. A repeat does nothing. Raises NotFound."""
    await _one(conn, business, review_id, message_id, within)
    again = await store.ask_again(conn, business.id, message_id)
    await _enqueue(conn, business.id, again or await store.ask(conn, business.id, [message_id]))


async def _enqueue(conn: Conn, business_id: int, asked: Sequence[tuple[int, int]]) -> int:
    new = [
        NewJob(FETCH, f"{business_id}:{message_id}:{number}", {"message_id": message_id}, business_id)
        for message_id, number in asked
    ]
    return await jobs.enqueue(conn, new) if new else 0


class Said(msgspec.Struct, frozen=True):
    """What somebody says of a photo: whether it belongs to the drop."""

    message_id: int
    belongs: bool


async def say(
    conn: Conn, business: Business, review_id: UUID, who: Reviewer, said: Said, within: timedelta = WITHIN
) -> None:
    """Confirms or refuses a photo that was probable. A repeat does nothing.

    Raises NotFound, Locked, and Conflict for one whose own words say what it is or that was confirmed for another drop.
    """
    await review_store.hold(conn, business.id, review_id)
    await store.hold(conn, business.id, said.message_id)
    review, photo = await _one(conn, business, review_id, said.message_id, within)
    if photo.how is How.CAPTION:
        raise Conflict("This photo names its drop itself.")
    wanted = How.CONFIRMED if said.belongs else How.REFUSED
    if photo.how is wanted:
        return
    reviews.refuse_if_locked(review, who)
    drop = (review.space, review.drop_number)
    _, elsewhere = await store.told(conn, business.id, drop, [said.message_id])
    if said.belongs and elsewhere:
        raise Conflict("This photo was confirmed for another drop.")
    await store.say(conn, business.id, Saying(*drop, said.message_id, said.belongs, who.name, who.account_id))
    was, is_now = {"photo": photo.how}, {"photo": wanted, "message": said.message_id}
    await audit.record(
        conn, business.id, who.name, who.account_id, "review.photo", "review", str(review_id), was, is_now
    )


async def _one(
    conn: Conn, business: Business, review_id: UUID, message_id: int, within: timedelta
) -> tuple[Review, Photo]:
    review = await reviews.one(conn, business, review_id)
    for photo in await listed(conn, business, review, within):
        if photo.message_id == message_id:
            return review, photo
    raise NotFound("There is no such photo.")


async def kept(conn: Conn, business: Business, review_id: UUID, message_id: int, within: timedelta = WITHIN) -> Kept:
    """The kept file of a photo of this review's drop. Raises NotFound for any other, in any business."""
    await _one(conn, business, review_id, message_id, within)
    found = await store.kept(conn, business.id, message_id)
    if found is None:
        raise NotFound("There is no such photo.")
    return found


async def lost(conn: Conn, business: Business, message_id: int) -> None:
    """Notes that a kept file is gone from this machine, so that it can be asked for again."""
    await store.fail(conn, business.id, message_id, "The file is gone from this machine.")
