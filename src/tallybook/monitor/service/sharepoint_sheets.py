"""A day's workbook: what was counted, each review with its steps, each activation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from tallybook.channels.sharepoint.types import ItemKey, Row, Sheet, Values
from tallybook.monitor.store.sharepoint_days import ActivationRow, DropRow
from tallybook.monitor.types import STEP_COLUMNS, STEPS, Verdict, verdicts

COUNTED = ["Date", "Project", "Drops", "Complete", "Incomplete", "Resubmitted"]
REVIEWED = ["Project", "Drop", "Posted", "By", "Posted again", "Complete", *(step.label for step in STEPS), "Comment"]
ACTIVATED = ["Project", "Drop", "Posted", "By", "Posted again", "Valid", "Remark"]
WORDS = {Verdict.RIGHT: "OK", Verdict.MISSING: "MISSING"}


def file_name(day: date) -> str:
    return f"{day.isoformat()} Tallybook.xlsx"


def sheets(
    counts: Mapping[ItemKey, Values], drops: Sequence[DropRow], activations: Sequence[ActivationRow], zone: ZoneInfo
) -> list[Sheet]:
    """The three sheets. Moments are those of the business's wall."""
    return [
        Sheet(
            "Day", COUNTED, [_counted(key, values) for key, values in sorted(counts.items(), key=lambda one: one[0])]
        ),
        Sheet("Reviews", REVIEWED, [_reviewed(drop, zone) for drop in drops]),
        Sheet("Marketing", ACTIVATED, [_activated(one, zone) for one in activations]),
    ]


def _counted(key: ItemKey, values: Values) -> Row:
    return [key.day.isoformat(), key.project, values.drops, values.complete, values.incomplete, values.resubmitted]


def _reviewed(drop: DropRow, zone: ZoneInfo) -> Row:
    marks: list[str | None] = [None] * len(STEPS)
    if drop.completed is not None:
        ticks = {column: bool(ticked) for column, ticked in zip(STEP_COLUMNS, drop.steps, strict=True)}
        reasons = drop.reasons or {}
        judged = zip(STEP_COLUMNS, verdicts(ticks, reasons), strict=True)
        marks = [WORDS.get(mark) or f"WRONG: {reasons[column]}" for column, mark in judged]
    begun: Row = [drop.project or "", drop.drop_number, _wall(drop.said_at, zone), drop.by]
    return [*begun, _yes(drop.again), _yes(drop.completed), *marks, drop.comment]


def _activated(one: ActivationRow, zone: ZoneInfo) -> Row:
    begun: Row = [one.project, one.drop_number, _wall(one.said_at, zone), one.by]
    return [*begun, _yes(one.again), None if one.is_valid is None else _yes(one.is_valid), one.message]


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, microsecond=0)


def _yes(truth: bool | None) -> str:
    return "yes" if truth else "no"
