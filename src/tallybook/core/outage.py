"""Whether the database is away: told once when it goes and once when it is back, however many wait for it."""

from __future__ import annotations

import logging
import time

import structlog

POOL_LOG = logging.getLogger("psycopg.pool")
# What the pool says at each try, for as long as the outage lasts.
AT_EACH_TRY = ("error connecting in", "reconnection attempt in", "discarding broken connection")

log = structlog.get_logger(__name__)


class Outage(logging.Filter):
    """One pool's outage. As a filter of the pool's log it hears why no connection comes about, and tells it once."""

    def __init__(self, pool: str) -> None:
        super().__init__()
        self._pool = pool
        self._since: float | None = None
        # By the monotonic clock: the end of the last one that was seen, and when a transaction last began or ended.
        self.ended = self.answered_at = float("-inf")

    @property
    def lasts(self) -> bool:
        return self._since is not None

    def begun(self, reason: str) -> None:
        """No connection comes about, for this reason."""
        if self._since is None:
            self._since = time.monotonic()
            log.error("The database is away; work waits until it is back", reason=reason)

    def over(self) -> None:
        """A transaction has begun, or is committed."""
        self.answered_at = time.monotonic()
        if self._since is not None:
            seconds = round(time.monotonic() - self._since, 1)
            self._since, self.ended = None, time.monotonic()
            log.info("The database is back", away_seconds=seconds)

    def filter(self, record: logging.LogRecord) -> bool:
        """Keeps back what the pool would say again and again."""
        about = record.args if isinstance(record.args, tuple) else ()
        if not str(record.msg).startswith(AT_EACH_TRY) or (len(about) > 1 and about[0] != self._pool):
            return True
        if str(record.msg).startswith(AT_EACH_TRY[0]) and len(about) > 1:
            self.begun(str(about[1]).partition("\n")[0])
        return False
