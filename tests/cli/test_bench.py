"""The benchmarks run and say their figures. How fast it is, is never asserted here: the machine is shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tallybook.cli import bench
from tallybook.core.errors import WrongSetup

STATISTICS = ("a year's statistics", "thirty days' statistics")
REPORT = Path(__file__).parents[2] / "bench" / "REPORT.md"


def test_every_figure_stands_beside_its_baseline(tmp_path: Path) -> None:
    before = REPORT.read_bytes() if REPORT.exists() else None
    done = subprocess.run(
        [sys.executable, "-m", "tallybook", "bench", "--messages", "5000", "--reviews", "1000", "--json"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert any("PostgreSQL 18" in fact and "fsync on" in fact for fact in said["machine"])
    figures = {figure["what"].split(",")[0].split(" at ")[0]: figure for figure in said["figures"]}
    compared = ["catch-up", "the same", "idle poll", "jobs done in a second", *STATISTICS]
    assert list(figures) == [
        "catch-up", "the same", "memory of the scanning process", "idle poll", "jobs done in a second",
        "every day counted once", "the dashboard", "the list of any day", *STATISTICS, "marketing", "all rows as CSV",
    ]  # fmt: skip
    assert all(figures[name]["ratio"] > 0 for name in compared)
    assert all(figure["ours"] for figure in figures.values())
    assert "1,000 drops" in said["figures"][0]["what"]
    assert (REPORT.read_bytes() if REPORT.exists() else None) == before


def test_without_the_source_tree_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    with pytest.raises(WrongSetup, match="run this from a checkout"):
        bench.bench()
