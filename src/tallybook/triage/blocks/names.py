"""The names by which Slack tells us what was used, and what our own buttons and views carry.

Whatever comes back from Slack is checked anew: anybody may send any value. What is carried says only what is meant;
whether its sender may do it is decided by the service at the click.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated

import msgspec

from tallybook.core.errors import Invalid
from tallybook.triage.types import Shift

SHORTCUT = "request_coverage_shortcut"
LONGEST_META = 3000  # characters of private_metadata
LONGEST_TURN = 150  # characters of an option's value
LAST_MOMENT = 32_503_680_000  # the year 3000, in seconds of 1970
LONGEST_SPAN = 800 * 86_400  # seconds; no turn is longer
YEARS = range(2000, 3000)
_PERSON = re.compile(r"[A-Z0-9]{2,50}")
_NUMBER = re.compile(r"[0-9]{1,12}")
_TURN = re.compile(r"(.{1,20})\|([0-9]{1,12})\|([0-9]{1,12})\|([A-Z0-9]{2,50})", re.DOTALL)


class Command(enum.StrEnum):
    """The slash commands. Another environment's have its name behind them, as in ``/triage-schedule-staging``."""

    SCHEDULE = "/triage-schedule"
    OVERRIDE = "/triage-override"
    OVERRIDES = "/override-list"
    SPRINTS = "/admin-sprints"
    DISCIPLINES = "/admin-disciplines"
    PEOPLE = "/admin-users"


class View(enum.StrEnum):
    """The callback_id of each view. Those that are sent in have a submit button."""

    SCHEDULE = "triage_schedule"
    MINE = "triage_mine"
    ROSTERS = "triage_rosters"
    COVER_TURN = "triage_cover_turn"  # sent in: which turn
    COVER = "triage_cover"  # sent in: who instead, when, why
    REQUESTS = "triage_requests"
    NOTE = "triage_note"  # sent in: a request is declined or withdrawn, and why
    SPRINTS = "triage_sprints"
    SPRINT = "triage_sprint"  # sent in
    SPRINT_REMOVE = "triage_sprint_remove"  # sent in
    DISCIPLINES = "triage_disciplines"
    DISCIPLINE = "triage_discipline"  # sent in
    USE = "triage_use"  # sent in
    ROSTER = "triage_roster"  # sent in
    PEOPLE = "triage_people"
    JOIN = "triage_join"  # sent in
    LEAVE = "triage_leave"  # sent in
    HUB = "triage_hub"
    HOME = "triage_home"
    NOTICE = "triage_notice"


class Act(enum.StrEnum):
    """The action_id of each button and of each choice that acts at once. Every one carries a ``Held`` as its value.

    The exceptions: DAY carries a date, TEAM an option whose value is the team's number.
    """

    OPEN_SCHEDULE = "triage_open_schedule"
    OPEN_MINE = "triage_open_mine"
    OPEN_COVER = "triage_open_cover"  # with since, until, discipline and person where the turn is known
    OPEN_REQUESTS = "triage_open_requests"
    OPEN_SPRINTS = "triage_open_sprints"
    OPEN_ROSTERS = "triage_open_rosters"  # for everybody: who takes turns in which order
    OPEN_DISCIPLINES = "triage_open_disciplines"
    OPEN_PEOPLE = "triage_open_people"
    OPEN_HUB = "triage_open_hub"
    APPROVE = "triage_approve"
    DECLINE = "triage_decline"  # opens the note
    WITHDRAW = "triage_withdraw"  # opens the note
    SPRINT_ADD = "triage_sprint_add"
    SPRINT_CHANGE = "triage_sprint_change"
    SPRINT_REMOVE = "triage_sprint_removal"
    DISCIPLINE_ADD = "triage_discipline_add"
    DISCIPLINE_CHANGE = "triage_discipline_change"
    DISCIPLINE_USE = "triage_discipline_use"  # takes it out of use, or brings it back
    ROSTER_CHANGE = "triage_roster_change"
    JOIN = "triage_person_join"
    LEAVE = "triage_person_leave"
    PAGE_BACK = "triage_page_back"
    PAGE_ON = "triage_page_on"
    DAY = "triage_day"
    TEAM = "triage_team"
    LINK = "triage_link"  # a button that only opens an address; it is acknowledged and no more


