"""The ``oncall`` package's scheduler and calendars, without its server and its tables. Absent where not installed.

``uv sync --inexact --group bench`` installs it; ``pyproject.toml`` says of it only what these two need. All that reads
or writes a table reads or writes memory here, which costs next to nothing: its MySQL is given to it.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from datetime import datetime
from typing import Any

ABSENT = "not installed: uv sync --inexact --group bench"
WEEK = 7 * 24 * 3600
MONDAY_AT_EIGHT = (24 + 8) * 3600  # seconds of its week, which begins on Sunday
DAYS_AHEAD = 365
PEOPLE = range(1, 6)  # a zero is nobody to it
Span = tuple[int, int]


def is_there() -> bool:
    return importlib.util.find_spec("oncall") is not None


class Connection:
    """What it commits to, and what it asks for a name."""

    asked: object = ()

    def commit(self) -> None:
        """Nothing is open."""

    def cursor(self, *_: object) -> Connection:
        return self

    def execute(self, *told: object) -> None:
        self.asked = told[-1]

    def __iter__(self) -> Any:
        return iter([{"full_name": f"Person {self.asked}"}])

    def close(self) -> None:
        """Nor is this."""


class Teams:
    """So many teams of five people who take weeks in turn, as its scheduler makes a year of them."""

    def __init__(self, zones: Sequence[str]) -> None:
        self.zones = zones
        self._class = _in_memory()

    def year(self) -> list[list[Span]]:
        """The turns of each team, in seconds since 1970, made anew: what is timed."""
        found = []
        for number, zone in enumerate(self.zones):
            scheduler = self._class()
            schedule = {
                "id": number, "team_id": number, "role_id": 1, "roster_id": number,
                "auto_populate_threshold": DAYS_AHEAD, "events": [{"start": MONDAY_AT_EIGHT, "duration": WEEK}],
            }  # fmt: skip
            scheduler.schedule({"id": number, "scheduling_timezone": zone}, [schedule], (Connection(), None))
            found.append(scheduler.made)
        return found


def _in_memory() -> Any:
    """Its default scheduler, with what it calls its interactions with the database done in memory."""
    theirs = importlib.import_module("oncall.scheduler.default").Scheduler

    class InMemory(theirs):
        def __init__(self) -> None:
            self.made: list[Span] = []
            self.ended: dict[int, int] = {}

        def get_schedule_last_epoch(self, *_: Any) -> None:
            return None

        def set_last_epoch(self, *_: Any) -> None:
            pass

        def get_roster_user_ids(self, *_: Any) -> range:
            return PEOPLE

        def get_busy_user_by_event_range(self, *_: Any) -> tuple[()]:
            return ()

        def find_new_user_in_roster(self, *_: Any) -> set[int]:
            return set(PEOPLE) - self.ended.keys()

        def find_least_active_user_id_by_team(self, *_: Any) -> int:
            return min(self.ended, key=self.ended.__getitem__)

        def create_events(self, _team: int, _schedule: int, user: int, events: Any, *_: Any) -> None:
            self.made += [(event["start"], event["end"]) for event in events]
            self.ended[user] = events[-1]["end"]

    return InMemory


def calendar(shifts: Sequence[tuple[str, datetime, datetime]]) -> bytes:
    """Its calendar of these people's shifts."""
    importlib.import_module("oncall.db").connect = Connection
    write = importlib.import_module("oncall.api.v0.ical").events_to_ical
    events = [
        {
            "id": number, "user": person, "team": "Team", "role": "primary",
            "start": since.timestamp(), "end": until.timestamp(),
        }
        for number, (person, since, until) in enumerate(shifts)
    ]  # fmt: skip
    body: bytes = write(events, "Team", contact=False)
    return body
