"""Who is on duty: the one place where it is decided. Pure.

``prepare`` puts facts in order once; after that an answer costs some look-ups, however long the history. Everything
that shows duty, now, then or ahead, asks ``who`` or ``timeline``: both read the same pieces of the same turns.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from tallybook.core.errors import NotFound

from .rules_reigns import Reign, reigns_of
from .rules_spans import NEVER, Span, Spans
from .types import (
    FOR_EVER,
    FROM_THE_START,
    MEANT,
    NOBODY,
    Answer,
    Facts,
    Override,
    Shift,
    Slot,
    WhenAbsent,
    Why,
)


class Rota:
    """One discipline's facts in order."""

    def __init__(self, facts: Facts, discipline: str) -> None:
        self.code = discipline
        not_used = [each for one in facts.disciplines if one.code == discipline for each in one.unused]
        self.unused = Spans((each.since, each.until or FOR_EVER) for each in not_used)
        sprints = sorted(facts.sprints, key=lambda sprint: (sprint.starts_at, sprint.id))
        holidays = sorted({holiday.day for holiday in facts.holidays})
        rosters = [roster for roster in facts.rosters if roster.discipline == discipline]
        self.reigns = reigns_of(rosters, sprints, holidays)
        self.begins = [reign.since for reign in self.reigns]
        members = [one for one in facts.memberships if one.discipline == discipline]
        self.members = _spans((one.person, one.since, one.until or FOR_EVER) for one in members)
        away = [one for one in facts.absences if one.person in self.members]
        self.away = _spans((one.person, one.starts_at, one.ends_at) for one in away)
        self._overrides = _in_order([one for one in facts.overrides if one.discipline == discipline])
        self._starts = [one.starts_at for one in self._overrides]
        # Between two of these, within one turn, nothing changes.
        self._cuts = sorted({
            *(at for one in members for at in (one.since, one.until) if at is not None),
            *(at for spans in self.away.values() for span in spans.spans for at in span),
            *(at for one in self._overrides for at in (one.starts_at, one.ends_at)),
        })  # fmt: skip

    def is_member(self, person: str, moment: datetime) -> bool:
        return self.members.get(person, NEVER).at(moment) is not None

    def belongs(self, person: str, since: datetime, until: datetime) -> bool:
        """Whether somebody is a member in all of a period."""
        span = self.members.get(person, NEVER).at(since)
        return span is not None and span[1] >= until

    def is_away(self, person: str, since: datetime, until: datetime) -> bool:
        return self.away.get(person, NEVER).meet(since, until)

    def reign_at(self, moment: datetime) -> Reign | None:
        number = bisect_right(self.begins, moment) - 1
        return self.reigns[number] if number >= 0 else None

    def override_at(self, moment: datetime) -> Override | None:
        number = bisect_right(self._starts, moment) - 1
        found = self._overrides[number] if number >= 0 else None
        return found if found is not None and moment < found.ends_at else None

    def pieces(self, reign: Reign, slot: Slot) -> Iterator[Shift]:
        """The shifts of one turn, without a hole. Everything that is ever told of duty comes from here."""
        first, last = bisect_right(self._cuts, slot.starts_at), bisect_left(self._cuts, slot.ends_at)
        found: Shift | None = None
        for since, until in pairwise([slot.starts_at, *self._cuts[first:last], slot.ends_at]):
            piece = self._decide(reign, slot, since, until)
            if found is None:
                found = piece
            elif (found.person, found.why, found.override) == (piece.person, piece.why, piece.override):
                found = msgspec.structs.replace(found, ends_at=until)
            else:
                yield found
                found = piece
        if found is not None:
            yield found

    def _decide(self, reign: Reign, slot: Slot, since: datetime, until: datetime) -> Shift:
        """Who has a turn in a part of it within which nothing changes."""
        turn_of = reign.turn_of(slot)

        def shift(person: str | None, why: Why, override: int | None = None) -> Shift:
            return Shift(self.code, since, until, person, why, turn_of, slot, override)

        override = self.override_at(since)
        if override is not None and override.person is None:
            return shift(None, Why.UNASSIGNED, override.id)
        if override is not None and override.person is not None and self.is_member(override.person, since):
            return shift(override.person, Why.OVERRIDE if override.swap is None else Why.SWAP, override.id)
        stays = turn_of is not None and self.is_member(turn_of, since)
        absence = self.away.get(turn_of or "", NEVER).at(since)
        if stays and (absence is None or reign.roster.rotation.when_absent is WhenAbsent.KEEP):
            return shift(turn_of, Why.SLOT)
        substitute = self._substitute(reign, slot, since, stays=stays)
        if substitute is not None:
            return shift(substitute, Why.SUBSTITUTE)
        # Somebody who is away can still be found; nobody cannot.
        return shift(turn_of, Why.SLOT) if stays else shift(None, Why.NOBODY_LEFT)

    def _substitute(self, reign: Reign, slot: Slot, moment: datetime, *, stays: bool) -> str | None:
        """The next of the roster who is there at a moment; where all are away, the next who belongs to the discipline.

        By that moment alone: whoever looked ahead would, with a later absence, change who was on duty before it.
        """
        people = reign.roster.people
        behind = (people[(slot.number + place) % len(people)] for place in range(1, len(people) + 1))
        members = [one for one in behind if self.is_member(one, moment)]
        there = next((one for one in members if self.away.get(one, NEVER).at(moment) is None), None)
        if there is not None or stays:
            return there
        return next(iter(members), None)


