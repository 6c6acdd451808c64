"""The product as somebody runs it: a folder with a projects file and a bridge's file, and real processes."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import psycopg

from tests import warm
from tests.channels.bridge.bridge_file import BridgeFile
from tests.proof.story import LID, LIDS_PHONE, Post, projects_file, story

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds; a condition usually holds after a few
LOOK = 0.05
CREATED = re.compile(r"✅ (?:\[DEV\] )?Created QA review for (\S+)")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Asks until the condition holds; gives its value. A database that is away is a no."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            if found := condition():
                return found
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(LOOK)  # processes of the product's own, which signal nothing


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A process of the product, its output in a file."""

    def __init__(self, command: list[str], environ: dict[str, str], output: Path) -> None:
        self.output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                command, env=environ, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    @property
    def children(self) -> dict[int, str]:
        """The processes that it started, with their command lines."""
        return {pid: line for pid, parent, line in _processes() if parent == self.process.pid}

    def hears(self, text: str) -> None:
        """Waits until it has said so."""
        wait_until(lambda: text in self.said or self.process.poll() is not None, f"to hear “{text}”: {self.said}")
        assert text in self.said, self.said

    def stop(self) -> int:
        """A clean stop; its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """The plug pulled, on this process alone."""
        self.process.kill()
        self.process.wait(PATIENCE)


class Product:
    """One installation. ``settings`` are the fields of Settings; whatever was started ends with ``close``."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.bridge_folder = folder / "store"
        self.data_dir = folder / "data"
        self.log = folder / "tallybook.log"
        self.settings = {
            "data_dir": str(self.data_dir), "config": str(folder / "tallybook.toml"), "port": str(free_port()),
            "log_file": str(self.log), "log_format": "plain", **settings,
        }  # fmt: skip
        self.processes: list[Running] = []
        self._numbers = itertools.count(1)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tallybook.toml").write_text(projects_file())

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.settings['port']}"

    def bridge(self) -> BridgeFile:
        """The bridge's file, to be written by the test itself; the one LID of the story is known in it."""
        bridge = BridgeFile(self.bridge_folder)
        bridge.learn_lid(LID, LIDS_PHONE)
        return bridge

    def start(self, *arguments: str, **settings: str) -> Running:
        """``tallybook ARGUMENTS``, going on."""
        return self._started([sys.executable, "-m", "tallybook", *arguments], settings)

    def start_warm(self, *arguments: str, **settings: str) -> Running:
        """The same, begun in half the time. ``kill`` would not reach what works."""
        return self._started([*warm.command(), *arguments], settings)

    def start_many(self, count: int, *arguments: str, **settings: str) -> Running:
        """The same in so many processes at once."""
        return self._started([*warm.command("tests.proof.at_once"), str(count), *arguments], settings)

    def run(self, *arguments: str, fails: bool = False, **settings: str) -> str:
        """``tallybook ARGUMENTS``, to its end; what it said. A failure must be asked for."""
        return self._ended(self._started([*warm.command(), *arguments], settings), fails=fails)

    def run_many(self, count: int, *arguments: str, **settings: str) -> str:
        """The same in so many processes at once, all of which must do well."""
        said = self._ended(self.start_many(count, *arguments, **settings), fails=False)
        assert said.splitlines()[-1] == str([0] * count), said
        return said

    def _ended(self, running: Running, *, fails: bool) -> str:
        code = running.process.wait(2 * PATIENCE)
        assert code == int(fails), running.said
        return running.said

    def _started(self, command: list[str], settings: dict[str, str]) -> Running:
        ours = {f"TALLYBOOK_{name.upper()}": value for name, value in (self.settings | settings).items()}
        output = self.folder / f"output-{next(self._numbers)}.txt"
        self.processes.append(Running(command, os.environ | ours, output))
        return self.processes[-1]

    def created_lines(self) -> Counter[str]:
        """How often the log says of each drop that its review was created."""
        return Counter(CREATED.findall(self.log.read_text()))

    def all_said(self) -> str:
        """Everything that any of its processes wrote, and the log."""
        logs = [self.log, *self.data_dir.glob("*.log")]
        return "\n".join([one.said for one in self.processes] + [log.read_text() for log in logs if log.exists()])

    def close(self) -> None:
        for one in self.processes:
            if one.process.poll() is None:
                one.process.terminate()
        for one in self.processes:
            try:
                one.process.wait(20)
            except subprocess.TimeoutExpired:
                one.kill()


class PostingBridge:
    """The bridge as a process; ``stop`` gives the posts that it stored, in its order."""

    def __init__(self, product: Product, seed: int, pause: float = 0.02) -> None:
        product.bridge().close()
        self.seed = seed
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.posting_bridge", str(product.bridge_folder), str(seed), str(pause)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def stop(self) -> list[Post]:
        said, _ = self.process.communicate(timeout=PATIENCE)
        return list(itertools.islice(story(self.seed), int(said)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.communicate()


def posts(seed: int, count: int) -> list[Post]:
    """The beginning of a story."""
    return list(itertools.islice(story(seed), count))


def store(bridge: BridgeFile, told: list[Post]) -> None:
    """All of it in one transaction, as a history sync does."""
    bridge.post_many((post.id, post.chat, post.sender, post.text, post.at) for post in told)


def _processes() -> list[tuple[int, int, str]]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            line = (entry / "cmdline").read_text().replace("\0", " ")
            found.append((int(entry.name), parent, line))
    return found


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
