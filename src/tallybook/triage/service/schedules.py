"""The prepared schedules that a process keeps, each for as long as its team's facts have the same version."""

from __future__ import annotations

from collections import OrderedDict

from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.triage.rules import Schedule, prepare
from tallybook.triage.store import facts as store

MOST = 500  # teams; preparing one of ten years takes some 20 ms


class Schedules:
    """Schedules by business and team. A reading that finds the same version costs one small statement."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[int, int], Schedule] = OrderedDict()

    async def of(self, conn: Conn, business_id: int, team_id: int) -> Schedule:
        """The team's schedule by its facts as this transaction sees them. Raises NotFound."""
        key = (business_id, team_id)
        kept = self._kept.get(key)
        facts = await store.read(conn, business_id, team_id, kept.facts.version if kept is not None else None)
        if facts is not None:
            kept = prepare(facts)
        elif kept is None:
            raise NotFound("There is no such team.")
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return kept
