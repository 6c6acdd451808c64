"""Keeps what constraints refused, outside of the transaction that failed, with the key and the row in the way.

A constraint that refuses a thousand times a minute is counted each time and written once in a while, so that keeping
the record slows nothing down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import msgspec
import psycopg
import structlog
from prometheus_client import Counter
from psycopg import sql

from .connection import Conn, Met
from .errors import Invalid
from .violation_detail import UNIQUE
from .violations import WATCHED, Violation, harmless, read

WRITE_EVERY = 10.0  # seconds, for each constraint and process

INSERT = """
insert into constraint_violations
    (sqlstate, table_name, constraint_name, declared, key_masked, existing, place, answered, times)
values (%(sqlstate)s, %(table)s, %(constraint)s, %(declared)s, %(key)s, %(existing)s::jsonb, %(place)s,
    %(answered)s::bool, %(times)s::int)
"""
QUICK = 2.0  # seconds for each answer: whoever met a refusal waits for its record, and must not hang with it

seen = Counter("tallybook_constraint_violations_total", "Constraints hit unexpectedly.", ["table", "constraint"])
expected = Counter(
    "tallybook_expected_duplicates_total", "Declared keys and rules that did their work.", ["table", "constraint"]
)
log = structlog.get_logger(__name__)


class Case(msgspec.Struct, frozen=True):
    """One refusal. ``place`` says what was being done, in words that hold no personal data.

    ``answered``: the code knew by the name of a declared rule what it meant.
    """

    violation: Violation
    place: str
    answered: bool

    @property
    def sort(self) -> Sort:
        found = self.violation
        return found.sqlstate, found.table, found.constraint, found.declared, self.answered


Sort: TypeAlias = tuple[str, str | None, str | None, bool, bool]


@dataclass
class Waiting:
    """What is counted and not written yet, of one sort: the last case, how many, and when one was written last."""

    last: Case
    written: float = float("-inf")
    times: int = 0


@dataclass
class Book:
    """What one process has still to write. ``clock`` gives seconds that only grow."""

    clock: Callable[[], float] = time.monotonic
    waiting: dict[Sort, Waiting] = field(default_factory=dict)

    def count(self, case: Case) -> int:
        """Counts a case; returns for how many one row is to be written now, 0 where that may wait."""
        found = self.waiting.setdefault(case.sort, Waiting(case))
        found.last, found.times = case, found.times + 1
        return self._take(found) if self.clock() - found.written >= WRITE_EVERY else 0

    def due(self, *, all_of_them: bool = False) -> Iterator[tuple[Case, int]]:
        """What has waited long enough, or simply waits, and for how many each stands.

        Each waits until it is asked for, so that whoever is cancelled meanwhile takes nothing of the others along.
        """
        for one in [*self.waiting.values()]:
            if one.times and (all_of_them or self.clock() - one.written >= WRITE_EVERY):
                yield one.last, self._take(one)

    def give_back(self, case: Case, times: int) -> None:
        """Has what could not be written wait again."""
        self.waiting[case.sort].times += times

    def _take(self, one: Waiting) -> int:
        times, one.times, one.written = one.times, 0, self.clock()
        return times


class Recording(Protocol):
    """What can open a transaction and has a book: core/db.py's Database."""

    @property
    def refusals(self) -> Book: ...

    def transaction(self, within: float | None = None) -> AbstractAsyncContextManager[Conn]: ...


async def keep(db: Recording, met: Iterable[Met], place: str) -> None:
    """Keeps what a transaction met that is over by now. Never raises."""
    for one in met:
        if isinstance(one.error, WATCHED):
            await record(db, one.error, place, answered=one.answered)


async def record(db: Recording, error: psycopg.Error, place: str, *, answered: bool = False) -> None:
    """Counts a refusal, and writes it down unless its sort was written just now. Never raises."""
    await count(db, Case(read(error), place, answered))


async def count(db: Recording, case: Case) -> None:
    """The same of what is known of a refusal already."""
    counter = expected if case.answered else seen
    counter.labels(case.violation.table or "unknown", case.violation.constraint or "unknown").inc()
    if times := db.refusals.count(case):
        await _write(db, case, times)


async def flush(db: Recording, *, all_of_them: bool = True) -> None:
    """Writes what was counted and not written. Never raises; what cannot be written waits."""
    for case, times in db.refusals.due(all_of_them=all_of_them):
        await _write(db, case, times)


async def _write(db: Recording, case: Case, times: int) -> None:
    found = case.violation
    (log.info if case.answered else log.error)(
        "constraint violated", sqlstate=found.sqlstate, table=found.table, constraint=found.constraint,
        declared=found.declared, place=case.place, answered=case.answered, times=times)  # fmt: skip
    is_written = False
    try:
        existing = await row_in_the_way(db, found)
        async with db.transaction(QUICK) as conn:
            await conn.execute(INSERT, {
                "sqlstate": found.sqlstate, "table": found.table, "constraint": found.constraint,
                "declared": found.declared, "key": found.masked, "place": case.place, "answered": case.answered,
                "times": times, "existing": None if existing is None else msgspec.json.encode(existing).decode(),
            })  # fmt: skip
        is_written = True
    except Exception as failure:  # noqa: BLE001 - the caller has an error to report already; this must not hide it
        log.warning("violation not recorded yet", failure=type(failure).__name__)
    finally:  # also of whoever is cancelled here
        if not is_written:
            db.refusals.give_back(case, times)


async def row_in_the_way(db: Recording, found: Violation) -> dict[str, Any] | None:
    """The harmless columns of the row that was in the way, as the server told it, or if it is there and may be read."""
    if found.existing is not None:
        return found.existing
    if found.sqlstate != UNIQUE or found.table is None or not found.key:
        return None
    same = [
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value))
        for column, value in found.key.items()
        if value is not None
    ]
    if unsure := [column for column, value in found.key.items() if value is None]:
        together = sql.SQL(", ").join(map(sql.Identifier, unsure))
        same.append(sql.SQL("concat_ws(', ', {}) = {}").format(together, sql.Literal(found.together)))
    statement = sql.SQL("select to_jsonb(t) from (select * from {table} where {same} limit 1) t").format(
        table=sql.Identifier(found.table), same=sql.SQL(" and ").join(same)
    )
    try:
        async with db.transaction(QUICK) as conn:
            row = await (await conn.execute(statement)).fetchone()
    except (psycopg.Error, Invalid):  # a dropped table, no right to read, an expression, or what fits no row of ours
        return None
    return harmless(row[0]) if row else None
