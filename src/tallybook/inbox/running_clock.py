"""What time it is by now in work that was begun at a moment, so that what takes long does not go by an old clock."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


def by_now(at: datetime, begun: float) -> datetime:
    """The time now, where it was ``at`` when this process's monotonic clock stood at ``begun``."""
    return at + timedelta(seconds=time.monotonic() - begun)