class Field(enum.StrEnum):
    """Each input of a form: its block_id, and its action_id as well.

    PERSON of COVER_TURN, and SINCE and UNTIL of COVER, also act at once: what can be chosen follows them.
    """

    DISCIPLINE = "discipline"
    DISCIPLINES = "disciplines"
    PERSON = "person"
    TURN = "turn"
    SUBSTITUTE = "substitute"
    EXCHANGE = "exchange"
    SINCE = "since"
    UNTIL = "until"
    REASON = "reason"
    AT_ONCE = "at_once"
    NOBODY = "nobody"
    NAME = "name"
    FIRST_DAY = "first_day"
    LAST_DAY = "last_day"
    CODE = "code"
    PLACE = "place"
    PEOPLE = "people"
    IN_ORDER = "in_order"
    KIND = "kind"
    HAND_OVER = "hand_over"
    DAYS = "days"
    WEEKS = "weeks"
    NOTE = "note"


YES = "yes"  # the value of a box that is ticked


class Choice(enum.StrEnum):
    """What a note is for."""

    DECLINE = "decline"
    WITHDRAW = "withdraw"


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Moment = Annotated[int, msgspec.Meta(ge=0, le=LAST_MOMENT)]


class Held(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a button or a view is about. ``number`` is a request's or a sprint's, ``since`` and ``until`` are seconds.

    ``shown`` is the mark of what was previewed by the facts of ``version``: only what was seen like that is saved.
    """

    team: _Count
    discipline: Annotated[str, msgspec.Meta(max_length=20)] = ""
    person: Annotated[str, msgspec.Meta(max_length=50, pattern=r"^[A-Z0-9]*$")] = ""
    number: _Count = 0
    page: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    since: _Moment | None = None
    until: _Moment | None = None
    day: date | None = None
    version: _Count | None = None
    shown: Annotated[str, msgspec.Meta(max_length=16, pattern=r"^[0-9a-f]*$")] = ""
    choice: Choice | None = None
    hidden: bool = False  # whether what is not in use is listed too

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """The period it is about."""
        if self.since is None or self.until is None or not 0 < self.until - self.since <= LONGEST_SPAN:
            return None
        return moment(self.since), moment(self.until)


class Turn(msgspec.Struct, frozen=True):
    """A turn that somebody chose: ``person`` is on duty in ``[starts_at, ends_at)``."""

    discipline: str
    person: str
    starts_at: datetime
    ends_at: datetime


def written(held: Held) -> str:
    """As a button's value or a view's private_metadata carries it."""
    return msgspec.json.encode(held).decode()


def held_of(value: object) -> Held:
    """What a button or a view carries. Raises Invalid for what is none of ours."""
    if not isinstance(value, str) or len(value) > LONGEST_META:
        raise Invalid("This button is none of ours.")
    try:
        held = msgspec.json.decode(value.encode(), type=Held)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        raise Invalid("This button is none of ours.") from None
    if held.day is not None and held.day.year not in YEARS:
        raise Invalid("This button is none of ours.")
    return held


def turn_value(turn: Turn | Shift) -> str:
    """As an option carries a turn, or a shift that somebody has."""
    return f"{turn.discipline}|{seconds(turn.starts_at)}|{seconds(turn.ends_at)}|{turn.person}"


def turn_of(value: object) -> Turn:
    """Raises Invalid."""
    found = _TURN.fullmatch(value) if isinstance(value, str) and len(value) <= LONGEST_TURN else None
    if found is not None:
        code, since, until, person = found[1], int(found[2]), int(found[3]), found[4]
        if 0 < until - since <= LONGEST_SPAN and until <= LAST_MOMENT:
            return Turn(code, person, moment(since), moment(until))
    raise Invalid("This turn is none of ours.")


def person_of(value: object) -> str:
    """A Slack id. Raises Invalid."""
    if isinstance(value, str) and _PERSON.fullmatch(value):
        return value
    raise Invalid("This is nobody in Slack.")


def team_of(value: object) -> int:
    """A team's number, from the choice of a team. Raises Invalid."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    raise Invalid("This is no team.")


def day_of(value: object) -> date:
    """A chosen day. Raises Invalid."""
    try:
        found = date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise Invalid("This is no day.") from None
    if found.year not in YEARS:
        raise Invalid("This is no day.")
    return found


def mark(wanted: object, changes: Sequence[object] = ()) -> str:
    """What tells one plan and its preview from another."""
    return hashlib.sha256(msgspec.json.encode([wanted, list(changes)], order="sorted")).hexdigest()[:16]


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
