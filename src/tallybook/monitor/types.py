"""The monitor's words: projects, posts, reviews and their twelve steps."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec

# How long a review's lock lasts without a word of its holder. The database's clock measures it, no other.
LOCK_LASTS = timedelta(minutes=5)


class Step(msgspec.Struct, frozen=True):
    """One of the twelve photos that a review judges. ``column`` is its column; the tuple's order is the page's."""

    column: str
    label: str


# In display order, which is not the order of the columns.
STEPS = (
    Step("step_01_house_photo", "Property Photo"),
    Step("step_05_wall_for_installation", "Location on Wall"),
    Step("step_02_cable_from_pole", "Cable from Pole"),
    Step("step_03_cable_entry_outside", "Cable Entry Outside"),
    Step("step_04_cable_entry_inside", "Cable Entry Inside"),
    Step("step_06_ont_back_after_install", "Fibre Entry to ONT"),
    Step("step_10_final_installation", "Overall Work Area"),
    Step("step_08_ont_barcode", "ONT Barcode"),
    Step("step_09_ups_serial", "UPS Serial"),
    Step("step_07_power_meter_reading", "Powermeter at ONT"),
    Step("step_11_green_lights", "Green Lights"),
    Step("step_12_customer_signature", "Customer Signature"),
)
STEP_COLUMNS = tuple(step.column for step in STEPS)


class Verdict(enum.StrEnum):
    MISSING = "missing"
    RIGHT = "right"
    WRONG = "wrong"


def verdict(*, ticked: bool, reason: str) -> Verdict:
    """A reason makes a step wrong whether it is ticked or not."""
    if reason:
        return Verdict.WRONG
    return Verdict.RIGHT if ticked else Verdict.MISSING


def verdicts(ticks: Mapping[str, bool], reasons: Mapping[str, str]) -> list[Verdict]:
    """The verdict of each step, in display order."""
    return [verdict(ticked=ticks.get(c, False), reason=reasons.get(c, "")) for c in STEP_COLUMNS]


class Kind(enum.StrEnum):
    QA = "qa"
    MARKETING = "marketing"


class Effect(enum.StrEnum):
    """What a post did to its drop's review."""

    CREATED = "created"
    RESUBMITTED = "resubmitted"
    HISTORY = "history"


class Project(msgspec.Struct, frozen=True):
    """A group and what its posts are. Projects of one ``space`` share their drop numbers."""

    name: str
    group: str
    kind: Kind
    space: str
    validated: bool
    pattern: re.Pattern[str]
    own_posts_count: bool = False


class Post(msgspec.Struct, frozen=True, gc=False):
    """A drop number said in a group. One message may hold several posts; ``fresh`` ones cannot have been filed yet."""

    message_id: int
    fresh: bool
    drop_number: str
    project: Project
    said_at: datetime
    phone: str | None
    bridge: str
    chat: str


class Filed(msgspec.Struct, frozen=True):
    """What a batch of posts did; each entry is (drop number, project).

    ``validated`` and ``unchecked`` are told of small batches alone: posts found in their list, and those of projects
    that have none.
    """

    created: list[tuple[str, str]] = []
    resubmitted: list[tuple[str, str]] = []
    history: list[tuple[str, str]] = []
    invalid: list[tuple[str, str]] = []
    activated: list[tuple[str, str]] = []
    held: list[tuple[str, str]] = []
    validated: list[tuple[str, str]] = []
    unchecked: list[tuple[str, str]] = []


class Shown(enum.StrEnum):
    """Which reviews a list shows. Open is what waits for somebody: not complete, or posted again and not looked at."""

    ALL = "all"
    OPEN = "open"
    COMPLETE = "complete"


class Posted(enum.StrEnum):
    """``AGAIN`` is posted again and not looked at since; ``ONCE`` is all others."""

    ANY = "any"
    ONCE = "once"
    AGAIN = "again"


NOBODY = 0  # no account has this number


class Filters(msgspec.Struct, frozen=True):
    """What a list of reviews shows: drops posted, first or again, on these business dates, both ends included.

    ``project`` is where such a post was said, which need not be the project of the review. ``assigned`` is the account
    whose they are to judge, or NOBODY.
    """

    project: str | None = None
    search: str = ""
    shown: Shown = Shown.ALL
    posted: Posted = Posted.ANY
    first_day: date | None = None
    last_day: date | None = None
    assigned: int | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a page of a list ends: the last row's sort key."""

    resubmitted: bool
    last_said_at: datetime
    id: UUID


class ReviewRow(msgspec.Struct, frozen=True):
    """A review as a list shows it. ``verdicts`` are in display order.

    ``said_at`` is when its first post was said, ``last_said_at`` its newest; ``resubmitted`` means that it was posted
    again and nobody has looked at it since.
    """

    id: UUID
    drop_number: str
    project: str | None
    said_at: datetime
    last_said_at: datetime
    user_name: str
    posts: int
    resubmitted: bool
    completed: bool
    verdicts: list[Verdict]
    locked_by: str | None
    assigned: str | None = None


class Submission(msgspec.Struct, frozen=True):
    """One post of the review's drop."""

    project: str
    sender_phone: str | None
    said_at: datetime
    seen_at: datetime
    effect: Effect


class Change(msgspec.Struct, frozen=True):
    """One entry of a review's history."""

    at: datetime
    who: str
    action: str
    before: dict[str, object] | None
    after: dict[str, object] | None


class Lock(msgspec.Struct, frozen=True):
    """Who may write to a review now. ``until`` is when the lock ends unless it is renewed."""

    account_id: int
    name: str
    until: datetime


class Review(msgspec.Struct, frozen=True):
    """A whole review. ``ticks`` and ``reasons`` are by step column; a reason makes its step wrong, ticked or not."""

    id: UUID
    drop_number: str
    project: str | None
    space: str
    review_date: date
    said_at: datetime | None
    user_name: str
    submitted_by: str | None
    assigned_agent: str | None
    ticks: dict[str, bool]
    reasons: dict[str, str]
    comment: str
    resubmitted: bool
    completed: bool
    feedback_sent: datetime | None
    updated_at: datetime
    lock: Lock | None
    assigned_account: int | None = None

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdict of each step, in display order."""
        return verdicts(self.ticks, self.reasons)


PostCount = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class Changes(msgspec.Struct, frozen=True):
    """What a reviewer changes; only what is given is written. An empty reason takes the reason away.

    ``posts`` is how many posts of the drop the reviewer saw: a review that becomes complete counts as looked at only
    if no post came after those.
    """

    ticks: dict[str, bool] = {}
    reasons: dict[str, str] = {}
    comment: str | None = None
    posts: PostCount | None = None


class DayCount(msgspec.Struct, frozen=True):
    """A project's day: distinct drops posted, how many are complete, how many were posted again and not looked at.

    What is not complete is open, as in the list: ``complete`` leaves out what was posted again and not looked at.

    ``usual`` holds the distinct drops of each of the fourteen days before, oldest first.
    """

    project: str
    kind: Kind
    drops: int
    complete: int
    again: int
    usual: list[int]
