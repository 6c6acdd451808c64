"""Programs that some tests need: a test that misses one is skipped with its reason, or fails where all must run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

# .ci/run sets it: there a test that was skipped would look like one that passed.
ALL = "TALLYBOOK_TEST_ALL"
PROGRAMS = {
    "chromium": Path("/usr/bin/chromium"),
    "pgbouncer": Path(shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"),
}


def require(name: str) -> Path:
    """The program's path. Without the program the test that asks is skipped, or fails where all must run."""
    path = PROGRAMS[name]
    if path.exists():
        return path
    reason = f"{name} is not installed: there is no {path}"
    if os.environ.get(ALL):
        pytest.fail(f"{reason}, and {ALL} says that every test must run", pytrace=False)
    pytest.skip(reason)
