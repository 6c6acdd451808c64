"""A bridge at work, as a process: posts, re-deliveries, edits, deletes and late history, one commit each, no patience.

``python -m tests.channels.bridge.busy_bridge FOLDER JOURNAL_MODE`` works until its standard input closes, then prints
``{"commits": …, "blocked": …}``.
"""

from __future__ import annotations

import json
import random
import select
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path

from tests.channels.bridge.bridge_file import LAWLEY, MORNING, PRIVATE_CHAT, BridgeFile

PAUSE = 0.004


def main(folder: str, journal_mode: str) -> None:
    dice = random.Random(11)
    done = {"commits": 0, "blocked": 0}
    with BridgeFile(Path(folder), journal_mode=journal_mode, timeout=0) as bridge:
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            try:
                work(bridge, dice, done["commits"])
                done["commits"] += 1
            except sqlite3.OperationalError:
                done["blocked"] += 1
                if bridge.connection.in_transaction:
                    bridge.execute("rollback")
    print(json.dumps(done))


def work(bridge: BridgeFile, dice: random.Random, n: int) -> None:
    chat, said = dice.choice([LAWLEY, LAWLEY, PRIVATE_CHAT]), MORNING + timedelta(seconds=n)
    known = f"M{dice.randrange(n + 1)}"
    match dice.randrange(8):
        case 0:
            bridge.post(LAWLEY, f"delivered again in {n}", id=known, at=said)
        case 1:
            bridge.edit(LAWLEY, known, f"edited in {n}")
        case 2:
            bridge.execute("delete from messages where rowid = (select max(rowid) from messages)")
        case 3:
            rows = [(f"H{n}-{i}", chat, "27820000003", f"history {n}", said - timedelta(hours=9)) for i in range(20)]
            bridge.post_many(rows)
        case _:
            bridge.post(chat, f"said in {n}", id=f"M{n}", at=said)


if __name__ == "__main__":
    main(*sys.argv[1:])
