"""Runs the benchmarks and says their figures: ``tallybook bench``, or ``python bench/run.py``."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import door
import talks
from figures import Figure, as_report, as_shipped, as_table, machine

import doctor
import monitor
import triage

REPORTS = Path(__file__).parent / "reports"


class Part(NamedTuple):
    """What is measured of one part of the product, and the words that explain its figures."""

    measured: Callable[[argparse.Namespace], Awaitable[list[Figure]]]
    said: str


PARTS: Mapping[str, Part] = {
    "monitor": Part(lambda asked: monitor.measured(asked.messages, asked.reviews, asked.rounds), monitor.SAID),
    "door": Part(lambda asked: door.measured(asked.webhooks), door.SAID),
    "inbox": Part(lambda asked: talks.measured(asked.talks), talks.SAID),
    "rota": Part(lambda asked: triage.measured(asked.rota), triage.SAID),
    "doctor": Part(lambda asked: doctor.measured(asked.tables), doctor.SAID),
}


async def main() -> None:
    asked = _asked()
    as_shipped()
    for name in asked.parts or PARTS:
        facts = machine()
        figures = await PARTS[name].measured(asked)
        if asked.json:
            said = {"part": name, "machine": facts, "figures": [figure._asdict() for figure in figures]}
            print(json.dumps(said, ensure_ascii=False), flush=True)
        else:
            print("\n".join([f"{name}: {', '.join(facts)}", "", as_table(figures), ""]), flush=True)
        if asked.report:
            text = as_report(name, figures, facts, PARTS[name].said)
            (REPORTS / f"{name}.md").write_text(text, encoding="utf-8")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])  # argparse holds none at all against the choices too
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--reviews", type=int, default=1_000_000)
    parser.add_argument("--webhooks", type=int, default=100_000)
    parser.add_argument("--talks", type=int, default=10_000_000)
    parser.add_argument("--rota", type=int, default=1_000)
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--report", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
