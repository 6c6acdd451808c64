"""Keeps the snapshot: taken each minute in one transaction, in which only what has changed is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import Gauge

from tallybook.core.db import Conn, Database
from tallybook.triage.snapshot import Known, Snapshot, sweep, write
from tallybook.triage.store import facts as facts_store
from tallybook.triage.store import looks
from tallybook.triage.store import snapshots as store
from tallybook.triage.types import Facts

from .telling import CHANNEL

taken = Gauge("tallybook_rota_snapshot_timestamp", "When the rota was last kept for an outage, in seconds of 1970.")


@dataclass
class Keeper:
    """Keeps one process's file; what has not changed since is not read again."""

    db: Database
    path: Path
    _facts: dict[tuple[int, int], Facts] = field(default_factory=dict)
    _is_swept: bool = False

    async def keep(self) -> bool:
        """Takes the snapshot and writes it; False where there is no team of which one could be taken.

        Raises OSError where the file cannot be written.
        """
        found = await self.db.run("take a snapshot of the rota", self._taken)
        if not found.teams:
            return False
        await asyncio.to_thread(self._written, found)
        taken.set(found.as_of.timestamp())
        return True

    def _written(self, found: Snapshot) -> None:
        if not self._is_swept:
            sweep(self.path)
            self._is_swept = True
        write(self.path, found)

    async def _taken(self, conn: Conn) -> Snapshot:
        teams: list[Known] = []
        for business_id, team_id, version, language, account, admin_channel in await store.teams(conn, CHANNEL):
            key = (business_id, team_id)
            kept = self._facts.get(key)
            if kept is None or kept.version != version:
                kept = await facts_store.read(conn, business_id, team_id)
            if kept is not None:
                self._facts[key] = kept
                teams.append(Known(business_id, language, account, admin_channel, kept))
        workspaces, tokenless = await store.workspaces(conn, CHANNEL), await store.tokenless(conn, CHANNEL)
        links, readers = await store.links(conn), await store.readers(conn)
        return Snapshot(await looks.clock(conn), workspaces, teams, tokenless, links, readers)
