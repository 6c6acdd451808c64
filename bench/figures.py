"""The figures: each a measure beside its baseline, and the bar it is held against."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psycopg
from sample import Sample

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


def machine(sample: Sample) -> list[str]:
    """What it ran on, in sentences."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    with psycopg.connect(sample.superuser) as conn:
        server = conn.info.server_version
        facts = [
            f"{name} {conn.execute('select current_setting(%s)', (name,)).fetchone()[0]}"
            for name in ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size")
        ]
    return [
        f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), {memory:.0f} GB of memory",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"PostgreSQL {server // 10_000}.{server % 10_000} as shipped: {', '.join(facts)}",
        f"Load when it began: {os.getloadavg()[0]:.1f}",
    ]


def as_table(figures: list[Figure]) -> str:
    rows = [COLUMNS, *(figure.cells for figure in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_report(figures: list[Figure], facts: list[str], said: str) -> str:
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(figure.cells for figure in figures)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    lists = "\n".join(f"- {fact}" for fact in facts)
    return (
        f"# Measured speed\n\nWritten by `tallybook bench --report` on {datetime.now(UTC):%Y-%m-%d}.\n\n{table}\n\n"
        f"{said}\n## The machine\n\n{lists}\n"
    )
