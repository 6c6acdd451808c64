"""The web server alone."""

from __future__ import annotations

import socket

from tallybook.web import server

from . import supervise
from .opening import Env, open_checked, run
from .supervise import Listener, UnderParent


def serve(env: Env = None, under_parent: UnderParent = False, listener: Listener = None) -> None:
    """Run the web server alone."""
    ours = None if listener is None else socket.socket(fileno=listener)

    async def work() -> None:
        async with open_checked(env) as app:
            await server.serve(app, supervise.stop_event(under_parent=under_parent), ours)

    with supervise.refusals_told(under_parent=under_parent):
        run(work())
