"""What a row of an older rota's tables or files means: who, when, for whom; and what becomes of it. Pure.

What the old tables held unique changed from one release to the next, and files hold nothing: none of it is relied on.
Fields are named by their source (``slack_id``, ``slackId``); they mean the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

Row = Mapping[str, Any]
SLACK_ID = re.compile(r"[A-Z0-9]{2,50}")
CODES = {one.lower(): one for one in ("account", "producer", "po", "uiEng", "beEng")}
NAMES = {
    "account": "Account", "producer": "Producer", "po": "Product owner", "uiEng": "UI engineering",
    "beEng": "Back end engineering",
}  # fmt: skip
LONGEST_CODE, LONGEST_NAME, LONGEST_PERSON = 20, 50, 100
FALSE = frozenset({"false", "f", "0", "no", "n"})
ADDED, MERGED, LEFT_OUT = "added", "merged", "left out"

NO_PERSON = "it names nobody by a Slack id"
NO_DISCIPLINE = "it names no discipline"
LISTED = "stands in its discipline's list, too"
TWICE = "the same person twice in one discipline"
SEVERAL_NAMES = "the same person under several names: the last one stays"
INACTIVE = "no longer active: belonged to the discipline, and takes no turns"
DISCIPLINE_TWICE = "the same discipline twice"
NO_DAYS = "its first or its last day cannot be read"
BACKWARDS = "it ends before it begins"
SPRINT_TWICE = "the same sprint twice"
SAME_DAY = "another sprint begins on the same day, and was the one that held"
CUT = "it lay over the next one, and ends where that begins"
NO_NUMBER = "it had no number of its own: it has one now"
STATE_TWICE = "a second current state: the first one held"
SAYS_NOTHING = "it says nothing"
NOT_TAKEN = "kept as it was"


class Fates:
    """What became of each row, by its table and its place there, and why."""

    def __init__(self, tables: Mapping[str, Sequence[Row]]) -> None:
        self.tables = tables
        self.became: dict[tuple[str, int], str] = {}
        self.why: defaultdict[tuple[str, int], list[str]] = defaultdict(list)

    def tell(self, table: str, place: int, becomes: str, *why: str) -> None:
        """A later word on what a row becomes replaces the one before; reasons add up."""
        self.became[table, place] = becomes
        self.why[table, place] += [one for one in why if one not in self.why[table, place]]

    def leave(self, table: str) -> None:
        for place in range(len(self.tables[table])):
            self.tell(table, place, LEFT_OUT, NOT_TAKEN)

    def remark(self, table: str, place: int, why: str) -> None:
        self.tell(table, place, self.became.get((table, place), ADDED), why)


class Member(msgspec.Struct, frozen=True):
    """Somebody in a discipline. ``left_at`` is when one who is not active was last changed."""

    person: str
    name: str
    discipline: str
    active: bool
    left_at: datetime | None = None


class OldSprint(msgspec.Struct, frozen=True):
    """A sprint by the old system's number, by which it chose who is on duty; ``number`` is ours."""

    index: int | None
    number: int
    name: str
    first_day: date
    last_day: date
    place: int


class OldOverride(msgspec.Struct, frozen=True):
    """A request. Of those that were approved for one slot the first in this order held."""

    index: int | None
    discipline: str
    person: str
    name: str
    instead_of: str | None
    asked_by: str
    approved: bool
    approved_by: str
    approved_at: datetime | None
    made_at: datetime | None
    key: str  # by its place: an id may stand there twice, or be anything
    place: int


class State(msgspec.Struct, frozen=True):
    """Who the old system had on duty in one sprint, by discipline; None is nobody."""

    index: int
    on_duty: dict[str, str | None]
    place: int


def plain(row: Row) -> dict[str, Any]:
    """A row with its fields named as the tables name them."""
    return {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key)).lower(): value for key, value in row.items()}


def words(value: object, longest: int) -> str:
    return "" if value is None else str(value).replace("\0", "").strip()[:longest]


def truth(value: object, default: bool) -> bool:
    if value is None:
        return default
    return value if isinstance(value, bool) else str(value).strip().lower() not in FALSE


def number(value: object) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text := words(value, 20)) else None


def day(value: object) -> date | None:
    try:
        return date.fromisoformat(words(value, 10))
    except ValueError:
        return None


def moment(value: object) -> datetime | None:
    """A time; one that names no zone is of UTC, in which the old system's database was."""
    try:
        at = datetime.fromisoformat(words(value, 40))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def code_of(value: object) -> str | None:
    """A discipline's code, however it is spelt; None where it is none."""
    text = words(value, 100)
    known = CODES.get(re.sub(r"[^a-z]", "", text.lower()))
    return known or (text if text and len(text) <= LONGEST_CODE else None)


def person_of(value: object) -> str | None:
    return text if SLACK_ID.fullmatch(text := words(value, 100)) else None


def members(rows: Sequence[Row], table: str, fates: Fates, known: Sequence[Member] = ()) -> list[Member]:
    """The members in the old order of turns, who stand twice as often as they do; without those of another list."""
    found: list[Member] = []
    seen, listed = set[tuple[str, str]](), {(one.person, one.discipline) for one in known}
    names = {one.person: one.name for one in known}
    for place, raw in enumerate(rows):
        row = plain(raw)
        person, code = person_of(row.get("slack_id")), code_of(row.get("discipline", row.get("role")))
        if person is None or code is None:
            fates.tell(table, place, LEFT_OUT, NO_PERSON if person is None else NO_DISCIPLINE)
            continue
        if (person, code) in listed:
            fates.tell(table, place, MERGED, LISTED)
            continue
        name = words(row.get("name"), LONGEST_PERSON) or person
        active = truth(row.get("active"), default=True)
        found.append(Member(person, name, code, active, moment(row.get("updated_at"))))
        fates.tell(table, place, MERGED if (person, code) in seen else ADDED)
        if (person, code) in seen:
            fates.remark(table, place, TWICE)
        if not active:
            fates.remark(table, place, INACTIVE)
        if names.setdefault(person, name) != name:
            fates.remark(table, place, SEVERAL_NAMES)
        seen.add((person, code))
    return found


