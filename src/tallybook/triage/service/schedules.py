"""The prepared schedules that a process keeps, each for as long as its team's facts have the same version."""

from __future__ import annotations

from collections import OrderedDict

from psycopg import errors as pg

from tallybook.core.db import Conn, is_transient
from tallybook.core.errors import NotFound
from tallybook.triage.rules import Schedule, prepare
from tallybook.triage.store import facts as store

# Passing faults of the rows of a team. By any other the database is away, and with it every team.
OF_ONE_TEAM = (pg.LockNotAvailable, pg.DeadlockDetected, pg.SerializationFailure)
MOST = 500  # teams; preparing one of ten years takes some 20 ms


def is_of_one_team(error: Exception) -> bool:
    """Whether a team cannot be read or looked at, which must hold no other back."""
    return not is_transient(error) or isinstance(error, OF_ONE_TEAM)


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
