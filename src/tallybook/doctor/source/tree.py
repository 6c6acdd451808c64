"""Reads the statements with ON CONFLICT that a source tree holds as literals: Python, JavaScript, TypeScript and SQL.

What has such a clause and cannot be read is listed with the reason, so that nobody takes it for healthy.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from tallybook.core.errors import WrongSetup
from tallybook.doctor.contract import Upsert

from . import builder as source_builder
from . import python as source_python
from . import script as source_script
from . import sql as source_sql
from .text import READABLE, Piece, Read, judged

LARGEST = 2_000_000  # bytes; what is larger was made by a program
SKIPPED = {
    ".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", ".tox", ".nox", ".mypy_cache",
    ".pytest_cache", ".ruff_cache", "site-packages", ".next", ".nuxt",
}  # fmt: skip
SCRIPTS = {".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts"}
KNOWN = {".py", ".sql", *SCRIPTS}
# Files without any of these words, in small letters, are not looked into; the first of them alone may be mere talk.
WORTH = ("conflict", ".upsert(", ".orupdate(", ".orignore(")
CLAUSE_OR_CALL = re.compile(r"on\s+conflict|on_?conflict|(?:update|ignore)_conflicts")
DECLARES = ("__tablename__", "Table(")


def read(folder: Path) -> Read:
    """The statements of a folder or of one file.

    Folders of tools and libraries are left out, as are links that lead out of the tree.

    Raises WrongSetup where there is no such folder, or where what reads the statements is not installed.
    """
    if not READABLE:
        raise WrongSetup("To read a source tree takes sqlglot. Install it with: pip install 'tallybook[doctor]'")
    if not folder.exists():
        raise WrongSetup(f"There is no {folder} to read statements from.")
    root = folder.resolve()
    tree = _Tree(root if root.is_dir() else root.parent)
    for path in sorted(_files(root)):
        tree.add(path)
    return tree.read()


def read_as_named(folder: Path) -> Read:
    """What ``read`` finds, each place with the folder as it was named, so that people and programs find the file."""
    found = read(folder)
    home = Path(os.path.normpath(folder if folder.is_dir() else folder.parent))
    return Read(
        tuple(msgspec.structs.replace(one, place=(home / one.place).as_posix()) for one in found.upserts),
        tuple((home / one).as_posix() for one in found.unread),
    )


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED and not (here / name / "pyvenv.cfg").is_file()
        )
        for name in names:
            path = here / name
            if path.suffix.lower() in KNOWN and path.resolve().is_relative_to(root) and path.is_file():
                yield path


class _Tree:
    """What was read of the files so far. Builders' calls wait until every file's models are known."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._upserts: list[Upsert] = []
        self._unread: list[str] = []
        self._declaring: list[str] = []
        self._builders: list[tuple[str, ast.Module]] = []

    def add(self, path: Path) -> None:
        file = path.relative_to(self._root).as_posix()
        try:
            if path.stat().st_size > LARGEST:
                self._unread.append(f"{file}:1: it is larger than {LARGEST // 1_000_000} MB")
                return
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            self._unread.append(f"{file}:1: {why}")
            return
        small = text.lower()
        worth = any(word in small for word in WORTH[1:]) or (
            WORTH[0] in small and CLAUSE_OR_CALL.search(small) is not None
        )
        if path.suffix.lower() == ".py":
            if any(word in text for word in DECLARES):
                self._declaring.append(text)
            if worth:
                self._python(file, text)
        elif worth:
            reader = source_sql.read if path.suffix.lower() == ".sql" else source_script.read
            self._take(file, reader(text))

    def _python(self, file: str, text: str) -> None:
        try:
            tree = _parsed(text)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None) or 1
            self._unread.append(f"{file}:{line}: it is no Python that this Python reads")
            return
        self._take(file, source_python.read(tree))
        if any(word in text for word in (*source_builder.CALLS, *source_builder.BULK)):
            self._builders.append((file, tree))

    def _take(self, file: str, pieces: Iterator[Piece] | Iterator[Piece | str]) -> None:
        for piece in pieces:
            if isinstance(piece, str):
                self._unread.append(f"{file}:{piece}")
                continue
            for found in judged(file, piece):
                if isinstance(found, Upsert):
                    self._upserts.append(found)
                else:
                    self._unread.append(found)

    def read(self) -> Read:
        """All of it, with the builders' calls."""
        known = self._models() if self._builders else {}
        for file, tree in self._builders:
            self._take(file, source_builder.read(tree, known))
        return Read(tuple(self._upserts), tuple(self._unread))

    def _models(self) -> dict[str, set[source_builder.Place]]:
        """The tables that the files declare, by the names of their models."""
        found: dict[str, set[source_builder.Place]] = {}
        for text in self._declaring:
            with suppress(SyntaxError, ValueError, RecursionError):
                for name, place in source_builder.models(_parsed(text)):
                    found.setdefault(name, set()).add(place)
        return found


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings(action="ignore"):
        return ast.parse(text)
