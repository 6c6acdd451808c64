"""How many webhooks are kept in a second, durable when answered: the product's web process, beside two others.

``python bench/door.py``. Load, server and PostgreSQL share the machine. Beside it stands the same server answering the
same signed bodies without keeping them, and the seeds' way.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import webhook_load
from figures import Figure, as_shipped, as_table, say
from inbox_place import opened
from webhook_load import Took

HERE = Path(__file__).parent
A_SECOND, SHARE, SEEDS_TIMES, UPDATES = 10_000, 0.65, 20, 40_000
STEADY, MEDIAN_MS, LATE_SHARE = 3_300, 20.0, 0.01
BATCH = 100
SLOW_FSYNC_US = 5_000
SAID = """\
- **webhooks** are of one message each, signed, over 256 connections; server, load and PostgreSQL share the cores.
  Beside stands the same server answering the same bodies without keeping them, and the seeds' way: Flask and
  SQLAlchemy, selects, an insert and a commit for each. The slow disk is PostgreSQL's `commit_delay`. See
  `bench/door.py`.
"""


class Door:
    """A folder with a server as shipped, and one after another what answers webhooks in it."""

    def __init__(self, folder: Path, superuser: str) -> None:
        self.folder = folder
        self.superuser = superuser

    @contextlib.contextmanager
    def answered_by(self, kind: str, also: Mapping[str, str] = {}) -> Iterator[int]:
        """The port at which a process of that kind answers, which is told of Slack in ``also``."""
        port = _free_port()
        command = [sys.executable, str(HERE / f"{_script(kind)}.py"), str(self.folder), kind, str(port)]
        given = os.environ | {"SEEDS_DATABASE_URL": self.superuser} | dict(also)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=given) as process:
            try:
                _wait_for(port, process)
                webhook_load.send(port, webhook_load.requests(200, first=900_000_000), connections=32)
                yield port
            finally:
                process.terminate()
                process.wait(30)

    def ask(self, statement: str) -> Any:
        with psycopg.connect(self.superuser, autocommit=True) as conn:
            row = conn.execute(statement).fetchone()
            return row[0] if row else None

    def empty(self) -> None:
        """Nothing kept, nothing owed."""
        with psycopg.connect(self.superuser, autocommit=True) as conn:
            conn.execute("truncate deliveries")
            conn.execute("checkpoint")

    @contextlib.contextmanager
    def slow_disk(self) -> Iterator[None]:
        """Each flush of the server's log takes five milliseconds more."""
        with psycopg.connect(self.superuser, autocommit=True) as conn:
            conn.execute(f"alter system set commit_delay = {SLOW_FSYNC_US}")
            conn.execute("alter system set commit_siblings = 0")
            conn.execute("select pg_reload_conf()")
            try:
                yield
            finally:
                conn.execute("alter system reset all")
                conn.execute("select pg_reload_conf()")


def _script(kind: str) -> str:
    return "seeds_server" if kind == "seeds" else "webhook_server"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)  # the port is the only sign that each of these servers gives
    raise AssertionError("the server did not begin to answer")


def _kept(door: Door, port: int, count: int, each: int = 1) -> Took:
    """So many bodies, and all of them are rows afterwards."""
    door.empty()
    took = webhook_load.send(port, webhook_load.requests(count, each=each))
    rows = door.ask("select count(*) from deliveries")
    if rows != count:
        raise AssertionError(f"{rows} of {count} bodies were kept")
    return took


def measure(door: Door, count: int) -> list[Figure]:
    """Every figure of the door."""
    with door.answered_by("forgets") as port:
        say("the same server, keeping nothing")
        bare = count / webhook_load.send(port, webhook_load.requests(count)).whole
    with door.answered_by("product") as port:
        say("the product")
        ours = count / _kept(door, port, count).whole
        say("the product at a steady pace")
        door.empty()
        steady = webhook_load.send(port, webhook_load.requests(max(count // 3, 500)), a_second=STEADY)
        say("bodies of a hundred")
        batches = max(count // 100, 20)
        updates = batches * BATCH / _kept(door, port, batches, BATCH).whole
        say("the product on a slow disk")
        with door.slow_disk():
            slow = count / _kept(door, port, count).whole
    few = max(count // 20, 200)
    with door.answered_by("seeds") as port:
        say("the seeds' way")
        theirs = few / webhook_load.send(port, webhook_load.requests(few), connections=64).whole
        with door.slow_disk():
            theirs_slow = few / webhook_load.send(port, webhook_load.requests(few, few), connections=64).whole
    late = sum(one > 1 for one in steady.each) / len(steady.each)
    median = steady.part(0.5) * 1000
    return [
        Figure("webhooks kept in a second, one message each", f"{ours:,.0f}", f"{bare:,.0f} the same, keeping nothing",
               ours / bare, f"≥ {A_SECOND:,} and ≥ {SHARE}", ours >= A_SECOND and ours / bare >= SHARE),
        Figure("the same", f"{ours:,.0f}", f"{theirs:,.0f} the seeds' way", ours / theirs, f"≥ {SEEDS_TIMES}",
               ours / theirs >= SEEDS_TIMES),
        Figure("the same, 5 ms more for each flush", f"{slow:,.0f}", f"{theirs_slow:,.0f} the seeds' way",
               slow / theirs_slow, "", None),
        Figure(f"answered at {STEADY:,} a second", f"median {median:.1f} ms, p99 {steady.part(0.99) * 1000:.0f} ms",
               f"{late:.2%} over a second", None, f"< {MEDIAN_MS:g} ms, < {LATE_SHARE:.0%}",
               median < MEDIAN_MS and late < LATE_SHARE),
        Figure(f"updates kept in a second, {BATCH} a body", f"{updates:,.0f}", "", None, f"≥ {UPDATES:,}",
               updates >= UPDATES),
    ]  # fmt: skip


async def measured(count: int) -> list[Figure]:
    """The figures of so many webhooks, on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as place:
        async with opened(Path(place)) as (_, _, superuser):
            return await asyncio.to_thread(measure, Door(Path(place), superuser), count)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhooks", type=int, default=60_000)
    count = parser.parse_args().webhooks
    as_shipped()
    print(as_table(await measured(count)))


if __name__ == "__main__":
    asyncio.run(main())
