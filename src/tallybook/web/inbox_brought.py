"""What the messages of a thread bring beyond their words, looked up for who draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallybook import customer_files
from tallybook.app import App
from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.inbox.service import files
from tallybook.inbox.thread_types import Bubble

from . import inbox_file_view
from .times import Clock


async def brought(conn: Conn, app: App, caller: Caller, shown: Sequence[Bubble], clock: Clock) -> dict[int, Any]:
    """What to draw of each of these messages, by message: its file, place or contact cards."""
    found = await files.shown(conn, caller, [one.id for one in shown], customer_files.folder(app.settings))
    told = await files.told(conn, caller, [one.id for one in shown if one.type in inbox_file_view.TOLD])
    return inbox_file_view.views(shown, found, told, clock)
