"""Whether a rejected post is answered, and how. Pure: no database, no clock."""

from __future__ import annotations

from datetime import datetime

from . import reply_texts
from .reply_types import Manner, Rejected, Reply, ReplyKind


def is_answered(said_at: datetime, watched_since: datetime | None, now: datetime, manner: Manner) -> bool:
    """Whether a reply is still of use.

    Not to what is older than ``max_age`` (or that far ahead of our clock), not to what was said before the group was
    watched, and not in a group that is watched no more (None).
    """
    if not manner.enabled or watched_since is None or said_at < watched_since:
        return False
    return abs(now - said_at) <= manner.max_age


def reply_to(rejected: Rejected, locale: str) -> Reply:
    """The reply to a rejected post, in the language of its business."""
    post = rejected.post
    right = sorted(set(rejected.valid_for) - {post.project.name})
    if right:
        text = reply_texts.other_project(post.drop_number, post.project.name, right, locale)
    else:
        text = reply_texts.unknown_drop(post.drop_number, post.project.name, locale)
    kind = ReplyKind.OTHER_PROJECT if right else ReplyKind.UNKNOWN_DROP
    return Reply(kind, post, text, mention_of(post.phone))


def mention_of(phone: str | None) -> str | None:
    """The JID by which a person (E.164) is mentioned, None where the phone is not known.

    Somebody known by a LID alone is not mentioned: what sends makes ``@<number>`` of the JID's digits, and a LID's
    digits are nobody's number. The reply names the drop, so its poster knows who is meant.
    """
    return f"{phone.removeprefix('+')}@s.whatsapp.net" if phone else None
