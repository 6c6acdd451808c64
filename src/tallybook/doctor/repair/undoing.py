"""Takes a run back: every row and the old key as they were, or a word of what stands in the way and nothing done."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import tuple_row

from tallybook.core.errors import Conflict

from . import store
from .running import Outcome, Told, patiently, run_statement
from .session import Limits, alone, value
from .types import Doing, Plan, Step
from .words import HOME

Conn = psycopg.AsyncConnection[Any]


async def undo(conn: Conn, run: str, limits: Limits, told: Told) -> Outcome:
    """Undoes a run, or goes on undoing it. ``conn`` is in autocommit.

    Raises NotFound for a run that is not known, Conflict with the rows that stand in the way.
    """
    found = await store.find(conn, run)
    plan = found.plan
    if found.state == "undone":
        return Outcome(run, "undone", f"Run {run} is undone already.", _same(found))
    if not plan.undo:
        return Outcome(run, found.state, f"Run {run} is left as it is. {' '.join(plan.notes)}")
    async with alone(conn, plan):
        done = await store.done(conn, run)
        if plan.kept and "prepare" not in done:
            await store.set_state(conn, run, "undone")
            return Outcome(run, "undone", f"Run {run} had changed nothing yet.", same=True)
        await _refuse_what_is_in_the_way(conn, plan)
        await store.set_state(conn, run, "undoing")
        for step in plan.undo:
            if f"undo {step.name}" in done:
                continue
            told(f"undo {step.name}", 0, None)
            if step.doing is Doing.ROUNDS:
                await _restore(conn, plan, limits, told)
            else:
                await _undo_statements(conn, plan, step, limits, told)
            await store.mark(conn, run, f"undo {step.name}")
        await _sum_up(conn, plan)
        await store.set_state(conn, run, "undone")
    return _told_what(await store.find(conn, run))


async def _undo_statements(conn: Conn, plan: Plan, step: Step, limits: Limits, told: Told) -> None:
    for at, statement in enumerate(step.statements, 1):
        try:
            await run_statement(conn, statement, limits)
        except errors.UniqueViolation:
            # Written after the look: what was there before is there still, and so is what was built.
            await _refuse_what_is_in_the_way(conn, plan)
            raise Conflict("Rows written since stand in the way of the old key; try again.") from None
        told(f"undo {step.name}", at, len(step.statements))


async def _refuse_what_is_in_the_way(conn: Conn, plan: Plan) -> None:
    for _, kept in plan.kept:  # just filled, maybe; without figures of it the looks below would be long
        statement = f"analyze {kept}".encode()
        await conn.execute(statement)
    said: list[str] = []
    for way in plan.back:
        statement = way.query.encode()
        rows = [row[0] for row in await (await conn.cursor(row_factory=tuple_row).execute(statement)).fetchall()]
        if rows:
            said.append(f"{way.says}:\n" + "\n".join(f"  {row}" for row in rows))
    if said:
        raise Conflict(
            f"Run {plan.run} cannot be undone, and nothing was changed: " + "\n".join(said)
            + "\nMove these rows out of the way, then undo again."
        )  # fmt: skip


async def _restore(conn: Conn, plan: Plan, limits: Limits, told: Told) -> None:
    batches = "select count(distinct doctor_batch) from {} where not doctor_undone"
    total = max([await value(conn, batches.format(kept)) for _, kept in plan.kept])
    restored = 0
    while True:
        try:
            more = await patiently(conn, limits, f"select {HOME}.{plan.run}_undo()", "Restoring a batch")
        except (errors.RaiseException, errors.IntegrityError) as error:
            await _refuse_what_is_in_the_way(conn, plan)
            raise Conflict(
                f"Some rows could not be restored: {error.diag.message_primary} What was restored stays so; mend "
                "this, then undo again."
            ) from None
        if not more:
            return
        restored += 1
        told("undo restore", restored, max(total, restored))


async def _sum_up(conn: Conn, plan: Plan) -> None:
    if plan.sums is None:
        return
    statement = f"update {HOME}.runs set after = {plan.sums} where run = %(run)s::text".encode()
    await conn.execute(statement, {"run": plan.run})


def _same(found: store.Run) -> bool | None:
    return None if found.before is None else found.before == found.after


def _told_what(found: store.Run) -> Outcome:
    same = _same(found)
    run = found.plan.run
    if same is None:
        says = f"Run {run} is undone."
    elif same:
        says = f"Run {run} is undone; the checksum of all rows is what it was before."
    else:
        says = (
            f"Run {run} is undone; each row that it had touched is what it was. The checksum of all rows is another, "
            "since rows were written meanwhile."
        )
    return Outcome(run, "undone", says, same)
