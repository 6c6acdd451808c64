"""Who may import whom: the contracts of .importlinter hold, and each of them would notice a breach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import ROOT, SOURCE

RUN = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
# One breach for each contract, by the contract's first words.
BREACHES = {
    "Rooms are entered from above only": ("core/errors.py", "from tallybook.monitor import types as _planted"),
    "Inside monitor": ("monitor/types.py", "from tallybook.monitor.service import filing as _planted"),
    "Channels do not know each other": ("channels/bridge/rows.py", "from tallybook.channels.post import PLANTED"),
    "Web and terminal frameworks stay out": ("core/spool.py", "import litestar as _planted"),
    "Rules decide": ("monitor/rules.py", "from tallybook.core import db as _planted"),
}


def lint(folder: Path, source: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-P", "-c", RUN], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def copied(folder: Path) -> Path:
    """The package and its contracts in a folder of their own."""
    shutil.copytree(SOURCE, folder / "src" / "tallybook", ignore=shutil.ignore_patterns("static", "__pycache__"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder / "src"


def test_every_contract_is_kept() -> None:
    result = lint(ROOT, ROOT / "src")
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


def test_a_breach_of_any_contract_is_noticed(tmp_path: Path) -> None:
    source = copied(tmp_path)
    (source / "tallybook" / "channels" / "post").mkdir()
    (source / "tallybook" / "channels" / "post" / "__init__.py").write_text("PLANTED = 1\n", encoding="utf-8")
    for path, line in BREACHES.values():
        with (source / "tallybook" / path).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    result = lint(tmp_path, source)
    assert result.returncode != 0
    said = " ".join(result.stdout.split())
    for contract in BREACHES:
        assert said.count(contract) > 1 or f"{contract} BROKEN" in said, (contract, result.stdout)


def test_a_new_folder_must_take_a_place(tmp_path: Path) -> None:
    source = copied(tmp_path)
    (source / "tallybook" / "attic").mkdir()
    (source / "tallybook" / "attic" / "__init__.py").write_text("", encoding="utf-8")
    result = lint(tmp_path, source)
    assert result.returncode != 0
    assert "attic" in result.stdout
