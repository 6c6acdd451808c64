"""The background worker alone."""

from __future__ import annotations

from tallybook import worker

from . import supervise
from .opening import Env, open_checked, run
from .supervise import UnderParent


def work(env: Env = None, under_parent: UnderParent = False) -> None:
    """Run the background worker alone: bridge, jobs, schedules."""

    async def keep_working() -> None:
        async with open_checked(env) as app:
            await worker.work(app, supervise.stop_event(under_parent=under_parent))

    with supervise.refusals_told(under_parent=under_parent):
        run(keep_working())
