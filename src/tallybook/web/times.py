"""Times as people read them: relative while they are young, exact on hover, always in the business's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from gettext import NullTranslations

from babel import dates
from babel.numbers import format_decimal

from tallybook.core.businesses import Business

# A page prints the same few days and numbers over and over, and Babel looks each up in its tables anew.
_date = lru_cache(maxsize=4_096)(dates.format_date)
_number = lru_cache(maxsize=16_384)(format_decimal)
MINUTE = 60
HOUR = 3600


@dataclass(frozen=True)
class Clock:
    """A business's wall clock at one moment, in a reader's language."""

    now: datetime
    business: Business
    locale: str
    words: NullTranslations

    @property
    def today(self) -> date:
        return self.now.astimezone(self.business.zone).date()

    def ago(self, at: datetime) -> str:
        """“now”, “12 min ago”, then the time of day, then the day."""
        age = (self.now - at).total_seconds()
        if 0 <= age < MINUTE:
            return self.words.gettext("now")
        if 0 <= age < HOUR:
            return self.words.gettext("{n} min ago").replace("{n}", str(int(age // MINUTE)))
        return self.short(at)

    def short(self, at: datetime) -> str:
        """The time of day for today, the day and the time for any other day."""
        local = at.astimezone(self.business.zone)
        clock = local.strftime("%H:%M")
        if local.date() == self.today:
            return clock
        pattern = "EEE d MMM" if local.year == self.today.year else "d MMM y"
        return f"{_date(local.date(), pattern, self.locale)}, {clock}"

    def exact(self, at: datetime) -> str:
        """To the second, with the zone's name."""
        local = at.astimezone(self.business.zone)
        day = _date(local.date(), "EEE d MMM y", self.locale)
        return f"{day}, {local:%H:%M:%S} ({self.business.time_zone})"

    def day(self, on: date) -> str:
        return _date(on, "d MMM" if on.year == self.today.year else "d MMM y", self.locale)

    def long_day(self) -> str:
        return _date(self.today, "EEEE d MMMM", self.locale)

    def number(self, value: float) -> str:
        return _number(value, locale=self.locale)
