"""The doctor inside the product: it examines the environment's own schema at each start, each night, and when asked."""

from __future__ import annotations

import asyncio
import re
from collections import Counter as Tally
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import psycopg
from msgspec.structs import replace

from .app import App
from .core import doctor_figures, doctor_runs
from .core.connection import LINE
from .core.db import PROD, Conn, schema_of
from .core.doctor_runs import EXAMINE, Found, Run
from .core.jobs import Held
from .core.schedules import Schedule
from .core.standing import Rhythm, again_and_again
from .core.violations import masked
from .doctor import drift_evidence
from .doctor.catalog import Catalog
from .doctor.catalog_reading import BeingChanged, read
from .doctor.contract import Contract
from .doctor.drift import drift
from .doctor.drift_evidence import Side
from .doctor.examining import examine
from .doctor.findings import in_order
from .doctor.looking import Clock
from .doctor.types import Code, Finding, Report, Severity
from .own_contract import own_contract

MOST = 500  # findings of one run that are kept; the counts are of all
WITHIN = 60.0  # seconds for one examination
SHOW_SECONDS = 30.0
# A worker first takes up what waited while it was away; one that is stopped at once leaves the examination to others.
SETTLED = timedelta(seconds=15)
# Several workers of one release that start within so many minutes ask for one examination.
TOGETHER = 10
# A key's values, as the server quotes them. They may hold parentheses, so that only the last one surely ends them.
VALUES = re.compile(r"\)=\(.*\)", re.DOTALL)


# Schemas of this database with tables of ours, by whose role they are told from those of other programs.
OTHERS = """
select e.name, e.nspname from pg_class c join (
    select oid, nspname, case nspname when 'public' then 'prod' else nspname end as name from pg_namespace) e
    on e.oid = c.relnamespace
join pg_roles r on r.rolname = 'tallybook_' || e.name
where c.relname = 'alembic_version' and c.relkind = 'r' and e.nspname <> %(own)s order by e.nspname <> 'public', 1
"""
READ_WITHIN = 20.0  # seconds for one environment's catalogue
ROWS_WITHIN = 30.0  # seconds for the rows of all environments that one takes and another refuses


def schedules(time_zone: str) -> list[Schedule]:
    """The examination of each night."""
    return [Schedule("doctor nightly", EXAMINE, time_zone, daily_at=time(4, 10))]


async def run_job(app: App, held: Held) -> None:
    """The job: examines and keeps what was found, once for each job whatever happens to whoever does it."""
    args = held.job.args
    cause = doctor_runs.NIGHTLY if "schedule" in args else str(args.get("cause", doctor_runs.ASKED))
    run = await examined(app, cause)

    async def keep(conn: Conn) -> None:
        await doctor_runs.keep(conn, run)
        await held.finish(conn)

    await app.db.run("keep what the doctor found", keep)
    doctor_figures.show(run)


async def examined(app: App, cause: str) -> Run:
    """Examines the environment's schema by a connection of its own; changes nothing."""
    began = datetime.now(UTC)
    contract = await asyncio.to_thread(_contract)
    url = app.settings.direct_database_url or app.settings.database_url or ""
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, application_name="tallybook doctor", **LINE
    ) as conn:
        report = await examine(conn, contract, [schema_of(app.db.environment)], seconds=WITHIN)
        found = [*report.findings, *await drifted(conn, app.db.environment)]
    return run_of(replace(report, findings=tuple(in_order(found))), cause, began)


async def drifted(conn: psycopg.AsyncConnection[Any], environment: str) -> list[Finding]:
    """How the environment's schema differs from the others: production from each, each other one from production.

    With rows that one takes and the other refuses, as far as our role may read them.
    """
    own = schema_of(environment)
    others = await (await conn.execute(OTHERS, {"own": own})).fetchall()
    found: list[Finding] = []
    clock = Clock(ROWS_WITHIN)
    for other, schema in others:
        if PROD not in {environment, other}:
            continue
        try:
            here, there = [await read(conn, [one], seconds=READ_WITHIN) for one in (own, schema)]
        except (BeingChanged, psycopg.errors.QueryCanceled):
            found.append(_not_compared(environment, other))
        else:
            differences = of_one_release(drift(here, there, names=(environment, other)), here, there)
            found += await drift_evidence.with_rows(differences, (Side(conn, here), Side(conn, there)), clock)
    return found


def of_one_release(found: Sequence[Finding], here: Catalog, there: Catalog) -> list[Finding]:
    """Differences as faults only where both have the same tables and columns; else one was migrated first. Pure."""
    tables = [{(one.name, frozenset(column.name for column in one.columns))
               for one in side.tables if not one.is_partition} for side in (here, there)]  # fmt: skip
    if tables[0] == tables[1]:
        return list(found)
    return [replace(one, severity=Severity.WARNING) if one.severity is Severity.ERROR else one for one in found]


def _not_compared(environment: str, other: str) -> Finding:
    return Finding(
        code=Code.NOT_LOOKED_AT, severity=Severity.NOTE, table="",
        says=f"The catalogue could not be read in time, so {environment} and {other} were not compared.",
        do=f"tallybook doctor compare --env {environment if environment != PROD else other}",
    )  # fmt: skip


@cache
def _contract() -> Contract:
    """Our own contract, which takes some seconds to gather and stays as it is while a process runs."""
    return own_contract()


def run_of(report: Report, cause: str, began: datetime) -> Run:
    """A report as it is kept. Pure."""
    count = Tally(found.severity for found in report.findings)
    return Run(
        0, began, report.seconds, cause, version("tallybook"), report.tables, report.keys, report.upserts,
        count[Severity.ERROR], count[Severity.WARNING], count[Severity.NOTE],
        [kept(found) for found in report.findings[:MOST]],
    )  # fmt: skip


def kept(found: Finding) -> Found:
    """A finding without what is personal in its rows. Pure."""
    shown = found.evidence
    return Found(
        found.code.value, found.severity.value, found.table, found.says, found.do, found.name, found.place,
        found.key.says if found.key else None, tuple(masked(row) for row in shown.rows), shown.groups,
        VALUES.sub(")=(…)", shown.error) if shown.error else None, shown.times, shown.last,
    )  # fmt: skip


async def watch(app: App, stop: asyncio.Event) -> None:
    """Asks for an examination at the start, then shows what the last run of any worker found, until ``stop`` is set."""
    began = datetime.now(UTC)
    moment = began.replace(minute=began.minute - began.minute % TOGETHER).strftime("%Y-%m-%dT%H:%M")
    key = f"{doctor_runs.START} {version('tallybook')} {moment}"
    ask = partial(doctor_runs.ask, cause=doctor_runs.START, key=key, not_before=began + SETTLED)
    await app.db.run("ask for an examination", ask)
    await again_and_again(app.db, Rhythm(stop, SHOW_SECONDS), partial(_show_last, app), "The doctor's figures wait")


async def _show_last(app: App) -> None:
    runs = await app.db.run("find what the doctor found", lambda conn: doctor_runs.newest(conn, 1))
    doctor_figures.show(runs[0] if runs else None)
