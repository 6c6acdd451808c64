"""Files and functions stay small enough to be read at once, and every file is named for what it holds."""

from __future__ import annotations

import ast

from tests.architecture.sources import SOURCE, trees

LONGEST_FILE = 350
LONGEST_FUNCTION = 50
# Justified, each with its reason; nobody is on the list today.
LONGER_FILES: frozenset[str] = frozenset()
LONGER_FUNCTIONS: frozenset[str] = frozenset()
# Names that say nothing of what is inside, so that anything gets put there.
NO_NAMES = frozenset({
    "base", "common", "commons", "constants", "core", "enums", "funcs", "functions", "helper", "helpers", "lib", "main",
    "manager", "misc", "models", "shared", "stuff", "tools", "util", "utilities", "utils",
})  # fmt: skip
WRITTEN = ("*.py", "*.sql", "*.js", "*.html")  # a style sheet is a list, and is read as one


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    found = {
        str(path.relative_to(SOURCE)): len(path.read_text("utf-8").splitlines())
        for pattern in WRITTEN
        for path in SOURCE.rglob(pattern)
        if "dist" not in path.parts
    }
    assert len(found) > 80
    assert {path for path, lines in found.items() if lines > LONGEST_FILE} == set(LONGER_FILES)


def test_no_function_is_too_long_to_be_read_at_once() -> None:
    long = set()
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    long.add(f"{path}::{node.name}")
    assert long == set(LONGER_FUNCTIONS)


def test_every_file_is_named_for_what_it_holds() -> None:
    names = {str(path): path.stem for path, _ in trees()}
    assert [path for path, name in names.items() if name.lower() in NO_NAMES] == []


def test_nothing_is_imported_inside_a_function() -> None:
    """An import inside a function hides who knows whom, and costs its time at the worst moment."""
    hidden = []
    for path, tree in trees():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                hidden += [
                    f"{path}:{node.lineno}"
                    for node in ast.walk(function)
                    if isinstance(node, ast.Import | ast.ImportFrom)
                ]
    assert hidden == []
