"""Runs one command many times at the very same moment, each in a process of its own.

``python -m tests.proof.at_once COUNT ARGUMENTS…`` reads the program once, forks, and lets all go together; it prints
the exit codes. SIGTERM is passed on.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import typer

from tallybook import cli


def main() -> None:
    count, sys.argv[1:] = int(sys.argv[1]), sys.argv[2:]
    typer.main.get_command(cli.app).commands[sys.argv[1]]  # read here once, not by each of them
    waiting, let_go = os.pipe()
    children = [_fork(waiting, let_go) for _ in range(count)]
    os.close(waiting)
    signal.signal(signal.SIGTERM, lambda *_: [os.kill(child, signal.SIGTERM) for child in children])
    os.close(let_go)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True)


def _fork(waiting: int, let_go: int) -> int:
    child = os.fork()
    if child:
        return child
    os.close(let_go)
    os.read(waiting, 1)  # until the parent closes the other end, for all at once
    code: int | str | None = 0
    try:
        cli.main()
    except SystemExit as leaving:
        code = leaving.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else bool(code))


if __name__ == "__main__":
    main()
