"""Beside a thread: whether its customer wants no more marketing, and who said so."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.inbox.service import consent

from .inbox_broadcast_words import HOW


class Wishes(msgspec.Struct, frozen=True):
    """What holds of a customer; ``how`` it was said, when, and by whom of us."""

    stopped: bool
    how: str = ""
    at: datetime | None = None
    who: str = ""


async def of_thread(conn: Conn, caller: Caller, conversation_id: int) -> dict[str, Any]:
    """For the thread's page. Raises NotFound."""
    found = await consent.of_thread(conn, caller, conversation_id)
    if not found.history:
        return {"wishes": Wishes(stopped=False)}
    word = found.history[0]
    return {"wishes": Wishes(found.stopped, HOW[word.how], word.at, word.who)}
