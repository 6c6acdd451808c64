"""The doctor's runs and the database's refusals as its page and its API show them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core.doctor_runs import Found, Run, changes
from tallybook.core.violations_shown import Case, Group

WORD = re.compile(r"\w+")


class Step(msgspec.Struct, frozen=True):
    """One run of the history, with what came and what went since the one before."""

    id: int
    at: datetime
    seconds: float
    cause: str
    release: str
    errors: int
    warnings: int
    notes: int
    came: list[Found]
    went: list[Found]


class Refusal(msgspec.Struct, frozen=True):
    """One constraint that said no. ``kind`` is ``expected`` (a declared key did its work) or ``blocks``.

    ``says`` is what it means, empty where the code had an answer each time; ``cases`` are the last of this business.
    """

    table: str | None
    constraint: str | None
    sqlstate: str
    kind: str
    says: str
    answered: int
    unanswered: int
    first_at: datetime
    last_at: datetime
    cases: list[Case]


class Doctor(msgspec.Struct, frozen=True):
    """What the doctor last found, whether it is looking now, its history and what the database refused since."""

    run: Run | None
    is_running: bool
    history: list[Step]
    refusals: list[Refusal]


def steps(runs: Sequence[Run], limit: int, business_id: int) -> list[Step]:
    """The history, the newest first; one run more than ``limit`` tells what came with the last of them."""
    mine = [own(run, business_id) for run in runs]
    return [_step(run, before) for run, before in zip(mine[:limit], [*mine[1:], None], strict=False)]


def _step(run: Run, before: Run | None) -> Step:
    came, went = changes(run, before)
    return Step(run.id, run.at, run.seconds, run.cause, run.release, run.errors, run.warnings, run.notes, came, went)


def refusal(group: Group) -> Refusal:
    return Refusal(
        group.table, group.constraint, group.sqlstate, group.kind.value, group.says, group.answered, group.unanswered,
        group.first_at, group.last_at, group.cases,
    )  # fmt: skip


def own(run: Run, business_id: int) -> Run:
    """A run without the rows of other businesses, which are nobody's affair but theirs."""
    return msgspec.structs.replace(run, findings=[_own(found, business_id) for found in run.findings])


def _own(found: Found, business_id: int) -> Found:
    """A finding with the rows of one business alone, in each what the key compares first."""
    compared = WORD.findall(found.key or "")
    mine = tuple(
        dict(sorted(row.items(), key=lambda one: one[0] not in compared))
        for row in found.rows
        if str(row.get("business_id", business_id)) == str(business_id)
    )
    return msgspec.structs.replace(found, rows=mine)
