"""Feedback on a review: proposed from its ticks, sent into the group of its drop's last post, and told of as it goes.

``feedback_sent`` is the provider's yes and nothing less. It is written in the transaction that records the yes, and not
for a drop that was posted again since the press: what was said does not answer that post.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from tallybook.core import audit, outbox
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid
from tallybook.core.messages import Outgoing
from tallybook.core.outcomes import Became
from tallybook.core.wakeups import wake_up
from tallybook.monitor import feedback as texts
from tallybook.monitor.feedback import Feedback, Said
from tallybook.monitor.reply_rules import mention_of
from tallybook.monitor.reply_types import topic_of
from tallybook.monitor.store import feedback as store
from tallybook.monitor.store import reviews as review_store
from tallybook.monitor.store.feedback import CHANNEL, Press, Whom
from tallybook.monitor.types import PostCount, Review

from . import reviews
from .reviews import PostedMeanwhile, Reviewer

TOPIC = "monitor"
UNDER_WAY = frozenset({Said.WAITING})


class SaidMeanwhile(Conflict):
    """Somebody else sent feedback since the page was drawn. ``details`` names who, and its number."""

    code = "SAID_MEANWHILE"


class Asked(msgspec.Struct, frozen=True):
    """A press of “Send feedback”.

    ``number`` is the one that the page showed: a repeat of the press has the same, and sends nothing. ``posts`` is how
    many posts were on the page.
    """

    text: str
    number: int
    posts: PostCount


class Talk(msgspec.Struct, frozen=True):
    """What was said of a review, oldest first; what is proposed to be said now; and the number of the next press.

    ``mentions`` says whether the drop's last poster is mentioned; ``possible`` whether there is anybody to tell.
    """

    said: list[Feedback]
    proposed: str
    number: int
    possible: bool
    mentions: bool


async def talk(conn: Conn, business: Business, review: Review) -> Talk:
    """A review's feedback as it stands."""
    said = await store.every(conn, business.id, review.id)
    whom = await store.whom(conn, business.id, review.id)
    proposed = texts.text_of(review.drop_number, review.ticks, review.reasons, business.locale)
    number = said[-1].number + 1 if said else 1
    return Talk(said, proposed, number, whom is not None, whom is not None and whom.phone is not None)


async def send(conn: Conn, business: Business, review_id: UUID, who: Reviewer, asked: Asked) -> Review:
    """Puts one feedback into the outbox, once for each number. A repeat does nothing.

    Takes no lock, but minds one. Raises NotFound, Locked, Invalid for a text of no use, PostedMeanwhile for a post that
    the page did not show, SaidMeanwhile for another's feedback, and Conflict while the last one still waits.
    """
    await review_store.hold(conn, business.id, review_id)
    review = await reviews.one(conn, business, review_id)
    text = _checked(asked.text, review.drop_number, business.locale)
    said = await store.every(conn, business.id, review_id)
    if _is_repeat(said, asked.number, text):
        return review
    reviews.refuse_if_locked(review, who)
    if said and said[-1].state in UNDER_WAY:
        raise Conflict("The last feedback still waits to be sent.")
    known = await review_store.submissions(conn, business.id, review.space, review.drop_number)
    if len(known) != asked.posts:
        raise PostedMeanwhile("It was posted again meanwhile. Look at the new post first.", posts=len(known))
    whom = await store.whom(conn, business.id, review_id)
    if whom is None:
        raise Invalid("Neither a post of this drop nor a group of its project is known, so nobody can be told.")
    posts = await store.posts(conn, business.id, review_id)
    press = Press(review_id, asked.number, text, posts, who.name, who.account_id)
    if not await store.add(conn, business.id, press):
        return review
    await outbox.put(conn, business.id, outgoing(press, review.drop_number, whom))
    after: dict[str, object] = {"feedback": text}
    await audit.record(
        conn, business.id, who.name, who.account_id, "review.feedback_put", "review", str(review_id), None, after
    )
    return review


def _checked(given: str, drop: str, locale: str) -> str:
    text = texts.as_sent(given, drop, locale)
    if not text or len(text) > texts.MAX_TEXT or "\0" in text:
        raise Invalid(f"Feedback has 1 to {texts.MAX_TEXT:,} characters.")
    return text


def _is_repeat(said: Sequence[Feedback], number: int, text: str) -> bool:
    """Whether this press was made before. Raises SaidMeanwhile for another's number, Invalid for none of ours."""
    if number == len(said) + 1:
        return False
    if not 0 < number <= len(said):
        raise Invalid("This page is not one of ours. Load it again.")
    before = said[number - 1]
    if before.text != text:
        raise SaidMeanwhile("Somebody sent feedback on this review meanwhile.", who=before.who, number=before.number)
    return True


def outgoing(press: Press, drop: str, whom: Whom) -> Outgoing:
    """A press as the outbox takes it. Pure. A bridge that can quote finds in it what to quote."""
    body: dict[str, msgspec.Raw | str | int | bool | list[str] | None] = {
        "text": press.text, "mention": mention_of(whom.phone), "quote": whom.quote,
        "quoted_sender": whom.quoted_sender,
    }  # fmt: skip
    key = texts.key_of(press.review_id, press.number)
    return Outgoing(CHANNEL, whom.account, whom.group, key, body, topic_of(drop), pressed=True)


async def told(conn: Conn, business_id: int, became: Sequence[Became]) -> None:
    """Hears from the outbox what became of feedback; of the same yes any number of times. See core/outcomes.py."""
    ours = sorted(
        (press, one.is_yes)
        for one in became
        if one.channel == CHANNEL and (press := texts.press_of(one.dedup_key)) is not None
    )
    for (review_id, number), is_yes in ours:
        if is_yes:
            await _mark(conn, business_id, review_id, number)
    if ours:
        await wake_up(conn, TOPIC, business_id)


async def _mark(conn: Conn, business_id: int, review_id: UUID, number: int) -> None:
    # Held by a statement of its own, so that the count after it sees every post that came before.
    await review_store.hold(conn, business_id, review_id)
    yes = await store.mark(conn, business_id, review_id, number)
    if yes is None:
        return
    after: dict[str, object] = {"feedback_number": number}
    if await store.posts(conn, business_id, review_id) == yes.posts:
        at = await store.sent(conn, business_id, review_id)
        after["feedback_sent"] = at.isoformat() if at else None
    else:
        after["posted_meanwhile"] = True
    record = (yes.who, yes.account_id, "review.feedback_sent", "review", str(review_id))
    await audit.record(conn, business_id, *record, None, after)
