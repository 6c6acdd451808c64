"""Shifts as a calendar of RFC 5545. Pure.

An event's UID names its turn and its place in it, so that it stays the same event whoever takes it, and whatever
becomes of the turns around it. What a calendar was told once and is no more is told as cancelled, since many only add.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from tallybook.core.later import later

from .rules import Schedule, timeline, who
from .types import Shift

if TYPE_CHECKING:
    import icalendar
else:
    icalendar = later("icalendar")

PRODUCT = "-//Tallybook//Triage//EN"
LOOK_AGAIN = timedelta(hours=1)
LONGEST = 500  # characters of a summary and of a description
CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


class Wanted(msgspec.Struct, frozen=True):
    """Whose shifts of a team a calendar has. Without a person everybody's, without a discipline those of all."""

    person: str | None = None
    discipline: str | None = None
    instead_of: str = "Instead of {name}"


class Event(msgspec.Struct, frozen=True):
    """A shift in a calendar. ``sequence`` counts its changes, the last of which was told at ``changed_at``."""

    uid: str
    starts_at: datetime
    ends_at: datetime
    summary: str
    description: str
    sequence: int = 0
    changed_at: datetime | None = None
    cancelled: bool = False

    @property
    def says(self) -> tuple[datetime, datetime, str, str]:
        return self.starts_at, self.ends_at, self.summary, self.description


def events(schedule: Schedule, wanted: Wanted, since: datetime, until: datetime) -> list[Event]:
    """The shifts of every turn that has a part in a period, each turn whole. Raises NotFound for an unknown discipline.

    Turns are whole so that an event's name and length do not depend on when it is looked at.
    """
    names = {one.slack_id: one.name for one in schedule.facts.people}
    codes = [wanted.discipline] if wanted.discipline else [one.code for one in schedule.facts.disciplines]
    found: list[Event] = []
    for code in codes:
        for uid, shift in _named(schedule, code, since, until):
            begins, ends = shift.starts_at.replace(microsecond=0), shift.ends_at.replace(microsecond=0)
            if shift.person is not None and wanted.person in {None, shift.person} and begins < ends:
                found.append(Event(uid, begins, ends, *_texts(schedule, shift, names, wanted)))
    return sorted(found, key=lambda one: (one.starts_at, one.uid))


def _named(schedule: Schedule, code: str, since: datetime, until: datetime) -> Iterator[tuple[str, Shift]]:
    """The shifts with their names. Places are counted over everybody's: none depends on whose calendar it is."""
    first, last = (who(schedule, code, at).shift.slot for at in (since, until))
    since = min(since, first.starts_at) if first is not None else since
    until = max(until, last.ends_at) if last is not None else until
    places: Counter[str] = Counter()
    for shift in timeline(schedule, code, since, until):
        if shift.slot is not None:
            turn = f"{schedule.facts.team.id}.{code}.{_turn(schedule, shift)}"
            yield f"{turn}.{places[turn]}@tallybook", shift
            places[turn] += 1


def _turn(schedule: Schedule, shift: Shift) -> str:
    """What names a turn: its sprint, else its first day by the roster's own clocks, of which no two turns share one."""
    slot = shift.slot
    if slot is None:
        return ""
    if slot.sprint is not None:
        return str(slot.sprint.id)
    reign = schedule.rota(shift.discipline).reign_at(slot.starts_at)
    zone = ZoneInfo(reign.roster.rotation.zone) if reign is not None else schedule.facts.team.tz
    return slot.starts_at.astimezone(zone).date().isoformat()


def _texts(schedule: Schedule, shift: Shift, names: Mapping[str, str], wanted: Wanted) -> tuple[str, str]:
    """An event's summary and description."""
    duty = next(one.name for one in schedule.facts.disciplines if one.code == shift.discipline)
    person = names.get(shift.person or "", shift.person or "")
    summary = duty if wanted.person is not None else f"{duty}: {person}"
    lines = []
    if shift.slot is not None and shift.slot.sprint is not None:
        lines.append(shift.slot.sprint.name)
    if shift.turn_of is not None and shift.turn_of != shift.person:
        lines.append(wanted.instead_of.replace("{name}", names.get(shift.turn_of, shift.turn_of)))
    return _clean(summary), "\n".join(map(_clean, lines))[:LONGEST]


def _clean(text: str) -> str:
    return CONTROLS.sub(" ", text)[:LONGEST]


def revised(
    told: Sequence[Event], now_is: Sequence[Event], now: datetime, since: datetime
) -> tuple[list[Event], list[Event]]:
    """What is to be told anew (new, changed, cancelled, or there again), and what is too old to be told any more.

    ``told`` is all that was told before; an event that ended before ``since`` goes without being cancelled.
    """
    before = {one.uid: one for one in told}
    changed = []
    for one in now_is:
        was = before.pop(one.uid, None)
        if was is None:
            changed.append(msgspec.structs.replace(one, changed_at=now))
        elif was.cancelled or was.says != one.says:
            changed.append(msgspec.structs.replace(one, sequence=was.sequence + 1, changed_at=now))
    gone = [one for one in before.values() if one.ends_at <= since]
    changed += [
        msgspec.structs.replace(one, sequence=one.sequence + 1, changed_at=now, cancelled=True)
        for one in before.values()
        if one.ends_at > since and not one.cancelled
    ]
    return changed, gone


def calendar(name: str, told: Sequence[Event], now: datetime) -> bytes:
    """The events as a file; ``now`` stamps those that were never told before. The same events make the same bytes.

    A thousand take some 0.4 s: not for an event loop.
    """
    whole = icalendar.Calendar()
    whole.add("prodid", PRODUCT)
    whole.add("version", "2.0")
    whole.add("calscale", "GREGORIAN")
    whole.add("method", "PUBLISH")
    whole.add("name", _clean(name))
    whole.add("x-wr-calname", _clean(name))
    whole.add("refresh-interval", LOOK_AGAIN, parameters={"VALUE": "DURATION"})
    whole.add("x-published-ttl", "PT1H")
    for one in told:
        whole.add_component(_component(one, now))
    body: bytes = whole.to_ical()
    return body


def _component(one: Event, now: datetime) -> icalendar.Event:
    part = icalendar.Event()
    changed = (one.changed_at or now).replace(microsecond=0)
    part.add("uid", one.uid)
    part.add("dtstamp", changed)
    part.add("last-modified", changed)
    # A server with another TimeZone gives moments in it, and a zone that is named would need a description beside it.
    part.add("dtstart", one.starts_at.astimezone(UTC))
    part.add("dtend", one.ends_at.astimezone(UTC))
    part.add("sequence", one.sequence)
    part.add("summary", one.summary)
    if one.description:
        part.add("description", one.description)
    part.add("status", "CANCELLED" if one.cancelled else "CONFIRMED")
    # Somebody on duty is there for everything else as well.
    part.add("transp", "TRANSPARENT")
    return part
