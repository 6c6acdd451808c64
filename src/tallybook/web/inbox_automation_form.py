"""A rule as a plain form has it: read, and drawn again as it was typed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tallybook.core.errors import Invalid
from tallybook.core.numbers import number_in
from tallybook.inbox.automation_types import Daily, Draft, Keyword, LabelPut, Reminder, Rule, Silence, StatusEntered
from tallybook.inbox.hours import Hours

UNREADABLE = "Something is missing or not as it should be. Look at each part of the sentence."
WRONG_TIME = "A time is written as 09:00-17:00."
NEXT = "|"


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form, as text."""

    name: str = ""
    on: str = "any"
    words: str = ""
    whole: bool = True
    at: str = "09:00"
    days: Sequence[str] = ("0", "1", "2", "3", "4")
    label: str = ""
    status: str = ""
    of: str = "customer"
    hours: str = "20"
    minutes: Sequence[str] = ("1440", "120")
    with_labels: Sequence[str] = ()
    without: Sequence[str] = ()
    statuses: Sequence[str] = ()
    accounts: Sequence[str] = ()
    opening: str = ""
    text: str = ""
    template: str = ""
    values: str = ""
    put: str = ""
    assign: str = ""
    hand_over: bool = False
    webhook: bool = False
    confirm: bool = False


def read(form: Mapping[str, Sequence[str]]) -> Typed:
    """What somebody typed; what is not said is empty."""

    def one(name: str) -> str:
        return str(form.get(name, [""])[0])

    lists = {"days", "minutes", "with_labels", "without", "statuses", "accounts"}
    told: dict[str, Any] = {}
    for field in Typed.__struct_fields__:
        if field in lists:
            told[field] = [str(value) for value in form.get(field, [])]
        elif field in {"whole", "hand_over", "webhook", "confirm"}:
            told[field] = one(field) == "yes"
        else:
            told[field] = one(field)
    return Typed(**told)


def draft(typed: Typed) -> Draft:
    """The rule that was typed. Raises Invalid."""
    name, _, language = typed.template.partition(NEXT)
    template = {"name": name, "language": language, "values": _lines(typed.values)} if name else None
    actions = {
        "text": typed.text.replace("\r\n", "\n"), "template": template, "label": number_in(typed.put),
        "assign_to": number_in(typed.assign), "hand_over": typed.hand_over, "webhook": typed.webhook,
        "confirm": typed.confirm and typed.on == "appointment",
    }  # fmt: skip
    conditions = {
        "labels": [number_in(one) for one in typed.with_labels], "without": [number_in(one) for one in typed.without],
        "statuses": list(typed.statuses), "accounts": list(typed.accounts), "hours": typed.opening,
    }  # fmt: skip
    told = {"name": typed.name.strip(), "trigger": _trigger(typed), "conditions": conditions, "actions": actions}
    try:
        return msgspec.convert(told, Draft)
    except msgspec.ValidationError:
        raise Invalid(UNREADABLE) from None


def _trigger(typed: Typed) -> dict[str, Any]:
    more: dict[str, dict[str, Any]] = {
        "keyword": {"words": [one.strip() for one in typed.words.split(",") if one.strip()], "whole": typed.whole},
        "daily": {"at": typed.at, "weekdays": [number_in(one) for one in typed.days]},
        "label": {"label": number_in(typed.label)},
        "status": {"status": typed.status},
        "silence": {"of": typed.of, "hours": number_in(typed.hours)},
        "appointment": {"minutes": [number_in(one) for one in typed.minutes]},
    }
    return {"on": typed.on, **more.get(typed.on, {})}


def _lines(text: str) -> list[str]:
    return [one.strip() for one in text.replace("\r\n", "\n").split("\n") if one.strip()]


def typed_of(rule: Rule | Draft) -> Typed:
    """A rule as the form shows it."""
    told = Typed(name=rule.name, on=msgspec.to_builtins(rule.trigger)["on"])
    match rule.trigger:
        case Keyword(words=words, whole=whole):
            told = msgspec.structs.replace(told, words=", ".join(words), whole=whole)
        case Daily(at=at, weekdays=days):
            told = msgspec.structs.replace(told, at=at, days=[str(one) for one in days])
        case LabelPut(label=label):
            told = msgspec.structs.replace(told, label=str(label))
        case StatusEntered(status=status):
            told = msgspec.structs.replace(told, status=status)
        case Silence(of=of, hours=hours):
            told = msgspec.structs.replace(told, of=of, hours=str(hours))
        case Reminder(minutes=minutes):
            told = msgspec.structs.replace(told, minutes=[str(one) for one in minutes])
        case _:
            pass
    actions, conditions = rule.actions, rule.conditions
    template = actions.template
    return msgspec.structs.replace(
        told,
        with_labels=[str(one) for one in conditions.labels],
        without=[str(one) for one in conditions.without],
        statuses=list(conditions.statuses),
        accounts=list(conditions.accounts),
        opening=conditions.hours,
        text=actions.text,
        template=f"{template.name}{NEXT}{template.language}" if template else "",
        values="\n".join(template.values) if template else "",
        put=str(actions.label or ""),
        assign=str(actions.assign_to or ""),
        hand_over=actions.hand_over,
        webhook=actions.webhook,
        confirm=actions.confirm,
    )


def read_hours(form: Mapping[str, Sequence[str]]) -> Hours:
    """The opening hours that were typed: a line of times for each day, and a day on each line. Raises Invalid."""

    def one(name: str) -> str:
        return str(form.get(name, [""])[0])

    dates = {}
    for line in _lines(one("dates")):
        on, _, times = line.partition(" ")
        dates[on] = _spans(times)
    told = {
        "week": [_spans(one(f"day{number}")) for number in range(7)] if one("kept") == "yes" else [],
        "country": one("country"), "dates": dates,
    }  # fmt: skip
    try:
        return msgspec.convert(told, Hours)
    except msgspec.ValidationError:
        raise Invalid(WRONG_TIME) from None


def _spans(text: str) -> list[tuple[str, str]]:
    found = []
    for part in text.replace("–", "-").replace(";", ",").split(","):
        opens, dash, closes = part.strip().partition("-")
        if not part.strip():
            continue
        if not dash:
            if any(one.isdecimal() for one in part):
                raise Invalid(WRONG_TIME)
            continue  # a word, as “closed”
        found.append((_clock(opens), _clock(closes)))
    return found


def _clock(text: str) -> str:
    hour, _, minute = text.strip().partition(":")
    return f"{hour.strip():0>2}:{minute.strip() or '00'}"


def hours_lines(hours: Hours) -> tuple[list[str], str]:
    """The times of each day of the week, and the business's own days, as lines."""
    week = [", ".join("-".join(span) for span in day) for day in hours.week] or [""] * 7
    dates = "\n".join(
        f"{on} {', '.join('-'.join(span) for span in day)}".strip() for on, day in sorted(hours.dates.items())
    )
    return week, dates
