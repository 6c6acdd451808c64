"""Runs a plan step by step. What is done is written down in the database, so that it may be killed at any point.

No writer waits longer than the lock timeout because of it: whatever takes a lock that could stand in a writer's way
waits for it half of that time, is done within the whole of it or not at all, and is tried again later.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Any

import msgspec
import psycopg
from psycopg import errors

from tallybook.core.errors import Conflict
from tallybook.doctor.contract import Upsert

from . import store
from .keys import unusable_index
from .session import Limits, alone, briefly, execute, opened, value
from .switch import into, not_switched
from .types import Doing, Pace, Plan, Statement, Step
from .words import HOME

Conn = psycopg.AsyncConnection[Any]
# Told the step, how many of its parts are done, and how many there are (None where that is not known).
Told = Callable[[str, int, int | None], None]

TRIES = 40  # of a statement whose lock others hold
ROUNDS = 25  # of merging and building, while new duplicates come in
FEW = 1000  # groups
LEAST, MOST = 2, 20_000  # rows of a batch; a group has two at least
# After a batch that took less than the first share of the limit the next is larger, after more than the other smaller.
QUICK, SLOW = 0.2, 0.4
HELD = (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected)
LATER = (*HELD, errors.ForeignKeyViolation)  # a child came in for a row that was about to go


class Outcome(msgspec.Struct, frozen=True):
    """What became of a run. ``same`` tells whether all rows are what they were before it; None before an undoing."""

    run: str
    state: str
    says: str
    same: bool | None = None


async def repair(
    conn: Conn, plan: Plan, limits: Limits, told: Told, *, upserts: Sequence[Upsert] = (), switched: bool = False
) -> Outcome:
    """Begins a plan, or takes it up where it was left. Stops where the code has to be switched; called again, goes on.

    It does not stop where ``upserts``, else those of the plan, show that the code is switched, and does not go on
    while they show that it is not, unless somebody says that it is ``switched``. ``conn`` is in autocommit and direct,
    not through a pooler. Raises Conflict where others keep it from getting on.
    """
    await store.begin(conn, plan)
    async with alone(conn, plan):
        known = await store.find(conn, plan.run)
        if known.state in {"undoing", "undone"}:
            raise Conflict(f"Run {plan.run} is {known.state}; plan anew to repair again.")
        done = await store.done(conn, plan.run)
        for step in plan.steps:
            if step.name in done:
                continue
            if step.doing is Doing.STOP and not switched:
                says = await _why_to_wait(conn, plan, step, upserts, known.state == "waiting")
                if says is not None:
                    await store.set_state(conn, plan.run, "waiting")
                    return Outcome(plan.run, "waiting", says)
            await _run_step(conn, plan, step, limits, told)
            await store.mark(conn, plan.run, step.name)
            if step.doing is Doing.STOP:
                await store.set_state(conn, plan.run, "running")
        await store.set_state(conn, plan.run, "done")
    return Outcome(plan.run, "done", f"{plan.what} holds. Take it back with: tallybook doctor undo {plan.run}")


async def _why_to_wait(conn: Conn, plan: Plan, step: Step, upserts: Sequence[Upsert], was_told: bool) -> str | None:
    """What somebody has to do before what the code may rely on goes; None where nothing is known to rely on it."""
    known = into(plan.schema, plan.table, upserts) or plan.upserts
    left = await not_switched(conn, plan, known)
    if left and was_told:
        places, gone = "; ".join(one.place for one in left), ", ".join(plan.dropped)
        return (
            f"These statements still rely on {gone}, which would go: {places}. Switch them, then continue with the "
            "contract or the source as it is now, or with --switched where the code that runs says otherwise."
        )
    return step.says if left or not (known or was_told) else None


async def _run_step(conn: Conn, plan: Plan, step: Step, limits: Limits, told: Told) -> None:
    told(step.name, 0, None)
    if step.doing is Doing.ROUNDS:
        await _merge(conn, plan, step, limits, told)
        return
    for at, statement in enumerate(step.statements, 1):
        await run_statement(conn, statement, limits)
        told(step.name, at, len(step.statements))


async def run_statement(conn: Conn, statement: Statement, limits: Limits) -> None:
    """Runs a statement if it is needed, patiently where others hold what it needs.

    Raises Conflict where they never let go, and UniqueViolation where an index cannot be built over the rows.
    """
    for tried in range(TRIES):
        if statement.needed is not None and not await value(conn, statement.needed):
            return
        await _drop_remains(conn, statement)
        try:
            async with briefly(conn, limits) if statement.pace is Pace.BRIEF else nullcontext():
                await execute(conn, statement.text)
        except HELD:
            await _back_off(tried)
        except errors.UniqueViolation:
            await _drop_remains(conn, statement)
            raise
        else:
            return
    raise Conflict(
        f"Others held what this needs for {TRIES} tries, so it waits: {statement.text.partition('(')[0][:200]} … "
        "Look for long transactions in pg_stat_activity, then continue."
    )


async def _drop_remains(conn: Conn, statement: Statement) -> None:
    """An index whose building was killed or failed refuses writes and serves nothing; it is ours, by its name."""
    if statement.building is None:
        return
    if await value(conn, f"select {unusable_index(statement.building)}"):
        await execute(conn, f"drop index concurrently {statement.building}")


async def _merge(conn: Conn, plan: Plan, step: Step, limits: Limits, told: Told) -> None:
    """Rounds of looking for duplicates and merging them, until there are none and the key is built."""
    for _ in range(ROUNDS):
        await _drain(conn, plan, limits, told)
        found = await value(conn, f"select {HOME}.{plan.run}_find()")
        if found > FEW:
            continue
        # A few are merged and the building tried at once: another look would take as long as that does.
        await _drain(conn, plan, limits, told)
        try:
            for statement in step.statements:
                told("build", 0, None)
                await run_statement(conn, statement, limits)
        except errors.UniqueViolation:
            continue  # somebody wrote a duplicate since
        return
    raise Conflict(
        f"New duplicates of {plan.what} came in for {ROUNDS} rounds. Stop what writes them, or let it use on conflict "
        f"do nothing with a target, then continue: tallybook doctor repair --continue {plan.run}"
    )


async def _drain(conn: Conn, plan: Plan, limits: Limits, told: Told) -> None:
    """Merges the groups found, batch by batch, each within the lock timeout."""
    total = await value(conn, f"select count(*) from {HOME}.{plan.run}_groups")
    if total:
        async with briefly(conn, limits):
            await _batches(conn, plan, limits, told, total)


async def _batches(conn: Conn, plan: Plan, limits: Limits, told: Told, total: int) -> None:
    rows, merged, failed = limits.rows, 0, 0
    while True:
        began = time.monotonic()
        try:
            taken = await value(conn, f"select {HOME}.{plan.run}_batch({rows})")
        except LATER as error:
            failed += 1
            if failed > TRIES:
                raise Conflict(f"Rows of {plan.table} cannot be merged: {error.diag.message_primary}") from None
            await _put_off(conn, plan, rows)
            rows = max(LEAST, rows // 2)
            await _back_off(failed)
            continue
        except (errors.UniqueViolation, errors.RaiseException) as error:
            raise Conflict(f"The batch was left as it is. {error.diag.message_primary}") from None
        failed = 0
        if not taken:
            return
        merged += taken
        told("merge", merged, max(total, merged))
        rows = _rows_after(rows, (time.monotonic() - began) * 1000 / limits.lock)


def _rows_after(rows: int, share: float) -> int:
    """How many rows the next batch may have, after one that took this share of the limit."""
    if share < QUICK:
        return min(MOST, rows * 2)
    return max(LEAST, rows // 2) if share > SLOW else rows


async def _put_off(conn: Conn, plan: Plan, rows: int) -> None:
    """The groups that could not be merged now wait until the others are."""
    groups = f"{HOME}.{plan.run}_groups"
    with suppress(*LATER):
        await execute(
            conn,
            f"update {groups} set tried = tried + 1 where number in "
            f"(select number from {groups} order by tried, number limit {rows})",
        )


async def patiently(conn: Conn, limits: Limits, query: str, what: str) -> Any:
    """The value of a brief query, asked again while others hold what it needs.

    Raises Conflict where they never let go.
    """
    for tried in range(TRIES):
        try:
            async with briefly(conn, limits):
                return await value(conn, query)
        except HELD:
            await _back_off(tried)
    raise Conflict(f"{what} could not be done within {limits.lock} ms; try again with a larger --lock-timeout.")


async def previewed(conn: Conn, plan: Plan) -> dict[str, Any]:
    """What a plan would do, counted; empty where there is nothing to count. Reads only, and takes its time."""
    if plan.preview is None:
        return {}
    await opened(conn, plan)
    found: dict[str, Any] = await value(conn, plan.preview)
    return found


async def _back_off(tried: int) -> None:
    """Whoever holds a row or a table tells nobody when they let go, and two who gave way must not meet again."""
    share = random.uniform(0.5, 1.0)  # noqa: S311 - a jitter, not a secret
    await asyncio.sleep(min(5.0, 0.05 * 2 ** min(tried, 8)) * share)
