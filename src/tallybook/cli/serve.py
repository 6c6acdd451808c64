"""The web server alone."""

from __future__ import annotations

from tallybook.web import server

from . import supervise
from .opening import Env, open_checked, run
from .supervise import UnderParent


def serve(env: Env = None, under_parent: UnderParent = False) -> None:
    """Run the web server alone."""

    async def work() -> None:
        async with open_checked(env) as app:
            await server.serve(app, supervise.stop_event(under_parent=under_parent))

    run(work())
