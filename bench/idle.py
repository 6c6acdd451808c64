"""A poll that finds nothing: what the product does every second, beside one look of the predecessors."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import NamedTuple

from sample import Sample

from tallybook.app import Watching, open_app
from tallybook.monitor import jobs

POLLS = 500
THEIR_POLLS = 3
LAST = "select max(timestamp) from messages"


class Polls(NamedTuple):
    """Seconds of CPU for each poll: ours with its look into the database and at the LIDs, and theirs."""

    ours: float
    theirs: float


async def measure(sample: Sample) -> Polls:
    async with open_app(sample.settings) as app:
        watch = await Watching(app).current()
        assert watch is not None
        await jobs.scan(app.db, watch)
        known = watch.bridge.lids
        began = time.process_time()
        for _ in range(POLLS):
            await jobs.scan(app.db, watch)
            await watch.bridge.new_lids(known)
        ours = (time.process_time() - began) / POLLS
    began = time.process_time()
    for _ in range(THEIR_POLLS):
        with closing(sqlite3.connect(sample.file)) as bridge:
            bridge.execute(LAST).fetchone()
    return Polls(ours, (time.process_time() - began) / THEIR_POLLS)
