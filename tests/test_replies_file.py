"""What the projects file says of replies, and each mistake in it with its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tallybook.channels.bridge.sender import LIMITS
from tallybook.core.errors import WrongSetup
from tallybook.core.rates import Limit, Limits
from tallybook.monitor.reply_types import Manner
from tallybook.projects_file import read_projects_file
from tallybook.replies_file import RepliesEntry

HEAD = '[monitor]\ntime_zone = "Africa/Johannesburg"\n\n[monitor.replies]\n'


def replies(folder: Path, text: str) -> RepliesEntry:
    path = folder / "tallybook.toml"
    path.write_text(text, encoding="utf-8")
    return read_projects_file(path).monitor.replies


@pytest.mark.parametrize("text", ["", HEAD], ids=["no table", "an empty one"])
def test_what_is_not_said_is_as_usual(tmp_path: Path, text: str) -> None:
    assert replies(tmp_path, text) == RepliesEntry(Manner(enabled=True, max_age=timedelta(minutes=10)), LIMITS)


def test_each_limit_can_be_said(tmp_path: Path) -> None:
    told = replies(
        tmp_path,
        HEAD + "enabled = false\nmax_age_minutes = 1.5\nper_minute = 1\nper_hour = 10\nper_day = 50\n"
        "cooldown_minutes = 0\ngrace_minutes = 2\n",
    )
    assert told.manner == Manner(enabled=False, max_age=timedelta(seconds=90))
    assert told.limits == Limits((Limit(1, 60), Limit(10, 3600), Limit(50, 86_400)), 0, 120)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("enabled = 1", "line 5: enabled must be true or false."),
        ("max_age_minutes = -1", "line 5: max_age_minutes must be a number of minutes from 0 to 1440."),
        ("grace_minutes = true", "line 5: grace_minutes must be a number of minutes from 0 to 1440."),
        ("per_minute = 0", "line 5: per_minute must be a whole number from 1 to 10000."),
        ("per_day = 2.5", "line 5: per_day must be a whole number from 1 to 10000."),
        ("per_week = 1", "line 5: per_week is not known here"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(WrongSetup, match=says.replace(".", r"\.")):
        replies(tmp_path, f"{HEAD}{line}\n")


def test_it_must_be_a_table(tmp_path: Path) -> None:
    with pytest.raises(WrongSetup, match=r"line 2: replies must be a table, written as \[monitor.replies\]"):
        replies(tmp_path, "[monitor]\nreplies = false\n")
