"""How near to a post a photo counts: as the projects file says now, without a restart."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tallybook import photo_link
from tallybook.core.errors import WrongSetup
from tallybook.projects_file import read_projects_file
from tallybook.settings import Settings


def settings(folder: Path, text: str) -> Settings:
    path = folder / "tallybook.toml"
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(len(text), len(text)))  # a file that changed has another time, also on a coarse clock
    return Settings.load({"TALLYBOOK_CONFIG": str(path)}, folder)


def test_the_minutes_are_those_of_the_file_and_ten_where_it_says_nothing_or_is_wrong(tmp_path: Path) -> None:
    assert photo_link.within(Settings.load({}, tmp_path)) == timedelta(minutes=10)
    assert photo_link.within(settings(tmp_path, "[monitor]\nphoto_minutes = 3\n")) == timedelta(minutes=3)
    assert photo_link.within(settings(tmp_path, "[monitor]\nphoto_minutes = 25\n")) == timedelta(minutes=25)
    assert photo_link.within(settings(tmp_path, "[monitor]\nphoto_minutes = 'few'\n")) == timedelta(minutes=10)


@pytest.mark.parametrize("value", ["-1", "1.5", "true", "'ten'", "1441"])
def test_minutes_that_mean_nothing_are_told_with_their_line(tmp_path: Path, value: str) -> None:
    path = tmp_path / "tallybook.toml"
    path.write_text(f"[monitor]\nphoto_minutes = {value}\n", encoding="utf-8")
    with pytest.raises(WrongSetup, match=r"line 2: .*photo_minutes must be a whole number of minutes"):
        read_projects_file(path)
