"""An older rota as facts of ours, such that its past is told as it told it. Pure.

It had no history: who was on duty in a sprint was whoever stood at the sprint's number, modulo their count, in the list
of today; an approved override went before that, and in the current sprint what had been kept of it. That is pinned down
by rosters that begin where the count breaks off, and by approved overrides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from . import legacy_rows
from .legacy_rows import ADDED, LEFT_OUT, MERGED, NAMES, Fates, Member, OldOverride, OldSprint, Row, State
from .rules import prepare, who
from .rules_spans import Span, Spans
from .rules_turns import hand_over
from .types import FOR_EVER, Discipline, Facts, Kind, Membership, Override, Person, Roster, Rotation, Sprint, Team

BY_HAND = "set by hand in the old system"
NO_SPRINT = "its sprint is not there"
ASKED_TWICE = "the same request twice"
HELD_ANOTHER = "another one was approved for the same time, and held"
BY_STATE = "somebody else was put on duty by hand, and held"
WAITS_ANOTHER = "a second request for the same time"
OVER = "it waited for a sprint that is over"
STOOD_IN = "who stood in did not belong to the discipline: does for that time"
NOBODY_BY_HAND = "nobody was on duty by hand: here it is whose turn it is"
A_SECOND = timedelta(seconds=1)
A_DAY = timedelta(days=1)


class Request(msgspec.Struct, frozen=True):
    """A request as it becomes one of ours: of all of a sprint, with what became of it."""

    sprint: Sprint
    discipline: str
    person: str
    state: str
    asked_by: str
    key: str
    instead_of: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    made_at: datetime | None = None
    reason: str = ""
    note: str = ""


class Unlike(msgspec.Struct, frozen=True):
    """A sprint's duty that is told otherwise than the old system told it."""

    sprint: str
    discipline: str
    was: str | None
    becomes: str | None


class Plan(msgspec.Struct, frozen=True):
    """What an import would write. ``compared`` duties were held against the old ones; ``unlike`` are those that differ.

    ``repeated`` are disciplines in which somebody stood twice, and took turns twice as often as the others: that ends
    with the next sprint.
    """

    facts: Facts
    requests: list[Request]
    fates: Fates
    compared: int
    unlike: list[Unlike]
    repeated: list[str]


class Old(msgspec.Struct, frozen=True):
    """The old rota, read. ``order`` is whose turns follow each other, by discipline."""

    members: list[Member]
    codes: list[str]
    sprints: list[OldSprint]
    state: State | None
    overrides: list[OldOverride]
    order: dict[str, list[str]]


def planned(tables: Mapping[str, Sequence[Row]], team: Team, now: datetime) -> Plan:
    """What the tables or files of an older rota become, in an empty team."""
    fates = Fates(tables)
    old = _read(tables, fates)
    sprints = [_sprint(team, number, one) for number, one in enumerate(old.sprints, 1)]
    requests = _requests(old, sprints, fates, now)
    rosters = [one for code in old.codes for one in _rosters(old, code, sprints, team, now)]
    names = {one.person: one.name for one in old.overrides if one.name} | {one.person: one.name for one in old.members}
    people = {*(one.person for one in old.members), *(one.person for one in requests)}
    facts = Facts(
        team,
        tuple(Discipline(code, NAMES.get(code, code), place) for place, code in enumerate(old.codes)),
        tuple(Person(person, names.get(person) or person) for person in sorted(people)),
        _memberships(old, requests, sprints, now),
        tuple(rosters),
        tuple(sprints),
        overrides=tuple(
            Override(number, one.discipline, one.person, one.sprint.starts_at, one.sprint.ends_at, one.instead_of)
            for number, one in enumerate(requests, 1)
            if one.state == "approved"
        ),
    )
    repeated = [code for code, order in old.order.items() if len(set(order)) < len(order)]
    compared, unlike = _held_against(old, facts, now)
    return Plan(facts, requests, fates, compared, unlike, repeated)


