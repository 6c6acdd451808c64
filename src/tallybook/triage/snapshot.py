"""The rota as it was known last, kept in a file for when the database is away. Read then, and never written back.

What is shown of it says of when it is. The file is whole or not there; nothing in it is a second truth: whatever is
asked for meanwhile waits in the spool, and is decided by the database.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from .rules import Schedule, prepare
from .types import Facts

# Writing takes a moment. A draft that is older is nobody's.
ABANDONED_SECONDS = 600.0


class Known(msgspec.Struct, frozen=True):
    """A team of a business, in whose language it is told, and where who leads it is told of an outage."""

    business_id: int
    language: str
    account: str
    admin_channel: str
    facts: Facts


class Link(msgspec.Struct, frozen=True):
    """A calendar's link that held, by the hash of its secret, with what it shows of which teams."""

    business_id: int
    id: int
    name: str
    locale: str
    teams: list[int]
    discipline: str | None = None
    slack_id: str | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """All teams as they were at ``as_of``; ``workspaces`` are the businesses by their accounts on Slack.

    ``tokenless`` are the accounts that were given no token of their own. ``links`` are those that held, ``readers`` the
    businesses of the API tokens that did; both by the hashes, in hex, of secrets that nobody can guess.
    """

    as_of: datetime
    workspaces: Mapping[str, int]
    teams: list[Known]
    tokenless: Sequence[str] = ()
    links: Mapping[str, Link] = {}
    readers: Mapping[str, int] = {}

    def language(self, workspace: str) -> str | None:
        """In which language a workspace's business is told; None where it has no team."""
        business_id = self.workspaces.get(workspace)
        return next((one.language for one in self.teams if one.business_id == business_id), None)

    def of(self, workspace: str, person: str, team_id: int = 0) -> Known | None:
        """The team that is asked for in a workspace, else the first to which somebody belongs, else the first."""
        business_id = self.workspaces.get(workspace)
        teams = [one for one in self.teams if one.business_id == business_id]
        if team_id:
            return next((one for one in teams if one.facts.team.id == team_id), None)
        theirs = (one for one in teams if _belongs(one.facts, person))
        return next(theirs, teams[0] if teams else None)

    def teams_of(self, business_id: int) -> list[Known]:
        return [one for one in self.teams if one.business_id == business_id]


def _belongs(facts: Facts, person: str) -> bool:
    return any(one.person == person and one.until is None for one in facts.memberships)


_decoder = msgspec.json.Decoder(Snapshot)


def write(path: Path, snapshot: Snapshot) -> None:
    """Replaces the file by a whole one, or not at all. Waits for the disk. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(snapshot))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def sweep(path: Path) -> None:
    """Takes away what processes left that were killed while they wrote. Raises OSError."""
    before = time.time() - ABANDONED_SECONDS
    for draft in path.parent.glob(f"{path.name}.*"):
        with suppress(FileNotFoundError):  # somebody else sweeps too, or has ended it
            if draft.stat().st_mtime < before:
                draft.unlink()


def read(path: Path) -> Snapshot | None:
    """What the file holds; None where there is none, or none that can be read."""
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None


class _Kept(msgspec.Struct, frozen=True):
    """What the file held when it had this stamp, and the teams of it that were prepared."""

    stamp: tuple[int, int, int]
    snapshot: Snapshot | None
    prepared: dict[tuple[int, int], Schedule]


class Shelf:
    """The file as a process reads it, again when it is another one; each team is prepared when it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = _Kept((0, 0, 0), None, {})

    async def refresh(self) -> None:
        """Reads the file in a thread, if it is another one, so that ``current`` need not wait for the disk."""
        await asyncio.to_thread(self.current)

    def current(self) -> Snapshot | None:
        """What is known, None where nothing is. May be called by several threads."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        kept, stamp = self._kept, (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if stamp != kept.stamp:
            kept = self._kept = _Kept(stamp, read(self.path), {})
        return kept.snapshot

    def schedule(self, known: Known) -> Schedule:
        """A team's schedule by its facts of then."""
        prepared, key = self._kept.prepared, (known.business_id, known.facts.team.id)
        found = prepared.get(key)
        if found is None or found.facts is not known.facts:
            found = prepared[key] = prepare(known.facts)
        return found
