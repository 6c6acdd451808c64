"""The hour of the nightly sync in the projects file: what it may be, and where a mistake stands."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from tallybook.core.errors import WrongSetup
from tallybook.projects_file import read_projects_file


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", time(20)),
        ("[monitor.sharepoint]\n", time(20)),
        ('[monitor.sharepoint]\nat = "06:30"\n', time(6, 30)),
        ("[monitor.sharepoint]\nat = 21:15:00\n", time(21, 15)),
    ],
)
def test_the_hour_is_eight_in_the_evening_unless_the_file_says_otherwise(text: str, at: time, tmp_path: Path) -> None:
    (tmp_path / "tallybook.toml").write_text(f"[monitor]\n{text}")
    assert read_projects_file(tmp_path / "tallybook.toml").monitor.sharepoint.at == at


@pytest.mark.parametrize("value", ['"25:00"', '"tonight"', "20", '"20:00:30"', '"20:00+02:00"', "true"])
def test_an_hour_that_is_none_is_told_with_its_line(value: str, tmp_path: Path) -> None:
    (tmp_path / "tallybook.toml").write_text(f"[monitor]\n\n[monitor.sharepoint]\nat = {value}\n")
    with pytest.raises(WrongSetup) as wrong:
        read_projects_file(tmp_path / "tallybook.toml")
    assert wrong.value.message == 'tallybook.toml line 4: at must be a time of day such as "20:00".'


def test_an_unknown_key_and_a_wrong_shape_are_told(tmp_path: Path) -> None:
    (tmp_path / "tallybook.toml").write_text('[monitor.sharepoint]\nhour = "20:00"\n')
    with pytest.raises(WrongSetup, match="line 2: hour is not known here; the nearest is at"):
        read_projects_file(tmp_path / "tallybook.toml")
    (tmp_path / "tallybook.toml").write_text("[monitor]\nsharepoint = true\n")
    with pytest.raises(WrongSetup, match="sharepoint must be a table"):
        read_projects_file(tmp_path / "tallybook.toml")
