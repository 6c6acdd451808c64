"""The benchmarks run and say their figures. How fast it is, is not asserted here, since the machine is shared.

But for how long the doctor looks at 500 tables, which is promised in seconds.
"""

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
REPORTS = Path(__file__).parents[2] / "bench" / "reports"


MONITOR = [
    "catch-up", "the same", "memory of the scanning process", "idle poll", "jobs done in a second",
    "every day counted once", "the dashboard", "the list of any day", *STATISTICS, "marketing", "all rows as CSV",
]  # fmt: skip
DOOR = ["webhooks kept in a second", "the same", "answered", "updates kept in a second"]
INBOX = ["messages filed in a second", "the same", "a burst of a minute", "all threads", "unread threads"]
ROTA = [
    "who is on duty", "each answer", "putting their facts in order", "a year's schedule of 5 teams", "the same",
    "the calendar of a year", "Slack answered",
]  # fmt: skip
DOCTOR = ["a look", "and", "faults found", "harmless differences called faults"]


def said_by(folder: Path, *parts: str, tables: int = 20) -> list[Any]:
    """What the command says, a line for each part, which leaves the committed reports alone."""
    before = reports()
    done = subprocess.run(
        [
            sys.executable, "-m", "tallybook", "bench", *parts, "--messages", "5000", "--reviews", "1000",
            "--webhooks", "1000", "--talks", "50000", "--rota", "10", "--tables", str(tables), "--json",
        ],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert reports() == before
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(figure["ours"] for part in said for figure in part["figures"])
    return said


def reports() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in REPORTS.glob("*.md")}


def named(said: Any) -> dict[str, Any]:
    return {figure["what"].split(",")[0].split(" at ")[0]: figure for figure in said["figures"]}


@pytest.mark.soak
def test_every_figure_stands_beside_its_baseline(tmp_path: Path) -> None:
    (said,) = said_by(tmp_path, "monitor")
    assert any("PostgreSQL 18" in fact and "fsync" in fact for fact in said["machine"])
    figures = named(said)
    assert list(figures) == MONITOR
    compared = ["catch-up", "the same", "idle poll", "jobs done in a second", *STATISTICS]
    assert all(figures[name]["ratio"] > 0 for name in compared)
    assert "1,000 drops" in said["figures"][0]["what"]


@pytest.mark.soak
def test_so_do_those_of_the_inbox_and_of_the_rota(tmp_path: Path) -> None:
    door, inbox, rota = (named(said) for said in said_by(tmp_path, "door", "inbox", "rota"))
    assert (list(door), list(inbox), list(rota)) == (DOOR, INBOX, ROTA)
    assert door["webhooks kept in a second"]["ratio"] > 0
    assert inbox["messages filed in a second"]["ratio"] > 0
    assert all(rota[name]["ratio"] > 0 for name in ("who is on duty", "Slack answered"))


@pytest.mark.soak
def test_so_do_those_of_the_doctor_who_finds_what_its_peers_find_and_more(tmp_path: Path) -> None:
    (said,) = said_by(tmp_path, "doctor", tables=500)
    figures = named(said)
    assert list(figures)[: len(DOCTOR)] == DOCTOR
    assert figures["faults found"]["met"]
    assert figures["harmless differences called faults"]["met"]
    assert figures["stories found"]["met"]
    assert "500 tables" in said["figures"][0]["what"]
    assert [figures[name]["bar"] for name in ("a look", "and")] == ["< 2 s", "< 2 s"]
    assert figures["a look"]["met"], figures["a look"]["ours"]
    assert figures["and"]["met"], figures["and"]["ours"]


def test_without_the_source_tree_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    with pytest.raises(WrongSetup, match="run this from a checkout"):
        bench.bench()
