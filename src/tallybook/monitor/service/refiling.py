"""Filing a drop again whose row somebody took out of a register: through the desk, once however often it is asked."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.monitor.store import drops as drop_store
from tallybook.monitor.store import refiling as store
from tallybook.monitor.store import registers as register_store
from tallybook.monitor.types import Filed, Kind, Post

from . import registers
from .filing import Said
from .registers import Watched

TOPIC = "monitor"
MAX_REASON = 500


class Person(msgspec.Struct, frozen=True):
    """Who does it: a name for people, and the account where there is one."""

    name: str
    account_id: int | None = None

    def within(self, business: Business) -> audit.Named:
        return audit.Named(business.id, self.name, self.account_id)


class Refiled(msgspec.Struct, frozen=True):
    """What was missing before, and what the desk made of it; empty where nothing was missing any more."""

    missing: list[str]
    filed: list[Filed]


def reason_of(text: str) -> str:
    """A reason as it is kept. Raises Invalid for none, or one that is too long."""
    reason = " ".join(text.split())
    if not reason:
        raise Invalid("Say why, in a few words.")
    if len(reason) > MAX_REASON:
        raise Invalid("A reason may be at most 500 characters long.")
    return reason


async def file_again(conn: Conn, business: Business, drop_number: str, who: Person) -> Refiled:
    """Puts a drop's posts back where they belong, with what the rules say of them now. Idempotent.

    The drop's row is locked before anybody looks, so two at once do it once. Where the review itself is gone its posts
    are filed as if they were new, the first of them making it again.
    """
    held = await registers.watched(conn, business)
    posts = await _posts(conn, held, drop_number)
    if posts:
        await drop_store.lock_of(conn, business.id, posts)
    gaps = await registers.missing(conn, held, posts)
    filed: list[Filed] = []
    if gaps:
        if any(gap.register == "qa_photo_reviews" for gap in gaps):
            await store.forget(conn, business.id, drop_number, held.spaces)
        await store.restore_first(conn, business.id, [post for post in posts if post.project.kind is Kind.QA])
        filed = await held.desk.file(conn, business, Said(posts, []))
        told = {"registers": sorted({gap.register for gap in gaps}), "posts": len(posts)}
        await audit.record(
            conn, business.id, who.name, who.account_id, "drop.filed_again", "drop", drop_number, None, told
        )
        await wake_up(conn, TOPIC, business.id)
    await registers.look_again(conn, held, datetime.now(UTC), drop_number)
    return Refiled(sorted({gap.register for gap in gaps}), filed)


async def _posts(conn: Conn, held: Watched, drop_number: str) -> list[Post]:
    """The posts of a drop that are kept, or were found missing."""
    ids = await store.messages_of(conn, held.business.id, drop_number, held.spaces, held.marketing)
    said = await registers.posts_of(conn, held, await register_store.messages(conn, held.business.id, ids))
    return [post for post in said if post.drop_number == drop_number]


async def leave(conn: Conn, business: Business, drop_number: str, who: Person, reason: str) -> None:
    """Says that a drop was taken out of a register on purpose: it is no longer told as missing.

    Raises Invalid without a reason, NotFound where nothing of the drop is missing.
    """
    why = reason_of(reason)
    held = await registers.watched(conn, business)
    gaps = await registers.missing(conn, held, await _posts(conn, held, drop_number))
    await register_store.keep_gaps(conn, business.id, gaps, datetime.now(UTC))
    if not await register_store.leave(conn, business.id, drop_number, who.name, why):
        raise NotFound("Nothing of this drop is missing from a register.")
    await audit.record(
        conn, business.id, who.name, who.account_id, "drop.left_out", "drop", drop_number, None, {"reason": why}
    )
    await wake_up(conn, TOPIC, business.id)
