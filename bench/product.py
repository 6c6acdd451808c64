"""The product's own catch-up, in a process of its own: ``python product.py FOLDER`` prints what it took as JSON.

The clock runs while the file is read and filed; starting Python and attaching to the server are not counted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import resource
import sys
import time
from pathlib import Path

from tallybook.app import Watching, open_app
from tallybook.cli.opening import with_database
from tallybook.core import log
from tallybook.monitor import jobs
from tallybook.settings import Settings


async def main(folder: Path) -> None:
    settings = dataclasses.replace(Settings.load({}, folder), data_dir=folder, config=folder / "tallybook.toml")
    log.configure("json", None, "info", "prod", settings.secret_keys()[0])
    batches = 0

    def progress(_: int, __: int) -> None:
        nonlocal batches
        batches += 1

    async with with_database(settings) as settings, open_app(settings) as app:
        watch = await Watching(app).current()
        assert watch is not None
        began, cpu = time.perf_counter(), time.process_time()
        changed = await jobs.scan(app.db, watch, progress=progress)
        took = {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu,
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "changed": changed,
            "transactions": batches,
        }
    print(json.dumps(took))


asyncio.run(main(Path(sys.argv[1])))
