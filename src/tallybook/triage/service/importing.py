"""The import of an older rota into a team that has none: planned, written whole or not at all, and taken back whole.

It is the one place that writes a past. Every row is kept as it was, with what became of it, so that nothing is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotFound
from tallybook.core.import_book import Book, Outcome
from tallybook.triage import legacy_rules
from tallybook.triage.legacy_rows import ADDED, LEFT_OUT, Fates, Row, plain
from tallybook.triage.legacy_rules import Plan, Request, Unlike
from tallybook.triage.store import facts as facts_store
from tallybook.triage.store import importing as store
from tallybook.triage.store import people as people_store
from tallybook.triage.store import rosters as roster_store
from tallybook.triage.store import sprints as sprint_store
from tallybook.triage.store.importing import Kept, Last
from tallybook.triage.store.rosters import Made
from tallybook.triage.types import Facts, Team

from .doing import Actor, held, require_lead, tell
from .people import add_team, check_team

Progress = Callable[[int, int], None]
REASON = "brought in from an older rota"
NAMED_BY = ("id", "sprint_index", "sprint_name", "role", "discipline", "name", "new_name", "replacement_name")


class Found(msgspec.Struct, frozen=True):
    """What an import did, or with ``dry_run`` in its outcome would do; ``was_there``: the same was imported before.

    ``compared`` duties of sprints were held against what the old system said; ``unlike`` are told otherwise here.
    ``repeated`` are disciplines in which somebody stood twice, and so took turns twice as often until now.
    """

    team: str
    outcome: Outcome
    compared: int
    unlike: list[Unlike]
    repeated: list[str]
    was_there: bool = False


@dataclass(frozen=True)
class OldRota:
    """An older rota: its rows by table, in the order in which it looked through them, and the team that it becomes."""

    tables: Mapping[str, Sequence[Row]]
    source: Literal["files", "tables"]
    team: Team

    @property
    def fingerprint(self) -> bytes:
        """Of all rows: the same again is the same import."""
        return hashlib.sha256(msgspec.json.encode(self.tables, order="sorted")).digest()


async def look(conn: Conn, actor: Actor, old: OldRota, now: datetime) -> Found:
    """What would come of it. Nothing is changed. Raises as ``bring_in``."""
    require_lead(actor)
    team = await find(conn, actor, old.team.name)
    if team is None:
        check_team(old.team)
        return _found(old.team, legacy_rules.planned(old.tables, old.team, now), dry_run=True)
    plan = legacy_rules.planned(old.tables, team, now)
    was_there = await _was_there(conn, actor, team, old)
    return msgspec.structs.replace(_found(team, plan, dry_run=True), was_there=was_there)


async def bring_in(conn: Conn, actor: Actor, old: OldRota, now: datetime, progress: Progress) -> Found:
    """Writes it; the same a second time changes nothing and says so. The team is made where there is none of its name.

    ``progress`` is told how many things are written, and of how many. Raises NotAllowed, Invalid for a team that cannot
    be made, and Conflict where the team has a rota already.
    """
    require_lead(actor)
    there = await find(conn, actor, old.team.name)
    facts = await held(conn, actor, there.id if there is not None else await add_team(conn, actor, old.team))
    plan = legacy_rules.planned(old.tables, facts.team, now)
    found = _found(facts.team, plan)
    if await _was_there(conn, actor, facts.team, old):
        return msgspec.structs.replace(found, was_there=True)
    await _Writing(conn, actor, facts, plan, progress).run(old, found, now)
    after = {"compared": found.compared, "unlike": len(found.unlike)}
    after |= {table.name: table.added for table in found.outcome.tables}
    await tell(conn, actor, "rota.imported", "triage team", facts.team.id, None, after)
    return found


async def undo(conn: Conn, actor: Actor, name: str, now: datetime) -> Last:
    """Takes back all that a team's import wrote, as if it had not been; the team stays, and its rows as they were kept.

    Raises NotAllowed, NotFound, and Conflict once anything was built on it.
    """
    require_lead(actor)
    team = await find(conn, actor, name)
    if team is None:
        raise NotFound(f"There is no team called {name}.")
    facts = await held(conn, actor, team.id)
    last = await store.last(conn, actor.business_id, team.id)
    if last is None or last.undone:
        raise NotFound(f"Nothing was imported into {team.name}.")
    if facts.version != last.version + 1:
        raise Conflict("The rota was changed since it was imported. It stays as it is.")
    await store.undo(conn, actor.business_id, team.id, last, actor.name, now)
    await tell(conn, actor, "rota.import_undone", "triage team", team.id, {"import": last.number}, None)
    return last


async def find(conn: Conn, actor: Actor, name: str) -> Team | None:
    """A team by its name, whatever its case."""
    teams = await facts_store.teams(conn, actor.business_id)
    return next((one for one in teams if one.name.casefold() == name.strip().casefold()), None)


async def _was_there(conn: Conn, actor: Actor, team: Team, old: OldRota) -> bool:
    """Whether the team is of this very import. Raises Conflict where it has another rota."""
    if await store.is_empty(conn, actor.business_id, team.id):
        return False
    last = await store.last(conn, actor.business_id, team.id)
    if last is not None and not last.undone and last.fingerprint == old.fingerprint:
        return True
    raise Conflict(f"{team.name} has a rota already. Import into a new team, by another name.")


@dataclass
class _Writing:
    """One plan on its way into an empty team that is held."""

    conn: Conn
    actor: Actor
    facts: Facts
    plan: Plan
    progress: Progress

    async def run(self, old: OldRota, found: Found, now: datetime) -> None:
        business, team = self.actor.business_id, self.facts.team.id
        last = await store.last(self.conn, business, team)
        number = last.number + 1 if last is not None else 1
        people, disciplines = await self._people(), await self._disciplines()
        await self._rota(now)
        await self._requests(number)
        made = Last(
            number, old.fingerprint, self.facts.version, msgspec.to_builtins(found), people, disciplines,
            self.actor.name[:100], now, undone=False,
        )  # fmt: skip
        await store.remember(self.conn, business, team, made, old.source, _kept(self.plan.fates))
        await store.look_anew(self.conn, business, team)

    async def _people(self) -> list[str]:
        """Who was not known before. The name of who was stays as it is."""
        planned = self.plan.facts.people
        known = await store.known(self.conn, self.actor.business_id, [one.slack_id for one in planned])
        new = [one for one in planned if one.slack_id not in known]
        await people_store.put_people(self.conn, self.actor.business_id, new)
        return [one.slack_id for one in new]

    async def _disciplines(self) -> list[str]:
        there = {one.code for one in self.facts.disciplines}
        new = [one for one in self.plan.facts.disciplines if one.code not in there]
        for one in new:
            await people_store.put_discipline(self.conn, self.actor.business_id, self.facts.team.id, one)
        return [one.code for one in new]

    async def _rota(self, now: datetime) -> None:
        """Sprints, who belonged to what, and rosters."""
        business, team, facts = self.actor.business_id, self.facts.team.id, self.plan.facts
        for sprint in facts.sprints:
            if await sprint_store.add(self.conn, business, team, sprint) is None:
                raise Conflict(f"The sprint {sprint.name} would lie over another one.")
        await store.belong(self.conn, business, team, facts.memberships)
        made = Made(self.actor.name, now, REASON)
        for place, roster in enumerate(facts.rosters, 1):
            await roster_store.add(self.conn, business, team, roster, made)
            self.progress(place, len(facts.rosters) + len(self.plan.requests))

    async def _requests(self, number: int) -> None:
        begun = len(self.plan.facts.rosters)
        for place, one in enumerate(self.plan.requests, begun + 1):
            key = f"import {self.facts.team.id} {number} {one.key}"
            values = _values(one) | {"key": key}
            if not await store.ask(self.conn, self.actor.business_id, self.facts.team.id, values):
                raise Conflict(f"A request for {one.sprint.name}, {one.discipline}, was not written. Nothing is.")
            self.progress(place, begun + len(self.plan.requests))


def _values(one: Request) -> dict[str, Any]:
    return {
        "role": one.discipline,
        "sprint_index": one.sprint.number,
        "instead_of": one.instead_of,
        "person": one.person,
        "asked_by": one.asked_by,
        "state": one.state,
        "decided_by": one.decided_by,
        "decided_at": one.decided_at,
        "made_at": one.made_at,
        "starts_at": one.sprint.starts_at,
        "ends_at": one.sprint.ends_at,
        "reason": one.reason,
        "note": one.note,
    }


def _kept(fates: Fates) -> dict[str, list[Kept]]:
    return {
        table: [
            Kept(place, row, fates.became.get((table, place), LEFT_OUT), "; ".join(fates.why.get((table, place), ())))
            for place, row in enumerate(rows)
        ]
        for table, rows in fates.tables.items()
    }


def _found(team: Team, plan: Plan, *, dry_run: bool = False) -> Found:
    books = {table: Book(table, rows) for table, rows in plan.fates.tables.items()}
    for table, some in _kept(plan.fates).items():
        for one in some:
            _enter(books[table], one, plan.fates.why.get((table, one.place), []))
    remarks = [remark for book in books.values() for remark in book.remarks()]
    outcome = Outcome([book.table() for book in books.values()], remarks, dry_run=dry_run)
    return Found(team.name, outcome, plan.compared, plan.unlike, plan.repeated)


def _enter(book: Book, one: Kept, why: Sequence[str]) -> None:
    row = plain(one.content)
    named = [str(row[field]) for field in NAMED_BY if row.get(field) is not None]
    what = " ".join(named[:3])[:80] or f"row {one.place + 1}"
    if one.becomes == ADDED:
        book.add(what, why)
    elif one.becomes == LEFT_OUT:
        book.leave(what, "; ".join(why))
    else:
        book.know(what, why)
