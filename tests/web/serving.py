"""The web server as shipped but for its passwords, which take half a second of a core each by design."""

from __future__ import annotations

import asyncio
import dataclasses
import signal

import uvloop

from tallybook.app import open_app
from tallybook.settings import Settings
from tallybook.web import server
from tests import world


async def serve() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_app(Settings.load()) as app:
        await server.serve(dataclasses.replace(app, passwords=world.CHEAP), stop)


def main() -> None:
    uvloop.run(serve())
