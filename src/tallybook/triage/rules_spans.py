"""Periods of one kind, such as somebody's absences, in which a moment is found at once. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

Span = tuple[datetime, datetime]
EVER: Span = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


class Spans:
    """Periods, joined where they touch or lie over each other, so that a moment is found at once."""

    def __init__(self, spans: Iterable[Span]) -> None:
        joined: list[Span] = []
        for since, until in sorted(span for span in spans if span[0] < span[1]):
            if joined and since <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(until, joined[-1][1]))
            else:
                joined.append((since, until))
        self.spans: Sequence[Span] = tuple(joined)
        self._starts = [since for since, _ in joined]

    def at(self, moment: datetime) -> Span | None:
        """The period that a moment is in."""
        number = bisect_right(self._starts, moment) - 1
        return self.spans[number] if number >= 0 and moment < self.spans[number][1] else None

    def between(self, moment: datetime) -> Span:
        """The time around a moment that is in none of them."""
        number = bisect_right(self._starts, moment)
        since = self.spans[number - 1][1] if number else EVER[0]
        return since, self._starts[number] if number < len(self._starts) else EVER[1]

    def meet(self, since: datetime, until: datetime) -> bool:
        """Whether any has a part in a period."""
        number = bisect_left(self._starts, until) - 1
        return number >= 0 and self.spans[number][1] > since


NEVER = Spans(())
