"""Teams as they are after ten years: people who came and went, rosters, sprints, absences, holidays and overrides."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tallybook.triage.rules_turns import hand_over
from tallybook.triage.types import (
    Absence,
    Discipline,
    Facts,
    Holiday,
    Kind,
    Membership,
    Override,
    Person,
    Roster,
    Rotation,
    Sprint,
    Team,
)

ZONES = (
    "Africa/Johannesburg", "America/Los_Angeles", "America/New_York", "America/Sao_Paulo", "Asia/Jerusalem",
    "Asia/Kolkata", "Australia/Sydney", "Europe/London",
)  # fmt: skip
DISCIPLINES = ("account", "producer", "po", "uiEng", "beEng")
YEARS, ON_ROSTER = 10, 6
DAY, YEAR, SPRINT = timedelta(days=1), timedelta(days=365), timedelta(days=14)
EIGHT = time(8)


def team(number: int, now: datetime) -> Facts:
    """A team of five disciplines, ten years of it behind ``now`` and one ahead.

    In each discipline somebody leaves and somebody joins every year. People are away for five weeks of a year, and
    once in a month somebody stands in for somebody by an approved override.
    """
    made = random.Random(number)
    whole = Team(number, f"Team {number}", ZONES[number % len(ZONES)])
    began = now - YEARS * YEAR
    memberships, rosters = [], []
    for place, code in enumerate(DISCIPLINES):
        came = [_person(number, place, one) for one in range(ON_ROSTER + YEARS)]
        for one, person in enumerate(came):
            since = began + max(0, one - ON_ROSTER + 1) * YEAR
            until = began + (one + 1) * YEAR if one < YEARS else None
            memberships.append(Membership(code, person, since, until))
        rosters += [
            Roster(code, year + 1, began + year * YEAR, tuple(came[year : year + ON_ROSTER]), _rotation(whole, place))
            for year in range(YEARS)
        ]
    people = sorted({one.person for one in memberships})
    return Facts(
        team=whole,
        disciplines=tuple(Discipline(code, code, place) for place, code in enumerate(DISCIPLINES)),
        people=tuple(Person(one, f"Person {one}") for one in people),
        memberships=tuple(memberships),
        rosters=tuple(rosters),
        sprints=tuple(_sprints(whole, began, now + YEAR)),
        absences=tuple(_absences(made, people, began)),
        holidays=tuple(Holiday((began + day * DAY).date(), "A free day") for day in range(5, 365 * (YEARS + 1), 30)),
        overrides=tuple(_overrides(made, memberships, began)),
    )


def _person(team: int, place: int, number: int) -> str:
    return f"U0{team:05}{place}{number:02}"


def _rotation(team: Team, place: int) -> Rotation:
    """By sprints twice, by weeks, by days, and by working days."""
    if place < 2:
        return Rotation(Kind.SPRINT, team.zone)
    if place == 2:
        return Rotation(Kind.WEEKLY, team.zone, days=frozenset({0}))
    if place == 3:
        return Rotation(Kind.DAILY, team.zone)
    return Rotation(Kind.DAILY, team.zone, days=frozenset(range(5)), through=True, rest=True)


def _sprints(team: Team, began: datetime, until: datetime) -> Iterator[Sprint]:
    first: date = began.date()
    number = 0
    while first < until.date():
        last = first + SPRINT
        span = hand_over(first, EIGHT, team.tz), hand_over(last, EIGHT, team.tz)
        yield Sprint(number + 1, number, f"Sp{number + 1}", first, last, *span)
        first, number = last, number + 1


def _absences(made: random.Random, people: list[str], began: datetime) -> Iterator[Absence]:
    for number in range(len(people) * 5 * (YEARS + 1)):
        since = began + made.randrange(365 * (YEARS + 1)) * DAY
        yield Absence(number + 1, people[number % len(people)], since, since + 7 * DAY)


def _overrides(made: random.Random, memberships: list[Membership], began: datetime) -> Iterator[Override]:
    by_code = {code: [one for one in memberships if one.discipline == code] for code in DISCIPLINES}
    for number in range(len(DISCIPLINES) * 12 * YEARS):
        code, month = DISCIPLINES[number % len(DISCIPLINES)], number // len(DISCIPLINES)
        since = began + (month * 30 + made.randrange(25)) * DAY
        there = [one.person for one in by_code[code] if one.since <= since and (one.until or since) >= since]
        yield Override(number + 1, code, made.choice(there), since, since + made.randrange(1, 4) * DAY)


def weekly(number: int, since: date) -> Facts:
    """A new team of five people who take weeks in turn, from Mondays at eight, from a day on."""
    zone = ZONES[number % len(ZONES)]
    people = tuple(_person(number, 0, place) for place in range(5))
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    begins = datetime.combine(since, time(0), ZoneInfo(zone)).astimezone(UTC)
    return Facts(
        team=Team(number, f"Team {number}", zone),
        disciplines=(Discipline("uiEng", "UI"),),
        people=tuple(Person(one, f"Person {one}") for one in people),
        memberships=tuple(Membership("uiEng", one, long_ago) for one in people),
        rosters=(Roster("uiEng", 1, begins, people, Rotation(Kind.WEEKLY, zone, days=frozenset({0}))),),
    )
