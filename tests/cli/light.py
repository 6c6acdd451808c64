"""Runs commands as if only ``tallybook[doctor]`` were installed: whatever it does not bring cannot be imported.

It is run as a file of its own, with a JSON list of commands; it prints what became of each.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def closure(extras: frozenset[str] = frozenset({"doctor"})) -> set[str]:
    """The distributions that ``tallybook`` with these extras brings, as their metadata says."""
    found: set[str] = set()
    waiting = [("tallybook", extras)]
    while waiting:
        name, wanted = waiting.pop()
        if normal(name) in found:
            continue
        found.add(normal(name))
        for requirement in metadata.requires(name) or []:
            said, _, condition = requirement.partition(";")
            match = re.match(r"([\w.-]+)\s*(?:\[([^\]]*)\])?", said.strip())
            assert match is not None
            if holds(condition, wanted):
                waiting.append((match[1], frozenset(part.strip() for part in (match[2] or "").split(",")) - {""}))
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def holds(condition: str, extras: frozenset[str]) -> bool:
    """A marker, as far as the few that stand there go: extras, this system, this Python."""
    extra = re.search(r"""extra\s*==\s*['"]([\w-]+)['"]""", condition)
    foreign = re.search(r"""(sys_platform|platform_system)\s*==\s*['"](?!linux|Linux)""", condition)
    older = re.search(r"""python_version\s*<\s*['"]3\.(\d+)['"]""", condition)
    return (
        (extra is None or extra[1] in extras)
        and foreign is None
        and (older is None or sys.version_info < (3, int(older[1])))
    )


class Refuse(MetaPathFinder):
    """Finds nothing of what is not installed."""

    def __init__(self, modules: frozenset[str]) -> None:
        self.modules = modules

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in self.modules:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def main() -> None:
    there = closure()
    gone = frozenset(
        module
        for module, brought_by in metadata.packages_distributions().items()
        if not {normal(name) for name in brought_by} & there
    )
    sys.meta_path.insert(0, Refuse(gone))
    whole, found = metadata.distribution, metadata.PackageNotFoundError

    def distribution(name: str) -> metadata.Distribution:
        if normal(name) not in there:
            raise found(name)
        return whole(name)

    metadata.distribution = distribution
    json.dump([called(words) for words in json.loads(sys.argv[1])], sys.stdout)


def called(words: list[str]) -> tuple[int, str]:
    """The exit code and the output of a command."""
    out = io.StringIO()
    sys.argv = ["tallybook", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            import_module("tallybook.cli").main()
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


if __name__ == "__main__":
    main()
