"""What is connected, how fresh it is and how far behind: measured, never inferred from a process being alive.

Judging is pure; ``report`` gathers the facts and survives a database that is away. A business is told of its own work
in numbers; of what the installation shares it is told how that is, and only its admins are told what.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import psycopg

from .db import Conn, Database
from .health_words import HEALTH
from .violations import IS_EXPECTED

State = Literal["ok", "late", "wrong"]

BEAT_LATE = timedelta(seconds=30)
WAITING_LATE = timedelta(minutes=2)
DATABASE_WAIT = 3.0  # seconds
UNSEEN = "This cannot be looked at."
AWAY = "The database cannot be reached. Nothing is lost: work waits until it is back."
NO_WORKER = "No worker has ever run here. Start one with: tallybook work"
NOT_HEARD = "Not heard of for a while. Is its process running?"
WORKING = "Working."
CONNECTED = "Connected."
# In place of a sentence that may hold a name, a number or a path.
PLAIN: dict[State, str] = {
    "ok": "In order.",
    "late": "It is behind. An admin sees how far.",
    "wrong": "Something is wrong here. An admin sees what it is.",
}


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at. ``since`` is when it was last well, or last heard of.

    ``open`` says that all of it may be read by whoever may see the business; else that is for admins, see ``plain``.
    ``unseen`` are the kinds of checks, the first words of their names, that could not be made: nothing is known of any.
    """

    name: str
    state: State
    says: str
    since: datetime | None = None
    facts: dict[str, str | int | float] = {}
    open: bool = False
    unseen: tuple[str, ...] = ()


class HealthReport(msgspec.Struct, frozen=True):
    """All checks, and one sentence for whoever only reads the first line."""

    sentence: str
    state: State
    checks: list[Check]


class Backlog(msgspec.Struct, frozen=True):
    """What waits, what is parked and what may or may not have been sent, over all tables of work."""

    waiting: int
    oldest: datetime | None
    parked_deliveries: int
    parked_jobs: int
    parked_messages: int
    parked_outgoing: int
    unknown: int
    violations: int
    blocking: int = 0

    @property
    def parked(self) -> int:
        return self.parked_deliveries + self.parked_jobs + self.parked_messages + self.parked_outgoing


class Beat(msgspec.Struct, frozen=True):
    """The last sign of life of a process or a reader."""

    name: str
    at: datetime
    details: dict[str, Any]


REFUSED = f"""
    select coalesce(sum(times), 0)::bigint as times,
        coalesce(sum(times) filter (where not {IS_EXPECTED}), 0)::bigint as blocking
    from constraint_violations where at > %(now)s::timestamptz - interval '7 days' and not answered"""
# Of one business, or with null of all rows, those included that are nobody's yet. An outgoing message of a topic may
# have to wait for its number's turn, and is late by another measure: its module's own check says so.
BACKLOG = f"""
select
    (select count(*) from deliveries
        where state = 'waiting' and not_before <= %(now)s and %(business_id)s::int is null)
        + (select count(*) from jobs where state = 'waiting' and not_before <= %(now)s
            and (%(business_id)s::int is null or business_id = %(business_id)s::int))
        + (select count(*) from outbox where state = 'waiting' and not_before <= %(now)s and topic is null
            and (%(business_id)s::int is null or business_id = %(business_id)s::int)),
    least(
        (select min(not_before) from deliveries where state = 'waiting' and %(business_id)s::int is null),
        (select min(not_before) from jobs where state = 'waiting'
            and (%(business_id)s::int is null or business_id = %(business_id)s::int)),
        (select min(not_before) from outbox where state = 'waiting' and topic is null
            and (%(business_id)s::int is null or business_id = %(business_id)s::int))),
    (select count(*) from deliveries where state = 'parked' and %(business_id)s::int is null),
    (select count(*) from jobs where state = 'parked'
        and (%(business_id)s::int is null or business_id = %(business_id)s::int)),
    (select count(*) from messages where parked_reason is not null
        and (%(business_id)s::int is null or business_id = %(business_id)s::int)),
    (select count(*) from outbox where state = 'parked'
        and (%(business_id)s::int is null or business_id = %(business_id)s::int)),
    (select count(*) from outbox where state = 'unknown'
        and (%(business_id)s::int is null or business_id = %(business_id)s::int)),
    r.times, r.blocking
from ({REFUSED} and %(business_id)s::int is null) r
"""
NOBODYS_BACKLOG = f"""
select
    (select count(*) from deliveries where state = 'waiting' and not_before <= %(now)s)
        + (select count(*) from jobs where state = 'waiting' and not_before <= %(now)s and business_id is null),
    least(
        (select min(not_before) from deliveries where state = 'waiting'),
        (select min(not_before) from jobs where state = 'waiting' and business_id is null)),
    (select count(*) from deliveries where state = 'parked'),
    (select count(*) from jobs where state = 'parked' and business_id is null),
    0, 0, 0, r.times, r.blocking
from ({REFUSED}) r
"""
BEATS = """
select name, at, details from heartbeats
where %(business_id)s::int is null or details->>'business_id' is null
    or (details->>'business_id')::int = %(business_id)s::int
order by name
"""


async def gather(conn: Conn, now: datetime, business_id: int | None) -> tuple[list[Backlog], list[Beat]]:
    """The facts of the work tables and the last signs of life: of everything, or of a business and of what it shares.

    With a business there are two backlogs: its own, and what is nobody's.
    """
    values = {"now": now, "business_id": business_id}
    backlogs = [Backlog(*row) for row in await (await conn.execute(BACKLOG, values)).fetchall()]
    if business_id is not None:
        backlogs += [Backlog(*row) for row in await (await conn.execute(NOBODYS_BACKLOG, values)).fetchall()]
    beats = [Beat(*one) for one in await (await conn.execute(BEATS, values)).fetchall()]
    return backlogs, beats


