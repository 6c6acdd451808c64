"""The source tree as the architecture's tests read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tallybook import own_contract

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tallybook"


def modules() -> list[ModuleType]:
    """Every module of the package that is not a migration."""
    found = list(own_contract.modules())
    assert len(found) > 40
    return found


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Every source file with its syntax tree."""
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE), ast.parse(path.read_text("utf-8"))
