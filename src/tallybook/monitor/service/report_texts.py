"""The report of a day in words, in the business's language. Pure."""

from __future__ import annotations

from collections.abc import Callable

from tallybook.monitor.types import STEPS, Kind

from .report import OfDay, Report
from .statistics import share
from .statistics_picture import Caption

LABELS = {step.column: step.label for step in STEPS}
TEXTS = {
    "en": {
        "subject": "{business}: {drops} drops on {day}",
        "head": "{business}, {day} ({zone})",
        "line": "{project}: {drops} drops",
        "usual": ", usually {usual}",
        "complete": ", {complete} complete",
        "again": ", {again} posted again",
        "none": "Nothing was posted.",
        "month": "The last 30 days: {drops} drops, {complete} complete.",
        "first": "Right the first time: {passed} of the complete ones. Posted again: {again}.",
        "waiting": "Open for over seven days: {waiting}.",
        "wrong": "What goes wrong most: {steps}.",
        "step": "{step} ({wrong} wrong, {missing} missing)",
        "behind": "More is being counted; these figures may be behind.",
        "no_project": "No project",
        "title": "{business}: drops in 30 days",
        "posted": "posted", "of_these": "of these complete", "usually": "usually",
    },
    "he": {
        "subject": "{business}: {drops} דרופים ביום {day}",
        "head": "{business}, {day} ({zone})",
        "line": "{project}: {drops} דרופים",
        "usual": ", בדרך כלל {usual}",
        "complete": ", {complete} הושלמו",
        "again": ", {again} פורסמו שוב",
        "none": "לא פורסם דבר.",
        "month": "30 הימים האחרונים: {drops} דרופים, {complete} הושלמו.",
        "first": "תקין בפעם הראשונה: {passed} מאלה שהושלמו. פורסמו שוב: {again}.",
        "waiting": "פתוחות יותר משבעה ימים: {waiting}.",
        "wrong": "מה משתבש הכי הרבה: {steps}.",
        "step": "{step} ({wrong} שגוי, {missing} חסר)",
        "behind": "עוד נתונים נספרים; ייתכן שהמספרים מפגרים.",
        "no_project": "ללא פרויקט",
        "title": "{business}: דרופים ב־30 ימים",
        "posted": "פורסמו", "of_these": "מהן הושלמו", "usually": "בדרך כלל",
    },
}  # fmt: skip


def subject(report: Report) -> str:
    drops = sum(one.drops for one in report.projects if one.register is Kind.QA)
    return _filled(report, "subject", drops=drops)


def text(report: Report, say: Callable[[str], str]) -> str:
    """The whole report; ``say`` translates the names of steps."""
    lines = [_filled(report, "head"), ""]
    worked = [one for one in report.projects if one.drops or one.usual]
    lines += [_line(report, one) for one in worked] or [_filled(report, "none")]
    month, found = report.month, report.found
    passed, again = share(month.passed, month.complete), share(month.again, month.drops)
    lines += [
        "",
        _filled(report, "month", drops=month.drops, complete=month.complete),
        _filled(report, "first", passed=_percent(passed), again=_percent(again)),
        _filled(report, "waiting", waiting=found.total.waiting),
    ]
    if found.failures:
        steps = [
            _filled(report, "step", step=say(LABELS[one.column]), wrong=one.wrong, missing=one.missing)
            for one in found.failures
        ]
        lines.append(_filled(report, "wrong", steps="; ".join(steps)))
    if found.freshness.behind:
        lines += ["", _filled(report, "behind")]
    return "\n".join(lines) + "\n"


def caption(report: Report) -> Caption:
    """The words of the report's picture."""
    names = ("title", "posted", "of_these", "usually")
    return Caption(*(_filled(report, name) for name in names))


def _line(report: Report, one: OfDay) -> str:
    line = _filled(report, "line", project=one.project or _filled(report, "no_project"), drops=one.drops)
    if one.usual:
        line += _filled(report, "usual", usual=one.usual)
    if one.register is Kind.QA and one.drops:
        line += _filled(report, "complete", complete=one.complete)
    if one.repeated:
        line += _filled(report, "again", again=one.repeated)
    return line


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:g}%"


def _filled(report: Report, name: str, **values: object) -> str:
    """A text with its places filled; braces in a value are no places."""
    business = report.business
    known = {"business": business.name, "day": report.day.isoformat(), "zone": business.time_zone} | values
    filled = TEXTS.get(business.locale, TEXTS["en"])[name]
    parts = filled.split("{")
    return parts[0] + "".join(
        str(known[place]) + rest for place, _, rest in (part.partition("}") for part in parts[1:])
    )
