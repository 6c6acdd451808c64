"""That the database is away is told whatever else goes wrong on that machine: its disk, its clock, its mail."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallybook.core import outage_alarm
from tallybook.core.alarm_letters import MAIL, Target
from tallybook.core.alarms import Terms
from tallybook.core.channel import Unreachable
from tallybook.core.messages import Outgoing
from tallybook.core.outage_alarm import Kept, Telling

NOON = datetime(2025, 12, 2, 12, tzinfo=UTC)
EVERY = 10  # seconds


class Line:
    """A way to people that may be broken; what came through stands in ``said``."""

    def __init__(self, *to: str) -> None:
        self.is_up, self.said, self.refuses = True, [], frozenset[str]()
        self._targets = [Target(MAIL, one) for one in to or ("ana@example.org",)]
        self.telling = Telling(None, self._targets, self._written, self._send, self._keep)

    @staticmethod
    def _written(kept: Kept, target: Target) -> Outgoing:
        return Outgoing(MAIL, "alarms", target.to, f"{kept.event}:{target.to}", {"event": kept.event})

    async def _send(self, outgoing: Outgoing) -> str:
        if not self.is_up or outgoing.to in self.refuses:
            raise Unreachable("no network")
        self.said.append((outgoing.body["event"], outgoing.to.partition("@")[0]))
        return "sent"

    async def _keep(self, kept: Kept) -> None:
        assert kept.ended_at is not None


async def lived(path: Path, seconds: Iterable[int], line: Line, *, away: bool, terms: Terms | None = None) -> None:
    for second in seconds:
        at = NOON + timedelta(seconds=second)
        await outage_alarm.look(path, at, terms or Terms(), away=away, telling=line.telling)


@pytest.mark.parametrize("minutes", [5, 20, 60, 120])
async def test_an_outage_with_the_mail_gone_too_is_told_once_both_are_back(tmp_path: Path, minutes: int) -> None:
    line, path = Line(), tmp_path / "away.json"
    line.is_up = False
    await lived(path, range(0, minutes * 60, EVERY), line, away=True)
    line.is_up = True
    await lived(path, range(minutes * 60, minutes * 60 + 3600, EVERY), line, away=False)
    assert line.said == [("begun", "ana"), ("ended", "ana")]


async def test_who_never_heard_that_it_began_hears_at_its_end_what_there_was(tmp_path: Path) -> None:
    line, path = Line("ana@example.org", "bia@example.org"), tmp_path / "away.json"
    line.refuses = frozenset({"bia@example.org"})
    await lived(path, range(0, 1800, EVERY), line, away=True)
    await lived(path, range(1800, 3000, EVERY), line, away=False)
    line.refuses = frozenset()
    await lived(path, range(3000, 4200, EVERY), line, away=False)
    assert line.said == [("begun", "ana"), ("ended", "ana"), ("ended", "bia")]


async def test_a_full_disk_keeps_nobody_from_being_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line, path = Line(), tmp_path / "away.json"

    def full(_: Path, __: Kept) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outage_alarm, "write", full)
    await lived(path, range(0, 1800, EVERY), line, away=True)
    assert line.said == [("begun", "ana")]
    monkeypatch.undo()
    await lived(path, range(1800, 3600, EVERY), line, away=False)
    assert line.said == [("begun", "ana"), ("ended", "ana")]
    assert json.loads(path.read_text())["alarm"]["state"] == "well"


async def test_a_folder_that_cannot_be_had_keeps_nobody_from_being_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = Line()
    await lived(tmp_path / "file" / "away.json", range(0, 600, EVERY), line, away=True)
    assert line.said == [("begun", "ana")]


async def test_a_clock_that_is_set_back_puts_nothing_off(tmp_path: Path) -> None:
    line, path = Line(), tmp_path / "away.json"
    line.is_up = False
    await lived(path, [0, 10], line, away=True)
    back = -6 * 3600
    await lived(path, range(back, back + 300, EVERY), line, away=True)
    line.is_up = True
    further = back - 6 * 3600
    await lived(path, range(further, further + 300, EVERY), line, away=True)
    assert line.said == [("begun", "ana")]
    await lived(path, [further + 300], line, away=False)
    end = further - 6 * 3600
    await lived(path, range(end, end + 700, EVERY), line, away=False)
    assert line.said == [("begun", "ana"), ("ended", "ana")]


@pytest.mark.parametrize("away", [False, True], ids=["it had been there", "it had been away"])
async def test_a_look_that_another_has_overtaken_says_nothing_of_what_is_no_longer_so(
    tmp_path: Path, away: bool
) -> None:
    """One process waits for its connections for some seconds, while its neighbour sees the change and tells it."""
    line, path = Line(), tmp_path / "away.json"
    at_once = Terms(patience=timedelta(), quiet=timedelta())
    await lived(path, [0], line, away=True, terms=at_once)
    if away:
        await lived(path, [20, 21], line, away=False, terms=at_once)
    told = [*line.said]
    await lived(path, [-1, -1] if not away else [19], line, away=away, terms=at_once)
    assert line.said == told
    await lived(path, [30, 31], line, away=False, terms=at_once)
    assert line.said == [("begun", "ana"), ("ended", "ana")]
