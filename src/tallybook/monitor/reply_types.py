"""The words of answering in groups: what was rejected, what is said to it."""

from __future__ import annotations

import enum
from datetime import timedelta

import msgspec

from .types import Post

CHANNEL = "bridge"


class Manner(msgspec.Struct, frozen=True):
    """How an installation answers: at all, and only what was said within ``max_age``."""

    enabled: bool = True
    max_age: timedelta = timedelta(minutes=10)


class Rejected(msgspec.Struct, frozen=True):
    """A post that was not taken, and the other projects for which its drop is valid."""

    post: Post
    valid_for: tuple[str, ...] = ()


class ReplyKind(enum.StrEnum):
    """What a reply says."""

    UNKNOWN_DROP = "unknown_drop"
    OTHER_PROJECT = "other_project"


class Reply(msgspec.Struct, frozen=True):
    """What is said to whom, and because of what. ``mention`` is a phone's JID."""

    kind: ReplyKind
    post: Post
    text: str
    mention: str | None

    @property
    def dedup_key(self) -> str:
        """One reply per cause: this drop, in this message, in this project, and what was wrong with it."""
        post = self.post
        return f"reply:{self.kind}:{post.project.name}:{post.drop_number}:{post.message_id}"

    @property
    def topic(self) -> str:
        return topic_of(self.post.drop_number)


def topic_of(drop: str) -> str:
    """All that is said of one drop in groups shares a cool-down."""
    return f"drop:{drop}"
