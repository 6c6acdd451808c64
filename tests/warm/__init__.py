"""Commands of ours as processes of their own that do not import everything anew: forked by one that has.

What ``command()`` gives stands where ``python -m tallybook`` would: a small process that hands its input, its output,
its folder and its environment to the one that forks, hands signals on, and ends as the command ended. A test that
kills without a word (SIGKILL) would kill the small one alone: it starts the real command.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def command(module: str = "tallybook.cli") -> list[str]:
    """What is started in the place of ``python -m tallybook``, or of another module that has a ``main()``."""
    return [sys.executable, "-IS", str(HERE / "handing_over.py"), _address(), module]


@functools.cache
def _address() -> str:
    """Where the process that forks is asked. It lives as long as the tests' own process."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    address = str(folder / "socket")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.warm.forking", address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    def end() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return address