class Schedule:
    """A team's facts, prepared, each discipline when it is first asked for.

    No answer of it ever changes; it may be kept for as long as the facts' version is the same.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.codes = tuple(sorted({one.code for one in facts.disciplines} | {one.discipline for one in facts.rosters}))
        self._rotas: dict[str, Rota] = {}

    def rota(self, discipline: str) -> Rota:
        """Raises NotFound."""
        found = self._rotas.get(discipline)
        if found is None:
            if discipline not in self.codes:
                raise NotFound("There is no such discipline in this team.")
            found = self._rotas[discipline] = Rota(self.facts, discipline)
        return found


def prepare(facts: Facts) -> Schedule:
    """The facts in the order in which answers are found in them."""
    return Schedule(facts)


def who(schedule: Schedule, discipline: str, at: datetime) -> Answer:
    """Who is on duty in a discipline at a moment (which knows its zone), and why. Raises NotFound."""
    at = at.astimezone(UTC)
    rota = schedule.rota(discipline)
    unused = rota.unused.at(at)
    if unused is not None:
        return Answer(at, _out_of_use(rota, unused))
    reign = rota.reign_at(at)
    slot = reign.at(at) if reign is not None else None
    if reign is None or slot is None:
        return Answer(at, _while_used(rota, _gap(rota, reign, at), at))
    piece = next(piece for piece in rota.pieces(reign, slot) if at < piece.ends_at)
    return Answer(at, _while_used(rota, piece, at))


def _out_of_use(rota: Rota, span: Span) -> Shift:
    return Shift(rota.code, *span, None, Why.OUT_OF_USE)


def _while_used(rota: Rota, shift: Shift, at: datetime) -> Shift:
    """The part of a shift around a moment at which the discipline is in use. Its turn ends where the use does."""
    if not rota.unused.spans:
        return shift
    since, until = rota.unused.between(at)
    found, slot = shift.cut(since, until), shift.slot
    if slot is None or slot.ends_at <= until:
        return found
    return msgspec.structs.replace(found, slot=Slot(slot.number, slot.starts_at, until, slot.sprint))


def _gap(rota: Rota, reign: Reign | None, at: datetime) -> Shift:
    """The time without a turn from a moment on; before the first roster, all of it."""
    if reign is None:
        until = rota.begins[0] if rota.begins else FOR_EVER
        return Shift(rota.code, FROM_THE_START, until, None, Why.NO_ROSTER)
    following = reign.turns.after(at) or FOR_EVER
    return Shift(rota.code, at, min(following, reign.until), None, reign.gap)


def timeline(schedule: Schedule, discipline: str, since: datetime, until: datetime) -> Iterator[Shift]:
    """All of a period in order, without a hole or an overlap: shifts, and the gaps between them. Raises NotFound.

    A shift at an edge is told with its part within the period.
    """
    rota = schedule.rota(discipline)
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    if not rota.unused.spans:
        yield from _used(rota, since, until)
        return
    while since < until:
        unused = rota.unused.at(since)
        ends = min(until, unused[1] if unused is not None else rota.unused.between(since)[1])
        if unused is not None:
            yield _out_of_use(rota, unused).cut(since, ends)
        else:
            for shift in _used(rota, since, ends):
                yield _while_used(rota, shift, shift.starts_at)
        since = ends


def _used(rota: Rota, since: datetime, until: datetime) -> Iterator[Shift]:
    """All of a period in which the discipline is in use."""
    at = since
    for shift in _turned(rota, since, until):
        if shift.starts_at > at:
            yield from _gaps(rota, at, shift.starts_at)
        piece = shift.cut(since, until)
        yield piece
        at = piece.ends_at
    if at < until:
        yield from _gaps(rota, at, until)


def _turned(rota: Rota, since: datetime, until: datetime) -> Iterator[Shift]:
    """What all turns in a period are made of."""
    first = max(bisect_right(rota.begins, since) - 1, 0)
    for reign in rota.reigns[first:]:
        if reign.since >= until:
            return
        for slot in reign.between(since, until):
            for piece in rota.pieces(reign, slot):
                if piece.ends_at > since and piece.starts_at < until:
                    yield piece


def _gaps(rota: Rota, since: datetime, until: datetime) -> Iterator[Shift]:
    """A time without turns, cut where another roster begins."""
    while since < until:
        gap = _gap(rota, rota.reign_at(since), since).cut(since, until)
        yield gap
        since = gap.ends_at


def shifts(schedule: Schedule, discipline: str, since: datetime, until: datetime) -> list[Shift]:
    """Who is on duty when, in order. What calendars, feeds, statistics and announcements read. Raises NotFound."""
    return [one for one in timeline(schedule, discipline, since, until) if one.person is not None]


def gaps(schedule: Schedule, discipline: str, since: datetime, until: datetime) -> list[Shift]:
    """When nobody is on duty though somebody should be: not where the rotation rests, or where it was set so."""
    found = timeline(schedule, discipline, since, until)
    return [one for one in found if one.why in NOBODY - MEANT]


def reason_of(schedule: Schedule, shift: Shift) -> str:
    """Why it was set that nobody is on duty; "" for every other shift."""
    if shift.why is not Why.UNASSIGNED:
        return ""
    return next((one.reason for one in schedule.facts.overrides if one.id == shift.override), "")


def _spans(rows: Iterable[tuple[str, datetime, datetime]]) -> Mapping[str, Spans]:
    """By person."""
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for person, since, until in rows:
        found[person].append((since, until))
    return {person: Spans(spans) for person, spans in found.items()}


def _in_order(overrides: Sequence[Override]) -> list[Override]:
    """Apart from each other, in order of time. Of two for one time, which the database refuses, the older one holds."""
    found: list[Override] = []
    for one in sorted(overrides, key=lambda override: override.id):
        place = bisect_left(found, one.starts_at, key=lambda other: other.starts_at)
        before, after = found[max(place - 1, 0) : place], found[place : place + 1]
        if all(other.ends_at <= one.starts_at for other in before) and all(
            other.starts_at >= one.ends_at for other in after
        ):
            found.insert(place, one)
    return found