async def report(
    db: Database, now: datetime, extra: Sequence[Check] = (), business_id: int | None = None
) -> HealthReport:
    """Looks at the database and judges what it holds; ``extra`` are checks that the caller has made itself.

    With a business, counts are of its rows, and what belongs to another business is left out.
    """
    begun = time.perf_counter()
    try:
        async with db.transaction(DATABASE_WAIT) as conn:
            backlogs, beats = await gather(conn, now, business_id)
    except psycopg.Error:
        return summed_up([Check("database", "wrong", AWAY), *extra])
    latency = round((time.perf_counter() - begun) * 1000, 1)
    database = Check("database", "ok", CONNECTED, now, {"latency_ms": latency})
    checks = [database, *judge_beats(beats, now)]
    if business_id is None:
        checks += [*judge_backlog(backlogs[0], now), judge_violations(backlogs[0])]
    else:
        own, nobodys = backlogs
        checks += [msgspec.structs.replace(check, open=True) for check in judge_backlog(own, now)]
        checks += [*judge_installation(nobodys, now), judge_violations(nobodys)]
    return summed_up([*checks, *extra])


def plain(found: HealthReport) -> HealthReport:
    """The report as somebody reads it who is no admin: how the shared things are, without a name, number or path."""
    return summed_up([check if check.open else _plain(check) for check in found.checks])


def _plain(check: Check) -> Check:
    says = check.says if check.says in HEALTH else PLAIN[check.state]
    return Check(kind_of(check.name), check.state, says, check.since)


def kind_of(name: str) -> str:
    """What kind of check a name is of, such as ``group`` for ``group Lawley``."""
    return name.partition(" ")[0]


def judge_beats(beats: Sequence[Beat], now: datetime) -> list[Check]:
    """Who has not been heard of is late, or says so itself; who cannot work is wrong."""
    checks = [] if beats else [Check("worker", "wrong", NO_WORKER)]
    for beat in beats:
        facts = {key: value for key, value in beat.details.items() if isinstance(value, str | int | float)}
        facts.pop("business_id", None)
        problem, late = facts.pop("problem", None), facts.pop("late", None)
        if problem:
            checks.append(Check(beat.name, "wrong", str(problem), beat.at, facts))
        elif now - beat.at > BEAT_LATE:
            checks.append(Check(beat.name, "late", NOT_HEARD, beat.at, facts))
        else:
            says = str(late or facts.pop("says", WORKING))
            checks.append(Check(beat.name, "late" if late else "ok", says, beat.at, facts))
    return checks


WAITS = ("item waits", "items wait")
PARKED = ("item is parked", "items are parked")
UNKNOWN = ("sending ended without an answer", "sendings ended without an answer")
REFUSALS = ("unexpected refusal by the database this week", "unexpected refusals by the database this week")


def judge_backlog(backlog: Backlog, now: datetime) -> list[Check]:
    """Waiting work is fine while it moves; parked and unknown items want a person."""
    parked: dict[str, str | int | float] = {
        "messages": backlog.parked_messages,
        "deliveries": backlog.parked_deliveries,
        "jobs": backlog.parked_jobs,
        "outgoing": backlog.parked_outgoing,
    }
    aside: State = "wrong" if backlog.parked else "ok"
    unknown: State = "late" if backlog.unknown else "ok"
    return [
        Check("waiting", _moving(backlog, now), counted(backlog.waiting, *WAITS), backlog.oldest),
        Check("parked", aside, counted(backlog.parked, *PARKED), None, parked),
        Check("unknown", unknown, counted(backlog.unknown, *UNKNOWN)),
    ]


def judge_installation(backlog: Backlog, now: datetime) -> list[Check]:
    """As ``judge_backlog``, of what is no business's yet: raw deliveries and the installation's own jobs."""
    renamed = {"waiting": "installation-waiting", "parked": "installation-parked"}
    checks = judge_backlog(backlog, now)
    return [msgspec.structs.replace(check, name=renamed[check.name]) for check in checks if check.name in renamed]


def judge_violations(backlog: Backlog) -> Check:
    """Any at all wants a person: a rule of the database was hit where the code had no answer to it.

    It is worse where nothing that is declared forbids what was refused.
    """
    refused: State = "wrong" if backlog.blocking else "late" if backlog.violations else "ok"
    facts: dict[str, str | int | float] = {"blocking": backlog.blocking}
    return Check("constraints", refused, counted(backlog.violations, *REFUSALS), None, facts)


def summed_up(checks: list[Check]) -> HealthReport:
    """The first line: what is held, and what wants a person."""
    wrong = [check for check in checks if check.state == "wrong"]
    late = [check for check in checks if check.state == "late"]
    if not wrong and not late:
        return HealthReport("Everything is held.", "ok", checks)
    trouble = " ".join(f"{check.name[:1].upper()}{check.name[1:]}: {check.says}" for check in wrong + late)
    return HealthReport(trouble, "wrong" if wrong else "late", checks)


def _moving(backlog: Backlog, now: datetime) -> State:
    behind = backlog.oldest is not None and now - backlog.oldest > WAITING_LATE
    return "late" if backlog.waiting and behind else "ok"


def counted(count: int, one: str, many: str) -> str:
    return f"{count or 'No'} {one if count == 1 else many}."
