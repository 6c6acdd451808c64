"""Runs every benchmark and says the figures: ``tallybook bench``, or ``python bench/run.py``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import bare
import door
import history
import idle
import predecessor
import sample
import talks
import waiting_work
from figures import Figure, as_report, as_table, machine
from sample import Sample

import triage

HERE = Path(__file__).parent
TIMES, FLOOR, MEMORY_MB, POLL_MS = 20, 0.5, 300, 1.0
SAID = """\
- **catch-up**: the product reads the whole file into an empty database; see `bench/product.py`.
- **the predecessors' way** opens a connection for each drop, as their published program does, and files row by row;
  **over one connection** is the same without that. Both are measured on the first drops of one group (1,000 and 5,000)
  and scaled to all, since all of them would take minutes; see `bench/predecessor.py`.
- **a bare insert** puts the very rows that the product wrote back into the emptied tables, from arrays that lie ready
  in memory; see `bench/bare.py`. 1.00 would mean that the product costs nothing beyond it.
- **idle poll** is the CPU of the product's process; beside it stands one `select max(timestamp)`; see `bench/idle.py`.
- **the pages** are asked for 200 times each, with a history of about 900 reviews a day behind them; beside statistics
  stands the plain aggregate of a year. The time is the server's own, from the request to the whole answer, compressed;
  see `bench/history.py`.
- **webhooks** are of one message each, signed, over 256 connections; server, load and PostgreSQL share the cores.
  Beside stands the same server answering the same bodies without keeping them, and the seeds' way: Flask and
  SQLAlchemy, selects, an insert and a commit for each. The slow disk is PostgreSQL's `commit_delay`. See
  `bench/door.py`.
- **filing** takes waiting bodies of a hundred messages of 20,000 customers through all that follows from them, in one
  process; beside it the same rows of two tables, set-wise, without foreign keys or customers; see `bench/talks.py`.
- **the threads** are asked for 300 times, in conversations of ten messages; beside stands the seeds' query, which
  counts the messages of each.
- **who is on duty** is asked for moments of ten years behind and one ahead, in no order, of rotations by sprints, weeks
  and days whose people came, went, were away and stood in for each other; beside it a look-up in lists of the same
  shifts, written out ahead, which nobody could change any more.
- **a year's schedule** is made of new teams of five people who take weeks in turn. Beside it stands the scheduler of
  the `oncall` package, whose turns must be the same to the second; its reads and writes of tables are done in memory,
  where they cost it nothing. The calendars beside ours are that package's, too; see `bench/oncall_peer.py`.
- **Slack** is told what five people do at once, signed and over HTTP. With the database hanging (each of its processes
  is stopped) it is answered all the same, and afterwards everything is there; see `bench/slack_answers.py`.
- Where there were several rounds, each figure is its own best.
"""


async def measure(of: Sample, rounds: int) -> list[Figure]:
    return [*_catch_up(of, rounds), await _idle(of), await _jobs(of)]


def _catch_up(of: Sample, rounds: int) -> list[Figure]:
    products: list[dict[str, Any]] = []
    floors, each = [], []
    for number in range(rounds):
        sample.empty(of)
        _say(f"round {number + 1} of {rounds}: the product")
        products.append(_product(of))
        if products[-1]["changed"] != of.in_groups:
            raise AssertionError(f"{products[-1]['changed']} messages were filed, {of.in_groups} should be")
        _say(f"  {products[-1]['seconds']:.1f} s; a bare insert of the same rows")
        floors.append(bare.measure(of, products[-1]["transactions"]))
        _say(f"  {floors[-1].seconds:.1f} s; the predecessors' way")
        each.append(predecessor.measure(of))
        _say(f"  {each[-1].each * 1000:.2f} ms a drop; {each[-1].each_kept * 1000:.2f} ms over one connection")
    ours = min(product["seconds"] for product in products)
    cpu = min(product["cpu_seconds"] for product in products)
    floor = min(floors, key=lambda one: one.seconds)
    theirs = min(one.poll + one.each * of.drops for one in each)
    kept = min(one.poll + one.each_kept * of.drops for one in each)
    memory = max(product["memory_mb"] for product in products)
    messages = f"{of.messages:,} messages, {of.drops:,} drops"
    return [
        Figure(f"catch-up, {messages}", f"{ours:.1f} s ({cpu:.1f} s CPU)", f"{theirs:.0f} s the predecessors' way",
               theirs / ours, f"≥ {TIMES}", theirs / ours >= TIMES),
        Figure("the same, if they kept a connection", f"{ours:.1f} s", f"{kept:.0f} s", kept / ours, "", None),
        Figure("the same, as a share of the floor", f"{ours:.1f} s", f"{floor.seconds:.1f} s a bare insert of "
               f"{floor.rows:,} rows", floor.seconds / ours, f"≥ {FLOOR}", floor.seconds / ours >= FLOOR),
        Figure("memory of the scanning process", f"{memory:.0f} MB", "", None, f"< {MEMORY_MB} MB", memory < MEMORY_MB),
    ]  # fmt: skip


def _product(of: Sample) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "product.py"), str(of.folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    took: dict[str, Any] = json.loads(done.stdout)
    return took


async def _idle(of: Sample) -> Figure:
    _say("a poll that finds nothing")
    polls = await idle.measure(of)
    ours, theirs = polls.ours * 1000, polls.theirs * 1000
    return Figure(
        f"idle poll at {of.messages:,} messages", f"{ours:.2f} ms CPU", f"{theirs:.1f} ms CPU one look of theirs",
        theirs / ours, f"< {POLL_MS:g} ms", ours < POLL_MS,
    )  # fmt: skip


async def _jobs(of: Sample) -> Figure:
    _say("jobs")
    rates = await waiting_work.measure(of, min(2_000, of.messages // 10))
    return Figure(
        "jobs done in a second", f"{rates.jobs:,.0f}", f"{rates.inserts:,.0f} bare inserts, one by one",
        rates.jobs / rates.inserts, "", None,
    )  # fmt: skip


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--reviews", type=int, default=1_000_000)
    parser.add_argument("--webhooks", type=int, default=100_000)
    parser.add_argument("--talks", type=int, default=10_000_000)
    parser.add_argument("--rota", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("TALLYBOOK_")]:
        del os.environ[name]  # what is measured is the product as shipped
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as folder:
        _say(f"writing a bridge file of {asked.messages:,} messages")
        async with sample.made(Path(folder), asked.messages) as of:
            facts = machine(of)
            figures = await measure(of, asked.rounds)
    figures += await history.measured(asked.reviews)
    figures += await door.measured(asked.webhooks) if asked.webhooks else []
    figures += await talks.measured(asked.talks) if asked.talks else []
    figures += await triage.measured(asked.rota) if asked.rota else []
    if asked.json:
        print(json.dumps({"machine": facts, "figures": [figure._asdict() for figure in figures]}, ensure_ascii=False))
    else:
        print("\n".join([*facts, "", as_table(figures)]))
    if asked.report:
        (HERE / "REPORT.md").write_text(as_report(figures, [*facts, f"Rounds: {asked.rounds}"], SAID), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