def _read(tables: Mapping[str, Sequence[Row]], fates: Fates) -> Old:
    def rows(table: str) -> Sequence[Row]:
        return tables.get(table, ())

    # The files may name everybody twice, in their discipline's list, whose order counts, and in one of all.
    members = legacy_rows.members(rows("disciplines"), "disciplines", fates)
    members += legacy_rows.members(rows("users"), "users", fates, members)
    overrides = legacy_rows.overrides(rows("overrides"), "overrides", fates)
    state = legacy_rows.state(rows("current_state"), "current_state", fates)
    named = legacy_rows.disciplines(rows("discipline"), "discipline", fates)
    by_hand = [code for code, person in state.on_duty.items() if person is not None] if state is not None else []
    used = [*named, *by_hand, *(one.discipline for one in members), *(one.discipline for one in overrides)]
    codes = [code for code in NAMES if code in used] + used
    order: dict[str, list[str]] = {code: [] for code in dict.fromkeys(codes)}
    for one in members:
        if one.active:
            order[one.discipline].append(one.person)
    sprints = legacy_rows.sprints(rows("sprints"), "sprints", fates)
    taken = {"disciplines", "users", "overrides", "current_state", "discipline", "sprints"}
    for table in tables.keys() - taken:
        fates.leave(table)
    return Old(members, list(order), sprints, state, overrides, order)


def _sprint(team: Team, number: int, old: OldSprint) -> Sprint:
    starts_at, ends_at = (hand_over(day, team.hand_over, team.tz) for day in (old.first_day, old.last_day))
    return Sprint(number, old.number, old.name, old.first_day, old.last_day, starts_at, ends_at)


def _turn(old: Old, code: str, index: int | None) -> str | None:
    """Whose turn a sprint was by the old count."""
    order = old.order.get(code, [])
    return order[index % len(order)] if order and index is not None else None


def _approved(old: Old, code: str, index: int | None) -> OldOverride | None:
    """The approved request that the old system found first."""
    return next((one for one in old.overrides if one.approved and (one.index, one.discipline) == (index, code)), None)


def said(old: Old, code: str, index: int | None) -> str | None:
    """Who the old system said was on duty in a sprint."""
    if (by_hand := _hand(old, code, index)) is not None:
        return by_hand
    override = _approved(old, code, index) if index is not None else None
    return override.person if override is not None else _turn(old, code, index)


def _rosters(old: Old, code: str, sprints: Sequence[Sprint], team: Team, now: datetime) -> list[Roster]:
    """The order, once, and again at each sprint at which the old numbers do not go on as time does."""
    order = tuple(old.order[code])
    once = tuple(dict.fromkeys(order))
    rotation = Rotation(Kind.SPRINT, team.zone, team.hand_over)
    if not order or not sprints:
        # Where nobody takes turns somebody may still have been put on duty.
        return [Roster(code, 1, sprints[0].starts_at if sprints else now, once, rotation)]
    found: list[Roster] = []
    begun = 0
    for place, (sprint, was) in enumerate(zip(sprints, old.sprints, strict=True)):
        # Whoever stands there twice took turns twice; that ends with the next sprint.
        list_ = once if sprint.starts_at > now else order
        people = found[-1].people if found else ()
        turn = _turn(old, code, was.index)
        counts_on = len(people) == len(list_) < len(order) or turn in {None, _at(people, place - begun)}
        if people and len(people) == len(list_) and counts_on:
            continue
        first = list_.index(turn) if turn in list_ and list_ is once else (was.index or 0) % len(list_)
        found.append(Roster(code, len(found) + 1, sprint.starts_at, (*list_[first:], *list_[:first]), rotation))
        begun = place
    return found


def _at(people: Sequence[str], place: int) -> str | None:
    return people[place % len(people)] if people else None


def _requests(old: Old, sprints: Sequence[Sprint], fates: Fates, now: datetime) -> list[Request]:
    """The requests with what became of them, and those that pin down what was set by hand."""
    by_index: defaultdict[int | None, list[Sprint]] = defaultdict(list)
    for sprint, was in zip(sprints, old.sprints, strict=True):
        by_index[was.index].append(sprint)
    by_index.pop(None, None)
    active = {(one.person, one.discipline) for one in old.members if one.active}
    found = _by_hand(old, by_index, fates)
    for one in old.overrides:
        places = by_index.get(one.index, [])
        if not places:
            fates.tell("overrides", one.place, LEFT_OUT, NO_SPRINT)
        for number, sprint in enumerate(places):
            state, why = _decided(old, one, over=sprint.ends_at <= now)
            fates.tell("overrides", one.place, MERGED if state is None else ADDED, *filter(None, [why]))
            if state is not None:
                found.append(_request(one, sprint, state, why, f"{one.key} {number}" if number else one.key))
        if places and (one.person, one.discipline) not in active:
            fates.remark("overrides", one.place, STOOD_IN)
    return found


