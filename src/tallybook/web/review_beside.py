"""What stands beside a review's steps: its feedback, whose it is, its photos. Read in the page's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from gettext import NullTranslations
from typing import Any

from tallybook import photo_link
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.photos import How
from tallybook.monitor.service import assignment, feedback, photos
from tallybook.monitor.types import Review
from tallybook.settings import Settings

from . import review_words


async def of_review(
    conn: Conn, business: Business, settings: Settings, review: Review, typed: Mapping[str, str]
) -> dict[str, Any]:
    """Reads it, and has the pictures fetched that nobody asked for yet."""
    talk = await feedback.talk(conn, business, review)
    found = await photos.listed(conn, business, review, photo_link.within(settings))
    if await photos.ask_for_pictures(conn, business, found):
        found = await photos.listed(conn, business, review, photo_link.within(settings))
    return {
        "talk": talk,
        "feedback_text": typed.get("feedback", talk.proposed),
        "photos": found,
        "judges": await assignment.judges(conn, business),
    }


def in_words(context: Mapping[str, Any], words: NullTranslations) -> dict[str, Any]:
    """The same in the reader's words: what was said the newest first, what was refused apart."""
    shown = [review_words.photo_view(photo, words) for photo in context["photos"]]
    return {
        "said": [review_words.said_view(one, words) for one in reversed(context["talk"].said)],
        "photos": [one for one in shown if one.photo.how is not How.REFUSED],
        "refused": [one for one in shown if one.photo.how is How.REFUSED],
    }