def disciplines(rows: Sequence[Row], table: str, fates: Fates) -> list[str]:
    """The codes that a list of disciplines names, each once."""
    found: list[str] = []
    for place, raw in enumerate(rows):
        row = plain(raw)
        code = code_of(row.get("code", row.get("name")))
        if code is None:
            fates.tell(table, place, LEFT_OUT, NO_DISCIPLINE)
        elif code in found:
            fates.tell(table, place, MERGED, DISCIPLINE_TWICE)
        else:
            fates.tell(table, place, ADDED)
            found.append(code)
    return found


def sprints(rows: Sequence[Row], table: str, fates: Fates) -> list[OldSprint]:
    """The sprints in order of time, apart from each other, each with a number of its own.

    Where they lay over each other the one that began later held, as it did on the day that two of them share.
    """
    read = [one for place, row in enumerate(rows) if (one := _sprint(row, place, table, fates)) is not None]
    kept: list[OldSprint] = []
    for one in sorted(read, key=lambda one: (one.first_day, _last_if_none(one.index), one.place)):
        before = kept[-1] if kept else None
        if before is not None and before.first_day == one.first_day:
            twice = (before.index, before.last_day) == (one.index, one.last_day)
            fates.tell(table, one.place, MERGED if twice else LEFT_OUT, SPRINT_TWICE if twice else SAME_DAY)
            continue
        if before is not None and before.last_day > one.first_day:
            fates.remark(table, before.place, CUT)
            kept[-1] = msgspec.structs.replace(before, last_day=one.first_day)
        kept.append(one)
    return _numbered(kept, table, fates)


def _last_if_none(index: int | None) -> int:
    return 10**9 if index is None else index


def _sprint(raw: Row, place: int, table: str, fates: Fates) -> OldSprint | None:
    row = plain(raw)
    first, last = day(row.get("start_date")), day(row.get("end_date"))
    if first is None or last is None or first >= last:
        fates.tell(table, place, LEFT_OUT, NO_DAYS if first is None or last is None else BACKWARDS)
        return None
    fates.tell(table, place, ADDED)
    index = number(row.get("sprint_index"))
    name = words(row.get("sprint_name", row.get("name")), LONGEST_NAME) or f"Sprint {first}"
    return OldSprint(index, -1, name, first, last, place)


def _numbered(kept: Sequence[OldSprint], table: str, fates: Fates) -> list[OldSprint]:
    """Numbers as they were. Of two with one number the one that the old system found first keeps it."""
    owner: dict[int, int] = {}
    for one in sorted(kept, key=lambda one: one.place):
        if one.index is not None:
            owner.setdefault(one.index, one.place)
    following = max(owner, default=-1) + 1
    found = []
    for one in kept:
        if one.index is not None and owner[one.index] == one.place:
            found.append(msgspec.structs.replace(one, number=one.index))
            continue
        fates.remark(table, one.place, NO_NUMBER)
        found.append(msgspec.structs.replace(one, number=following))
        following += 1
    return found


def state(rows: Sequence[Row], table: str, fates: Fates) -> State | None:
    """The current state: the first row that says anything, the one with the number 1 before all."""
    order = sorted(enumerate(rows), key=lambda one: (number(one[1].get("id")) != 1, one[0]))
    found: State | None = None
    for place, raw in order:
        row = plain(raw)
        index = number(row.get("sprint_index"))
        on_duty = _on_duty(row)
        if index is None or not on_duty:
            fates.tell(table, place, LEFT_OUT, SAYS_NOTHING)
        elif found is not None:
            fates.tell(table, place, LEFT_OUT, STATE_TWICE)
        else:
            fates.tell(table, place, ADDED)
            found = State(index, on_duty, place)
    return found


def _on_duty(row: Row) -> dict[str, str | None]:
    """By discipline, of whichever are named; in the tables each has a column."""
    fields = {key.removesuffix("_slack_id"): value for key, value in row.items()}
    named = {CODES[key.replace("_", "")]: value for key, value in fields.items() if key.replace("_", "") in CODES}
    return {code: person_of(value) for code, value in named.items()}


def overrides(rows: Sequence[Row], table: str, fates: Fates) -> list[OldOverride]:
    """The requests, in the order in which the old system looked through them."""
    found = []
    for place, raw in enumerate(rows):
        row = plain(raw)
        person = person_of(row.get("replacement_slack_id", row.get("new_slack_id")))
        code = code_of(row.get("role", row.get("discipline")))
        if person is None or code is None:
            fates.tell(table, place, LEFT_OUT, NO_PERSON if person is None else NO_DISCIPLINE)
            continue
        fates.tell(table, place, ADDED)
        name = words(row.get("replacement_name", row.get("new_name")), LONGEST_PERSON)
        found.append(OldOverride(
            number(row.get("sprint_index")), code, person, name, person_of(row.get("original_slack_id")),
            words(row.get("requested_by"), 50) or "nobody named", truth(row.get("approved"), default=False),
            words(row.get("approved_by"), 100), moment(row.get("approval_timestamp")),
            moment(row.get("created_at", row.get("timestamp"))), f"{table} {place}", place,
        ))  # fmt: skip
    return found
