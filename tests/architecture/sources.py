"""The source tree as the architecture's tests read it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import tallybook

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tallybook"


def modules() -> list[ModuleType]:
    """Every module of the package that is not a migration."""
    found = [
        importlib.import_module(info.name)
        for info in pkgutil.walk_packages(tallybook.__path__, "tallybook.")
        if ".migrations" not in info.name and not info.name.endswith("__main__")
    ]
    assert len(found) > 40
    return found


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Every source file with its syntax tree."""
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE), ast.parse(path.read_text("utf-8"))
