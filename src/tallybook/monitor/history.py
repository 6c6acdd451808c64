"""What a review's record says it should be, held against what it is. Pure.

Every write of the product stands in the record. What differs from it was changed by somebody's own SQL, which the
database allows on purpose; nobody can say when or by whom, but it can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .types import STEP_COLUMNS, Change, Effect, Review, Submission

COMPLETED, ASSIGNED = "completed", "assigned_agent"


class ByHand(msgspec.Struct, frozen=True):
    """A field whose value no entry of the record explains: as the record has it, and as it is."""

    field: str
    recorded: object
    is_now: object


def by_hand(review: Review, posts: Sequence[Submission], changes: Sequence[Change]) -> list[ByHand]:
    """The fields that were changed past the record, in display order.

    A review that the product made began with nothing ticked. Of one that was written by hand, only what was changed
    since is known, so only that is judged.
    """
    recorded: dict[str, object] = {}
    if any(post.effect is Effect.CREATED for post in posts):
        recorded = {**dict.fromkeys(STEP_COLUMNS, "missing"), COMPLETED: False, ASSIGNED: None}
    for change in changes:
        recorded |= {name: value for name, value in (change.after or {}).items() if name in _FIELDS}
    is_now: dict[str, object] = dict(zip(STEP_COLUMNS, map(str, review.verdicts), strict=True))
    is_now |= {COMPLETED: review.completed, ASSIGNED: review.assigned_agent}
    return [
        ByHand(name, mark_of(recorded[name]), is_now[name])
        for name in _FIELDS
        if name in recorded and mark_of(recorded[name]) != is_now[name]
    ]


_FIELDS = (*STEP_COLUMNS, COMPLETED, ASSIGNED)


def mark_of(value: object) -> object:
    """A step's verdict without its reason; any other value as it is."""
    if not isinstance(value, str):
        return value
    mark, _, _ = value.partition(": ")
    return mark if mark in {"right", "wrong", "missing"} else value
