"""How often each method may be called: by tiers, and posts by the second in each channel. Pure; ``now`` is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

# Calls a minute; as many at once. The first tier is "one and more": a few at once are let through.
T1, T2, T3, T4, MANY = (10, 1), (20, 20), (50, 50), (100, 100), (600, 600)
TIERS: Mapping[str, tuple[int, int]] = {
    "apps.connections.open": T1,
    "auth.test": MANY,
    "chat.postMessage": MANY,
    "chat.postEphemeral": T4,
    "chat.update": T3,
    "conversations.history": T3,
    "conversations.info": T3,
    "conversations.open": T3,
    "conversations.replies": T3,
    "conversations.setTopic": T2,
    "usergroups.list": T2,
    "usergroups.users.list": T2,
    "usergroups.users.update": T2,
    "users.info": T4,
    "users.list": T2,
    "views.open": T4,
    "views.publish": T4,
    "views.push": T4,
    "views.update": T4,
}
POSTS_AT_ONCE, POSTS_A_MINUTE = 3, 60  # in one channel: one a second, and a short burst


@dataclass
class Bucket:
    """So many at once, and then so many a minute."""

    most: float
    a_minute: float
    left: float
    at: float

    def take(self, now: float) -> float | None:
        """Takes one; or how many seconds until there is one."""
        self.left = min(self.most, self.left + (now - self.at) * self.a_minute / 60)
        self.at = now
        if self.left >= 1:
            self.left -= 1
            return None
        return (1 - self.left) * 60 / self.a_minute


@dataclass
class Tiers:
    """What was called of late."""

    buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)

    def wait(self, method: str, channel: str, now: float) -> int | None:
        """Counts a call; or the whole seconds to wait before another one of the kind. A method must be known."""
        asked = [((method, ""), *TIERS[method])]
        if method == "chat.postMessage":
            asked.append(((method, channel), POSTS_AT_ONCE, POSTS_A_MINUTE))
        for key, most, a_minute in asked:
            bucket = self.buckets.setdefault(key, Bucket(most, a_minute, most, now))
            seconds = bucket.take(now)
            if seconds is not None:
                return max(1, math.ceil(seconds))
        return None
