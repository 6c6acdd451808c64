"""What no file may hold: real people's numbers, passwords, places that mean nothing to a stranger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

FOLDERS = ("src", "tests", "docs", "bench", ".ci")
ENDINGS = frozenset({
    "", ".cfg", ".css", ".html", ".js", ".json", ".md", ".mjs", ".po", ".py", ".sql", ".toml", ".yaml", ".yml",
})  # fmt: skip
# Made by machines, and full of addresses and numbers that are nobody's.
MADE = frozenset({"uv.lock", "package-lock.json"})
BUILT = frozenset({"dist", "node_modules", "__pycache__"})

# Numbers that telephone plans keep for examples, or that no plan has: a fictional South African series, the 555-01 of
# North America, an Israeli series of zeros, and a country code that is not given out.
EXAMPLES = re.compile(r"278200000\d{0,2}|1\d{3}55501\d\d|97250000000\d|999\d+")
NUMBERS = re.compile(r"(?<![\w.+/-])\+?(?:27|972)[ -]?\d{2}[ -]?\d{3}[ -]?\d{4}(?![\w.])|(?<!\w)\+[1-9]\d{7,14}(?!\w)")

# Written so that this file does not hold what it looks for.
FORBIDDEN = {
    "a number of somebody's list": r"(?<![&\w(])#\d{1,4}\b(?!;)|\bissues? \d+\b",
    "a folder of one machine": r"(?<![\w.])/(?:work|home/\w+|Users)/|(?<!\.\./)\bshare"
    r"d/(?:seeds|reference|design)",
    "how it was written": r"\bA" + r"I\b|\b(?:Clau" + r"de|Chat" + r"GPT|Copi" + r"lot|Anthro" + r"pic)\b",
    "an address with a password": r"postgres(?:ql)?://[\w.-]+:(?![$%{<…*])[^@\s\"'`]+@(?!/)",
    "a key": r"-----BEGIN [A-Z ]*PRIVATE KEY|\bxox[abp]-\d|\bAKIA[0-9A-Z]{16}\b",
}


def texts() -> Iterator[Path]:
    """Every file that people write."""
    places = [ROOT / folder for folder in FOLDERS]
    files = [path for path in ROOT.iterdir() if path.is_file()]
    for path in [*files, *(path for place in places for path in place.rglob("*") if path.is_file())]:
        if path.suffix in ENDINGS and path.name not in MADE and not BUILT & set(path.parts):
            yield path


FILES = {str(path.relative_to(ROOT)): path.read_text("utf-8", "replace") for path in texts()}


def test_the_files_are_found() -> None:
    assert {"README.md", "Makefile", "compose.yaml", "src/tallybook/app.py", "docs/failures.md"} <= FILES.keys()


def test_every_phone_number_is_one_kept_for_examples() -> None:
    """A number that rings somewhere belongs to somebody who did not ask to stand in a repository."""
    real = [
        f"{path}: {found}"
        for path, text in FILES.items()
        for found in NUMBERS.findall(text)
        if not EXAMPLES.fullmatch(re.sub(r"\D", "", found))
    ]
    assert real == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in FILES.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line) and not _meant(what, path)
    ]
    assert found == []


def _meant(what: str, path: str) -> bool:
    """Colours look like numbers of a list; tests hold passwords that open nothing."""
    if what == "a number of somebody's list":
        return path.endswith((".css", ".html", ".js"))
    return what == "an address with a password" and path.startswith("tests/")
