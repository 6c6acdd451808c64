"""Syncs in processes of their own, to be killed. Each line that is read starts one, whose number is answered.

Forked from one process that has imported everything, so that twenty-eight kills cost no twenty-eight starts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import msal
import xlsxwriter

from tallybook import sharepoint_link
from tallybook.core import businesses
from tallybook.core.db import open_database
from tallybook.monitor.service.sharepoint import Order, Sync
from tallybook.settings import Settings
from tests.monitor.sharepoint.conftest import DAY

LEASE = 0.6
READY = f"ready with msal {msal.__version__} and xlsxwriter {xlsxwriter.__version__}"


async def sync(business_id: int) -> None:
    settings = Settings.load()
    async with (
        open_database(settings.database_url or "", settings.env) as db,
        sharepoint_link.library(settings) as library,
    ):
        known = await db.run("businesses", businesses.every)
        business = next(one for one in known if one.id == business_id)
        await Sync(db, business, library, LEASE).run(Order(DAY, "Ana Mokoena"))


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print(READY, flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(sync(int(line)))
            finally:
                os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main()
