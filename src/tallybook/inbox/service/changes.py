"""What happens to messages after they were said: reactions, edits, and messages taken back."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core.db import Conn
from tallybook.inbox.store import changes as store
from tallybook.inbox.types import Change, Place, Reaction


async def apply(conn: Conn, business_id: int, changes: Sequence[Change], reactions: Sequence[Reaction]) -> None:
    """Applies them in the order in which they were said; what comes before its message waits for it.

    The caller holds their numbers.
    """
    if reactions:
        await store.react(conn, business_id, reactions)
    for change in sorted(changes, key=lambda one: (one.at, one.about)):
        change_it = store.take_back if change.body is None else store.edit
        if not await change_it(conn, business_id, change):
            await store.wait(conn, business_id, change)


async def catch_up(conn: Conn, business_id: int, places: Sequence[Place]) -> None:
    """Applies what was said of messages before they were written. The caller holds their numbers."""
    early = await store.take(conn, business_id, places) if places else []
    if early:
        await apply(conn, business_id, early, [])
