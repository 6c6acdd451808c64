"""How fast we may ask: SharePoint's resource units, and the pauses that it orders. Pure: ``now`` is an argument.

An application may use 1,200 units a minute in the smallest tenant. What it asks while it was told to wait counts
against it, so a pause holds for every request, not only for the one that was refused.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field

WINDOW = 60.0  # seconds
LIMIT = 1_000  # units a minute, of 1,200: the rest is left for whoever else uses the same registration
FIRST_PAUSE = 2.0  # seconds, doubled at each refusal, where SharePoint does not say how long


class Cost(enum.IntEnum):
    """Resource units of a request."""

    READ = 1
    QUERY = 2
    WRITE = 2
    PERMISSIONS = 5


@dataclass
class Budget:
    """What was used in the last minute. In any sixty seconds at most ``limit`` units are given out."""

    limit: int = LIMIT
    paused_until: float = 0.0
    refusals: int = 0
    _used: deque[tuple[float, int]] = field(default_factory=deque)

    def wait(self, cost: int, now: float) -> float:
        """Seconds until a request of this cost may leave; 0 is now. Takes nothing."""
        while self._used and self._used[0][0] <= now - WINDOW:
            self._used.popleft()
        pause = max(0.0, self.paused_until - now)
        over = sum(units for _, units in self._used) + cost - self.limit
        for at, units in self._used:
            if over <= 0:
                break
            over -= units
            pause = max(pause, at + WINDOW - now)
        return pause

    def take(self, cost: int, now: float) -> None:
        """A request of this cost leaves now."""
        self._used.append((now, cost))

    def presume(self, units: int, ago: float, now: float) -> None:
        """Another process of ours used so much, at most ``ago`` seconds ago: the minute is the application's."""
        if ago < WINDOW:
            self._used.appendleft((now - ago, min(units, self.limit)))

    def refused(self, retry_after: float | None, now: float) -> None:
        """Something was refused as too much: wait as long as was said, or longer at each refusal."""
        pause = FIRST_PAUSE * 2.0 ** min(self.refusals, 8) if retry_after is None else retry_after
        self.refusals += 1
        self.paused_until = max(self.paused_until, now + pause)

    def went_well(self) -> None:
        self.refusals = 0

    def near_the_end(self, remaining: int, reset: float, now: float) -> None:
        """SharePoint says how little is left, and in how many seconds there is more."""
        if remaining < max(Cost):
            self.paused_until = max(self.paused_until, now + reset)
