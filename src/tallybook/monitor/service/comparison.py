"""A supervisor's list against the registers: in both, only in the file, only in the database. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from tallybook.monitor import rules
from tallybook.monitor.store.reconcile import Held
from tallybook.monitor.types import Kind, Project

from .supervisor_list import UNKNOWN_PROJECT, Entry, Repeat, SupervisorList, Unread

Place = tuple[Kind, str]  # the register, and the drop space or the marketing project within which a drop counts once


class Both(msgspec.Struct, frozen=True):
    """A line whose drop is in the database, and on which business days and in which projects it was posted there."""

    entry: Entry
    days: list[date]
    projects: list[str]

    @property
    def same_day(self) -> bool:
        return self.entry.day in self.days

    @property
    def same_project(self) -> bool:
        return self.entry.project in self.projects


class OnlyFile(msgspec.Struct, frozen=True):
    """A line whose drop the database does not have. ``refused``: it was posted, and not taken."""

    entry: Entry
    refused: bool


class OnlyDatabase(msgspec.Struct, frozen=True):
    """A drop that was posted in a project on a day which the list names, and is not on the list."""

    project: str
    drop_number: str
    day: date
    said_at: datetime


class Comparison(msgspec.Struct, frozen=True):
    """The three parts, and what of the file could not be used or was said twice. Nothing of a file is left out."""

    both: list[Both]
    only_file: list[OnlyFile]
    only_database: list[OnlyDatabase]
    repeats: list[Repeat]
    unread: list[Unread]

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in self.__struct_fields__}

    @property
    def addable(self) -> list[Entry]:
        """The lines that adding the missing would add."""
        return [line.entry for line in self.only_file]


def place_of(project: Project) -> Place:
    """Where the project's drops count once."""
    return (Kind.QA, project.space) if project.kind is Kind.QA else (Kind.MARKETING, project.name)


def compare(
    read: SupervisorList,
    projects: Mapping[str, Project],
    known: Iterable[Held],
    posted: Iterable[Held],
    refused: set[tuple[str, str]],
    zone: ZoneInfo,
) -> Comparison:
    """Compares a list with the registers.

    ``projects`` are the watched ones by name, ``known`` what is held of the list's drops, ``posted`` what was posted on
    its days, ``refused`` the (project, drop number) that no list had.
    """
    entries = [entry for entry in read.entries if entry.project in projects]
    gone = [Unread(e.sheet, e.row, UNKNOWN_PROJECT, e.project) for e in read.entries if e.project not in projects]
    held: dict[tuple[Place, str], list[Held]] = defaultdict(list)
    for one in known:
        held[(one.register, one.space or one.project), one.drop_number].append(one)
    both, missing = [], []
    for entry in entries:
        found = held.get((place_of(projects[entry.project]), entry.drop_number))
        if found:
            days = sorted({rules.business_date(at, zone) for one in found for at in one.said_at})
            both.append(Both(entry, days, sorted({one.project for one in found})))
        else:
            missing.append(OnlyFile(entry, (entry.project, entry.drop_number) in refused))
    return Comparison(
        both, missing, only_there(entries, projects, posted, zone), read.repeats, sorted_lines([*read.unread, *gone])
    )


def only_there(
    entries: Sequence[Entry], projects: Mapping[str, Project], posted: Iterable[Held], zone: ZoneInfo
) -> list[OnlyDatabase]:
    """What was posted in a project on a day that the list names for it, and is nowhere on the list."""
    listed = {(place_of(projects[entry.project]), entry.drop_number) for entry in entries}
    covered = {(entry.project, entry.day) for entry in entries}
    found = []
    for one in posted:
        if ((one.register, one.space or one.project), one.drop_number) in listed:
            continue
        first = next((at for at in one.said_at if (one.project, rules.business_date(at, zone)) in covered), None)
        if first is not None:
            found.append(OnlyDatabase(one.project, one.drop_number, rules.business_date(first, zone), first))
    return sorted(found, key=lambda line: (line.project, line.said_at, line.drop_number))


def sorted_lines(unread: Iterable[Unread]) -> list[Unread]:
    return sorted(unread, key=lambda line: (line.sheet, line.row))
