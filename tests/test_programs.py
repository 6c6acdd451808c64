"""A test that could not run never looks like one that passed, where all of them must run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import programs
from tests.architecture.sources import ROOT


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    missing = tmp_path / "chromium"
    monkeypatch.setitem(programs.PROGRAMS, "chromium", missing)
    return missing


def test_a_program_that_is_missing_fails_the_test_where_all_must_run(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(programs.ALL, "1")
    with pytest.raises(pytest.fail.Exception, match=str(nowhere)):
        programs.require("chromium")


def test_elsewhere_the_test_is_skipped_and_says_why(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(programs.ALL, raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"there is no {nowhere}"):
        programs.require("chromium")


def test_what_runs_before_a_change_lands_runs_all() -> None:
    assert f"export {programs.ALL}=1" in (ROOT / ".ci" / "run").read_text("utf-8")
