"""In which language somebody is told, and how a text gets its values. The texts themselves are beside this file.

A language that is Hebrew's by Slack is told in Hebrew; what nobody has written for is told in English.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import dates

from .elements import Ready, escaped

DEFAULT = "en"
KNOWN = frozenset({"en", "he"})
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONG = timedelta(days=2)  # from then on hours are not told
Texts = Mapping[str, Mapping[str, str]]
_date = lru_cache(maxsize=4_096)(dates.format_date)

_SPANS: Texts = {
    "en": {"span": "{since} – {until}", "d": "{n} d", "dh": "{n} d {rest} h", "h": "{n} h {rest} min",
           "min": "{n} min"},
    "he": {"span": "{since} – {until}", "d": "{n} ימ׳", "dh": "{n} ימ׳ ו־{rest} שע׳", "h": "{n} שע׳ ו־{rest} דק׳",
           "min": "{n} דק׳"},
}  # fmt: skip


def language(of_slack: str | None, of_business: str) -> str:
    """Of somebody whose Slack is in ``of_slack`` (as ``he-IL``, where that is known), in a business of a language."""
    for one in (of_slack, of_business):
        found = (one or "").replace("_", "-").partition("-")[0].lower()
        found = "he" if found == "iw" else found
        if found in KNOWN:
            return found
    return DEFAULT


def filled(texts: Texts, locale: str, name: str, /, **values: object) -> str:
    """A text for where nothing is marked up. Braces in a value are no places."""
    parts = texts.get(locale, texts[DEFAULT])[name].split("{")
    return parts[0] + "".join(
        str(values[place]) + rest for place, _, rest in (part.partition("}") for part in parts[1:])
    )


def said(texts: Texts, locale: str, name: str, /, **values: object) -> Ready:
    """A text for where Slack marks up; every value is escaped but those that are Ready."""
    shown = {key: escaped(value) if isinstance(value, str) else value for key, value in values.items()}
    return Ready(filled(texts, locale, name, **shown))


def day(locale: str, on: date, today: date) -> str:
    """“Mon 5 Jan”; with the year, where it is another one."""
    pattern = "EEE d MMM" if on.year == today.year else "EEE d MMM y"
    return str(_date(on, pattern, locale))


def moment(locale: str, at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """The day and the time by the clocks of a zone."""
    local = at.astimezone(zone)
    return f"{day(locale, local.date(), now.astimezone(zone).date())}, {local:%H:%M}"


def span(locale: str, since: datetime, until: datetime, zone: ZoneInfo, now: datetime) -> str:
    """A period; where it ends on the day on which it begins, its end is a time alone."""
    begins, ends = since.astimezone(zone), until.astimezone(zone)
    later = f"{ends:%H:%M}" if begins.date() == ends.date() else moment(locale, until, zone, now)
    return filled(_SPANS, locale, "span", since=moment(locale, since, zone, now), until=later)


def lasting(locale: str, time: timedelta) -> str:
    """How long something takes, or is to come, as it is said."""
    time = max(time, MINUTE)
    days, rest = divmod(time, DAY)
    if time >= LONG or (days and rest < HOUR):
        return filled(_SPANS, locale, "d", n=days)
    if days:
        return filled(_SPANS, locale, "dh", n=days, rest=rest // HOUR)
    hours, rest = divmod(time, HOUR)
    if hours:
        return filled(_SPANS, locale, "h", n=hours, rest=rest // MINUTE)
    return filled(_SPANS, locale, "min", n=time // MINUTE)
