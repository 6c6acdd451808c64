"""A bridge of no patience, as a process: it never waits for a lock, and counts how often one was in its way.

``python impatient_writer.py FILE JOURNAL_MODE`` commits transactions until its standard input closes, each of which
moves amounts between two tables, so that the sums of both cancel out in every committed state and in no other. It then
prints ``{"commits": …, "blocked": …}``.
"""

from __future__ import annotations

import json
import random
import select
import sqlite3
import sys
import time

PAUSE = 0.004
ROWS = 300


def main(path: str, journal_mode: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    connection.execute(f"pragma journal_mode = {journal_mode}")
    connection.execute("pragma cache_size = 10")  # pages are spilled to the file before the commit
    print("ready", flush=True)
    done = {"commits": 0, "blocked": 0}
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        try:
            transfer(connection)
            done["commits"] += 1
        except sqlite3.OperationalError:
            done["blocked"] += 1
            if connection.in_transaction:
                connection.execute("rollback")
    print(json.dumps(done))


def transfer(connection: sqlite3.Connection) -> None:
    connection.execute("begin immediate")
    for row in random.sample(range(ROWS), 25):
        amount = random.randrange(1, 1_000)
        connection.execute("update ours set amount = amount + ? where id = ?", (amount, row))
        connection.execute("update theirs set amount = amount - ? where id = ?", (amount, ROWS - 1 - row))
    time.sleep(0.001)  # a half-written state stands in the file for a while
    if random.random() < 0.1:
        connection.execute("rollback")
    else:
        connection.execute("commit")


def build(path: str) -> None:
    """Create the two tables, one page or so a row."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("begin")
    for name in ("ours", "theirs"):
        connection.execute(f"create table {name} (id integer primary key, amount integer, filler text)")
        connection.executemany(f"insert into {name} values (?, 0, ?)", ((n, "x" * 1_500) for n in range(ROWS)))
    connection.execute("commit")
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
