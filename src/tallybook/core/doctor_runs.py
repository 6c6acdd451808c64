"""What the doctor found in the environment's schema, run by run, and what health says of the last one.

Nothing personal stands here: whoever keeps a run has replaced what is not known to be harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from .connection import Conn
from .health import Check, State, counted
from .jobs import NewJob, enqueue

EXAMINE = "doctor.examine"
ASKED, START, NIGHTLY = "asked", "start", "nightly"
# Two nights, and what a night may take.
NOT_LATELY = timedelta(hours=50)
NAMES = ("doctor",)
NOT_YET = "Not examined yet: that is done at each start and every night."
LATE = "Not examined for two nights."
HEALTHY = "The schema says what the business says."
FAULTS = ("fault in the schema", "faults in the schema")


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding as it is kept. ``rows`` stand against each other, masked, in so many ``groups`` where that is known.

    ``key`` is the declared key in words; ``times`` and ``last`` say how often and when users met it.
    """

    code: str
    severity: str
    table: str
    says: str
    do: str
    name: str | None = None
    place: str | None = None
    key: str | None = None
    rows: tuple[dict[str, Any], ...] = ()
    groups: int | None = None
    error: str | None = None
    times: int = 0
    last: datetime | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """By what the same fault is known again in another run."""
        return self.code, self.table, self.name or "", self.place or "", self.key or ""


class Run(msgspec.Struct, frozen=True):
    """One examination. ``id`` is 0 until it is kept; ``seconds`` is how long it took."""

    id: int
    at: datetime
    seconds: float
    cause: str
    release: str
    tables: int
    keys: int
    upserts: int
    errors: int
    warnings: int
    notes: int
    findings: list[Found]


COLUMNS = ", ".join(Run.__struct_fields__)
KEEP = """
insert into doctor_runs
    (at, seconds, cause, release, tables, keys, upserts, errors, warnings, notes, findings)
values (%(at)s::timestamptz, %(seconds)s::float8, %(cause)s, %(release)s, %(tables)s::int, %(keys)s::int,
    %(upserts)s::int, %(errors)s::int, %(warnings)s::int, %(notes)s::int, %(findings)s::jsonb)
"""
RUNS = f"""
select {COLUMNS} from doctor_runs
where %(at)s::timestamptz is null or (at, id) < (%(at)s::timestamptz, %(id)s::bigint)
order by at desc, id desc limit %(limit)s::int
"""
ONE = f"select {COLUMNS} from doctor_runs where id = %(id)s::bigint"
LAST = "select at, errors, warnings from doctor_runs order by at desc, id desc limit 1"
# One that was parked is told of by health; it may be asked for again.
RUNNING = "select exists (select from jobs where kind = %(kind)s and state not in ('done', 'parked'))"


async def keep(conn: Conn, run: Run) -> None:
    """Adds a run to the history."""
    values = msgspec.structs.asdict(run) | {"findings": msgspec.json.encode(run.findings).decode()}
    await conn.execute(KEEP, values)


async def newest(conn: Conn, limit: int, below: tuple[datetime, int] | None = None) -> list[Run]:
    """Runs, the newest first; the next page begins below the last one's moment and number."""
    at, number = below or (None, 0)
    found = await (await conn.execute(RUNS, {"limit": limit, "at": at, "id": number})).fetchall()
    return [_run(row) for row in found]


async def one(conn: Conn, number: int) -> Run | None:
    """A run by its number; None where there is none."""
    row = await (await conn.execute(ONE, {"id": number})).fetchone()
    return _run(row) if row else None


def _run(row: tuple[Any, ...]) -> Run:
    return Run(*(*row[:-1], msgspec.convert(row[-1], list[Found])))


async def is_running(conn: Conn) -> bool:
    """Whether an examination was asked for and is not over yet."""
    row = await (await conn.execute(RUNNING, {"kind": EXAMINE})).fetchone()
    return bool(row and row[0])


async def ask(conn: Conn, cause: str, key: str, not_before: datetime | None = None) -> bool:
    """Asks for an examination, at once or later, once for each key; whether it was new."""
    return await enqueue(conn, [NewJob(EXAMINE, key, {"cause": cause}, not_before=not_before)]) == 1


def changes(newer: Run, older: Run | None) -> tuple[list[Found], list[Found]]:
    """What came and what went from one run to the next. Pure; of the first run nothing is known to have come."""
    if older is None:
        return [], []
    before, now = _by_identity(older.findings), _by_identity(newer.findings)
    came = [found for identity, found in now.items() if identity not in before]
    return came, [found for identity, found in before.items() if identity not in now]


def _by_identity(findings: Sequence[Found]) -> dict[tuple[str, ...], Found]:
    return {found.identity: found for found in findings}


async def checks(conn: Conn, now: datetime) -> list[Check]:
    """What health says of the doctor: faults are wrong, and so that nobody looked is late."""
    row = await (await conn.execute(LAST)).fetchone()
    at, errors, warnings = row or (None, 0, 0)
    return [judge(at, errors, warnings, now)]


def judge(at: datetime | None, errors: int, warnings: int, now: datetime) -> Check:
    """The check by what the last run found. Pure. Where nobody looked for two nights, old faults are still told."""
    facts: dict[str, str | int | float] = {"warnings": warnings}
    if at is None:
        return Check("doctor", "ok", NOT_YET)
    if errors:
        return Check("doctor", "wrong", counted(errors, *FAULTS), at, facts)
    state: State = "late" if now - at > NOT_LATELY else "ok"
    return Check("doctor", state, HEALTHY if state == "ok" else LATE, at, facts)
