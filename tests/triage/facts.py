"""A team and its facts, for tests of the rules: plain functions, each taking what should be different."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tallybook.triage.rules_turns import hand_over
from tallybook.triage.types import (
    Absence,
    Discipline,
    Facts,
    Kind,
    Membership,
    Override,
    Person,
    Roster,
    Rotation,
    Sprint,
    Team,
)

ZONE = "America/Los_Angeles"
LONG_AGO = datetime(1980, 1, 1, tzinfo=UTC)
TEAM = Team(1, "Web", ZONE)
ANA, BEN, CHEN, DINA = "UANA", "UBEN", "UCHEN", "UDINA"
NAMES = {ANA: "Ana", BEN: "Ben", CHEN: "Chen", DINA: "Dina"}
UI, BE = Discipline("uiEng", "UI engineering", 3), Discipline("beEng", "Back end", 4)


def at(text: str) -> datetime:
    """A moment, by the clocks of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def sprints(count: int = 6, first: date = date(2026, 1, 5), days: int = 14, zone: str = ZONE) -> tuple[Sprint, ...]:
    """Sprints that follow each other, each beginning on the day on which the one before ends."""
    found = []
    for number in range(count):
        begins, ends = first + timedelta(days * number), first + timedelta(days * (number + 1))
        moments = [hand_over(day, time(8), TEAM.tz if zone == ZONE else Team(1, "", zone).tz) for day in (begins, ends)]
        found.append(Sprint(number + 1, number, f"Sp{number + 1}", begins, ends, moments[0], moments[1]))
    return tuple(found)


def rotation(kind: Kind = Kind.SPRINT, **values: Any) -> Rotation:
    return Rotation(kind, **({"zone": ZONE} | values))


def roster(
    people: Sequence[str] = (ANA, BEN, CHEN),
    since: datetime = LONG_AGO,
    number: int = 1,
    code: str = "uiEng",
    **values: Any,
) -> Roster:
    return Roster(code, number, since, tuple(people), rotation(**values))


def members(*people: str, code: str = "uiEng", since: datetime = LONG_AGO) -> tuple[Membership, ...]:
    return tuple(Membership(code, one, since) for one in people)


def away(person: str, since: str, until: str, number: int = 1) -> Absence:
    return Absence(number, person, at(since), at(until))


def override(person: str, since: str, until: str, number: int = 1, **values: Any) -> Override:
    return Override(number, values.pop("code", "uiEng"), person, at(since), at(until), **values)


def facts(**values: Any) -> Facts:
    """Ana, Ben and Chen take sprints in turn from January 2026 on; Dina belongs to the discipline, too."""
    usual = {
        "team": TEAM,
        "disciplines": (UI,),
        "people": tuple(Person(key, name) for key, name in NAMES.items()),
        "memberships": members(ANA, BEN, CHEN, DINA),
        "rosters": (roster(),),
        "sprints": sprints(),
    }
    return Facts(**(usual | values))
