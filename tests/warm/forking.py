"""Imports the product once, and forks a command whenever it is asked; see the folder's own words."""

from __future__ import annotations

import array
import gc
import json
import os
import pkgutil
import random
import signal
import socket
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import tallybook
from tallybook import cli

FILES = 3


def serve(address: str) -> None:
    """Answers until the tests' process ends, which closes our input."""
    for one in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
        import_module(one.name)
    assert threading.active_count() == 1
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that keep a command
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            asked, _ = door.accept()
            with asked:
                if os.fork() == 0:
                    door.close()
                    return _keep(asked)


def _keep(asked: socket.socket) -> None:
    """Forks the command, and says which it is and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, files = _read(asked)
    number = os.fork()
    if number == 0:
        asked.close()
        return _become(said, files)
    asked.sendall(b"%d\n" % number)
    _, status = os.waitpid(number, 0)
    code = os.waitstatus_to_exitcode(status)
    asked.sendall(b"%d\n" % (code if code >= 0 else 128 - code))
    os._exit(0)


def _read(asked: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, ancillary, *_ = asked.recvmsg(4, socket.CMSG_SPACE(FILES * 4))
    files = array.array("i")
    files.frombytes(ancillary[0][2])
    length, body = int.from_bytes(head, "big"), b""
    while len(body) < length:
        body += asked.recv(length - len(body))
    return json.loads(body), list(files)


def _become(said: dict[str, Any], files: list[int]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    os.chdir(said["folder"])
    os.environ.clear()
    os.environ.update(said["environment"])
    random.seed()
    sys.modules["__main__"].__package__ = tallybook.__name__
    sys.argv = [str(Path(tallybook.__file__).with_name("__main__.py")), *said["words"]]
    import_module(said["module"]).main()


if __name__ == "__main__":
    serve(sys.argv[1])
