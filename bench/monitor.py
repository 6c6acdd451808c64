"""The monitor's figures: a bridge's file caught up with, a poll that finds nothing, jobs, and the pages."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import bare
import history
import idle
import predecessor
import sample
import waiting_work
from figures import Figure, say
from sample import Sample

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
"""


async def measured(messages: int, reviews: int, rounds: int) -> list[Figure]:
    """Every figure, of a bridge's file of so many messages and of so many reviews; the best of the rounds."""
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as folder:
        say(f"writing a bridge file of {messages:,} messages")
        async with sample.made(Path(folder), messages) as of:
            figures = [*_catch_up(of, rounds), await _idle(of), await _jobs(of)]
    return [*figures, *await history.measured(reviews)]


def _catch_up(of: Sample, rounds: int) -> list[Figure]:
    products: list[dict[str, Any]] = []
    floors, each = [], []
    for number in range(rounds):
        sample.empty(of)
        say(f"round {number + 1} of {rounds}: the product")
        products.append(_product(of))
        if products[-1]["changed"] != of.in_groups:
            raise AssertionError(f"{products[-1]['changed']} messages were filed, {of.in_groups} should be")
        say(f"  {products[-1]['seconds']:.1f} s; a bare insert of the same rows")
        floors.append(bare.measure(of, products[-1]["transactions"]))
        say(f"  {floors[-1].seconds:.1f} s; the predecessors' way")
        each.append(predecessor.measure(of))
        say(f"  {each[-1].each * 1000:.2f} ms a drop; {each[-1].each_kept * 1000:.2f} ms over one connection")
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
    say("a poll that finds nothing")
    polls = await idle.measure(of)
    ours, theirs = polls.ours * 1000, polls.theirs * 1000
    return Figure(
        f"idle poll at {of.messages:,} messages", f"{ours:.2f} ms CPU", f"{theirs:.1f} ms CPU one look of theirs",
        theirs / ours, f"< {POLL_MS:g} ms", ours < POLL_MS,
    )  # fmt: skip


async def _jobs(of: Sample) -> Figure:
    say("jobs")
    rates = await waiting_work.measure(of, min(2_000, of.messages // 10))
    return Figure(
        "jobs done in a second", f"{rates.jobs:,.0f}", f"{rates.inserts:,.0f} bare inserts, one by one",
        rates.jobs / rates.inserts, "", None,
    )  # fmt: skip
