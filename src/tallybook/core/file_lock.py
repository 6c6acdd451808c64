"""Locks that the kernel drops with the process that held them, however it died."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

# Seconds between two tries. The kernel could tell at once, but such a wait cannot be cancelled.
AGAIN = 0.02


@contextlib.contextmanager
def lock_file(path: Path) -> Iterator[int]:
    """A descriptor to lock by, closed at the end, which drops the lock. No child process inherits it."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield opened
    finally:
        os.close(opened)


def try_lock(lock: int, kind: int) -> bool:
    """Take the lock (``fcntl.LOCK_EX`` or ``LOCK_SH``) if that needs no waiting."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.asynccontextmanager
async def waited_for(path: Path) -> AsyncIterator[None]:
    """Hold the lock alone. Waits as long as others hold it; the wait can be cancelled."""
    with lock_file(path) as lock:
        while not try_lock(lock, fcntl.LOCK_EX):  # noqa: ASYNC110 - another process cannot set our event
            await asyncio.sleep(AGAIN)
        yield
