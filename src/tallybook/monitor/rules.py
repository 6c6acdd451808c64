"""What the monitor decides. Pure: no database, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tallybook.core.errors import Invalid

from .types import STEP_COLUMNS, Changes, Effect, Post, Project, Review

# "DR", at most one space, colon or colon and space, 6 to 8 digits, in any case, not inside a longer word.
DROP_PATTERN = r"(?<!\w)DR:?[ \u00a0]?[0-9]{6,8}(?!\w)"
MAX_DROP_LENGTH = 20
MAX_REASON = 500
MAX_COMMENT = 10_000
# Beyond this a comment gets no more notes of posts, of which each is kept as a submission anyway: people's words need
# room. Of one batch only the newest posts are noted.
MAX_NOTED = 8_000
NOTES_AT_ONCE = 20
AHEAD = timedelta(days=1)
_SEPARATORS = str.maketrans("", "", " \u00a0:\t")


def compile_pattern(pattern: str | None) -> re.Pattern[str]:
    """A project's drop pattern, matched in any case; None means the usual one."""
    return re.compile(pattern or DROP_PATTERN, re.IGNORECASE)


def drops_in(text: str, pattern: re.Pattern[str]) -> list[str]:
    """The drop numbers in a text, normalised (upper case, no space or colon), each once, in the order they stand."""
    found = (normalised(match.group()) for match in pattern.finditer(text))
    return [drop for drop in dict.fromkeys(found) if 0 < len(drop) <= MAX_DROP_LENGTH]


def normalised(drop: str) -> str:
    """A drop number as it is stored: upper case, without spaces and colons."""
    return drop.upper().translate(_SEPARATORS)


def business_date(at: datetime, zone: ZoneInfo) -> date:
    """The date on the business's wall when something was said."""
    return at.astimezone(zone).date()


def clock(said_at: datetime, seen_at: datetime) -> datetime:
    """When a post counts as said for its drop's clock: as it says, but at most a day after it was seen.

    A phone whose date is wrong would otherwise make history of every later post of that drop, for years.
    """
    return min(said_at, seen_at + AHEAD)


def effects(posts: Iterable[Post], last_posted_at: datetime | None, seen_at: datetime) -> list[tuple[Post, Effect]]:
    """What each new post of one drop does, in the order they were said; they are seen at ``seen_at``.

    ``last_posted_at`` is the newest post known so far, or None when there is no review yet: then the first post makes
    it. A post said before the newest one arrived late and is history: it neither reopens the review nor moves a clock.
    A newest one that lies beyond what can have been said until now is not believed.
    """
    if last_posted_at is not None and last_posted_at > seen_at + AHEAD:
        last_posted_at = datetime.min.replace(tzinfo=UTC)
    decided: list[tuple[Post, Effect]] = []
    for at, post in sorted(
        ((clock(p.said_at, seen_at), p) for p in posts), key=lambda one: (one[0], one[1].message_id)
    ):
        if last_posted_at is None:
            effect = Effect.CREATED
        elif at >= last_posted_at:
            effect = Effect.RESUBMITTED
        else:
            effect = Effect.HISTORY
        if effect is not Effect.HISTORY:
            last_posted_at = at
        decided.append((post, effect))
    return decided


def is_read(project: Project, *, from_us: bool, deleted: bool) -> bool:
    """Whether a message's text is read for drops. Our own words are not, save where the project says so."""
    return not deleted and (project.own_posts_count or not from_us)


def created_note(at: datetime, zone: ZoneInfo) -> str:
    return f"Auto-created from WhatsApp on {at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def resubmitted_note(at: datetime, zone: ZoneInfo) -> str:
    return f"--- RESUBMITTED {at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z} ---"


def apply_changes(review: Review, changes: Changes) -> tuple[dict[str, bool], dict[str, str], str]:
    """Ticks, reasons and comment after the changes. Raises Invalid for an unknown step or a text too long."""
    unknown = sorted((changes.ticks.keys() | changes.reasons.keys()) - set(STEP_COLUMNS))
    if unknown:
        raise Invalid(f"There is no step called {', '.join(unknown)}.", steps=list(STEP_COLUMNS))
    given = {column: reason.strip() for column, reason in changes.reasons.items()}
    if any(len(reason) > MAX_REASON for reason in given.values()):
        raise Invalid(f"A reason may be at most {MAX_REASON} characters long.")
    comment = review.comment
    # Notes may have made it longer than what a person may give; whoever leaves it as it is gives nothing.
    if changes.comment is not None and changes.comment.strip().splitlines() != comment.strip().splitlines():
        comment = changes.comment.strip()
        if len(comment) > MAX_COMMENT:
            raise Invalid(f"A comment may be at most {MAX_COMMENT:,} characters long.")
    reasons = {column: reason for column, reason in {**review.reasons, **given}.items() if reason}
    return {**review.ticks, **changes.ticks}, reasons, comment
