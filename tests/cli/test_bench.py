"""The benchmarks run and say their figures. How fast it is, is never asserted here: the machine is shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tallybook.cli import bench
from tallybook.core.errors import WrongSetup

STATISTICS = ("a year's statistics", "thirty days' statistics")
REPORT = Path(__file__).parents[2] / "bench" / "REPORT.md"


MONITOR = [
    "catch-up", "the same", "memory of the scanning process", "idle poll", "jobs done in a second",
    "every day counted once", "the dashboard", "the list of any day", *STATISTICS, "marketing", "all rows as CSV",
]  # fmt: skip
INBOX = [
    "webhooks kept in a second", "answered", "updates kept in a second", "messages filed in a second",
    "a burst of a minute", "all threads", "unread threads",
]  # fmt: skip
ROTA = [
    "who is on duty", "each answer", "putting their facts in order", "a year's schedule of 5 teams", "the same",
    "the calendar of a year", "Slack answered",
]  # fmt: skip


def said_by(folder: Path, webhooks: int, talks: int, rota: int) -> Any:
    """What the command says, which leaves the committed report alone."""
    before = REPORT.read_bytes() if REPORT.exists() else None
    done = subprocess.run(
        [
            sys.executable, "-m", "tallybook", "bench", "--messages", "5000", "--reviews", "1000",
            "--webhooks", str(webhooks), "--talks", str(talks), "--rota", str(rota), "--json",
        ],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert (REPORT.read_bytes() if REPORT.exists() else None) == before
    said = json.loads(done.stdout)
    assert all(figure["ours"] for figure in said["figures"])
    return said


def named(said: Any) -> dict[str, Any]:
    return {figure["what"].split(",")[0].split(" at ")[0]: figure for figure in said["figures"]}


@pytest.mark.soak
def test_every_figure_stands_beside_its_baseline(tmp_path: Path) -> None:
    said = said_by(tmp_path, 0, 0, 0)
    assert any("PostgreSQL 18" in fact and "fsync on" in fact for fact in said["machine"])
    figures = named(said)
    assert list(figures) == MONITOR
    compared = ["catch-up", "the same", "idle poll", "jobs done in a second", *STATISTICS]
    assert all(figures[name]["ratio"] > 0 for name in compared)
    assert "1,000 drops" in said["figures"][0]["what"]


@pytest.mark.soak
def test_so_do_those_of_the_inbox_and_of_the_rota(tmp_path: Path) -> None:
    figures = named(said_by(tmp_path, 1_000, 50_000, 10))
    assert list(figures) == list(dict.fromkeys([*MONITOR, *INBOX, *ROTA]))
    compared = ["webhooks kept in a second", "messages filed in a second", "who is on duty", "Slack answered"]
    assert all(figures[name]["ratio"] > 0 for name in compared)


def test_without_the_source_tree_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    with pytest.raises(WrongSetup, match="run this from a checkout"):
        bench.bench()