def _decided(old: Old, one: OldOverride, *, over: bool) -> tuple[str | None, str]:
    """What became of a request, and why if that is not what it says; None is that it is there already."""
    if one.approved:
        first = _approved(old, one.discipline, one.index) or one
        if first is one:
            by_hand = _hand(old, one.discipline, one.index)
            return ("withdrawn", BY_STATE) if by_hand not in {None, one.person} else ("approved", "")
        return (None, ASKED_TWICE) if first.person == one.person else ("withdrawn", HELD_ANOTHER)
    slot = (one.index, one.discipline)
    waiting = (two for two in old.overrides if not two.approved and (two.index, two.discipline) == slot)
    first = next(waiting, one)
    if first is not one:
        is_same = (first.person, first.asked_by) == (one.person, one.asked_by)
        return (None, ASKED_TWICE) if is_same else ("withdrawn", WAITS_ANOTHER)
    return ("expired", OVER) if over else ("pending", "")


def _request(one: OldOverride, sprint: Sprint, state: str, note: str, key: str) -> Request:
    at = one.approved_at or one.made_at
    decided = (one.approved_by or None, at) if one.approved else (None, None)
    return Request(
        sprint, one.discipline, one.person, state, one.asked_by, key, one.instead_of, *decided, one.made_at, note=note
    )


def _hand(old: Old, code: str, index: int | None) -> str | None:
    """Who the kept state had on duty in a sprint."""
    return old.state.on_duty.get(code) if old.state is not None and old.state.index == index else None


def _by_hand(old: Old, by_index: Mapping[int | None, Sequence[Sprint]], fates: Fates) -> list[Request]:
    """What the kept state says otherwise than the count and the requests do."""
    if old.state is None:
        return []
    index, place = old.state.index, old.state.place
    sprints = by_index.get(index, ())
    if not sprints:
        fates.tell("current_state", place, LEFT_OUT, NO_SPRINT)
    found = []
    for code, person in old.state.on_duty.items():
        override = _approved(old, code, index)
        usual = override.person if override is not None else _turn(old, code, index)
        if person is None and usual is not None and sprints:
            fates.remark("current_state", place, NOBODY_BY_HAND)
        elif person not in {None, usual}:
            found += [
                Request(sprint, code, str(person), "approved", "legacy", f"current_state {code} {number}",
                        _turn(old, code, index), "legacy", reason=BY_HAND)
                for number, sprint in enumerate(sprints)
            ]  # fmt: skip
    return found


def _memberships(
    old: Old, requests: Sequence[Request], sprints: Sequence[Sprint], now: datetime
) -> tuple[Membership, ...]:
    """Who belonged to what and when: from the first sprint on, and for as long as they stood in for somebody."""
    start = min([now, *(one.starts_at for one in sprints)])
    spans: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
    for one in old.members:
        left = now if one.left_at is None else min(one.left_at, now)
        span = (start, FOR_EVER) if one.active else (min(start, left - A_DAY), left)
        spans[one.discipline, one.person].append(span)
    for asked in requests:
        if asked.state == "approved":
            spans[asked.discipline, asked.person].append((asked.sprint.starts_at, asked.sprint.ends_at))
    return tuple(
        Membership(code, person, since, None if until == FOR_EVER else until)
        for (code, person), some in sorted(spans.items())
        for since, until in Spans(some).spans
    )


def _held_against(old: Old, facts: Facts, now: datetime) -> tuple[int, list[Unlike]]:
    """Each sprint's duties by our rules against what the old system said, at its beginning and at its end."""
    schedule = prepare(facts)
    compared, unlike = 0, []
    for sprint, was in zip(facts.sprints, old.sprints, strict=True):
        for code, order in old.order.items():
            if was.index is None or (sprint.starts_at > now and len(set(order)) < len(order)):
                continue
            told = said(old, code, was.index)
            ours = [who(schedule, code, at).person for at in (sprint.starts_at, sprint.ends_at - A_SECOND)]
            compared += 1
            unlike += [Unlike(sprint.name, code, told, one) for one in dict.fromkeys(ours) if one != told]
    return compared, unlike
