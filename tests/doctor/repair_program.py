"""A repair in a process of its own that is killed with -9 at a named point: ``URL RUN POINT DEED``.

A point is the n-th time that the repair tells of its progress in a step: ``merge#2``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter

import psycopg

from tallybook.doctor.repair import store as repair_store
from tallybook.doctor.repair.running import repair
from tallybook.doctor.repair.session import Limits
from tallybook.doctor.repair.undoing import undo


async def main(url: str, run: str, point: str, deed: str) -> None:
    times: Counter[str] = Counter()

    def told(step: str, done: int, total: int | None) -> None:
        times[step] += 1
        here = f"{step}#{times[step]}"
        print(here, flush=True)
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    limits = Limits(5000, rows=16)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        if deed == "undo":
            await undo(conn, run, limits, told)
        else:
            await repair(conn, (await repair_store.find(conn, run)).plan, limits, told, switched=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
