"""What webhooks are sent to, in a process of its own: ``python webhook_server.py FOLDER KIND PORT``.

``product`` is the web process as shipped. ``forgets`` is the same, and answers as soon as the signature fits.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
import sys
from pathlib import Path

import uvloop
import webhook_load

from tallybook.app import App, open_app
from tallybook.cli.opening import with_database
from tallybook.core import log
from tallybook.settings import Settings
from tallybook.web import server, webhooks
from tallybook.web.listening import listening


class Forgets:
    """A receiver that keeps nothing."""

    async def receive(self, channel: str, content: bytes) -> None:
        """Does nothing at all."""


async def main(folder: Path, kind: str, port: int) -> None:
    given = {"TALLYBOOK_WHATSAPP_APP_SECRET": webhook_load.SECRET, "TALLYBOOK_WHATSAPP_VERIFY_TOKEN": "bench"}
    given |= {name: value for name, value in os.environ.items() if name.startswith("TALLYBOOK_SLACK_")}
    settings = dataclasses.replace(
        Settings.load(given, folder), data_dir=folder, config=folder / "tallybook.toml", port=port, log_level="warning"
    )
    log.configure("json", None, settings.log_level, "prod", settings.secret_keys()[0])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with with_database(settings) as settings, open_app(settings) as app:
        if kind == "forgets":
            webhooks.Receiver.receive = Forgets.receive  # all else is as shipped
        await _serve(app, stop, port)


async def _serve(app: App, stop: asyncio.Event, port: int) -> None:
    async with listening("127.0.0.1", port) as ours:
        assert isinstance(ours, socket.socket)
        await server.serve(app, stop, ours)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
