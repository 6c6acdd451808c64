"""Every statement is static text that PostgreSQL understands, and only one place commits."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest

from tallybook.core.db import Conn
from tests.architecture.sources import modules, trees

STATEMENT = re.compile(r"\s*(select|insert|update|delete|with)\b", re.IGNORECASE)
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# Composed by psycopg from names that are only known at run time: environments, schemas, roles, tables.
COMPOSED = re.compile(r"\{\w+\}")
# These speak to the bridge's SQLite file.
SQLITE = ("tallybook.channels.bridge", "tallybook.demo")


def statements() -> Iterator[tuple[str, str]]:
    """Every SQL constant as (where, text): module constants, and the fields of constants that hold statements."""
    for module in modules():
        if module.__name__.startswith(SQLITE):
            continue
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and STATEMENT.match(value):
                yield f"{module.__name__}.{name}", value
            elif name.isupper() and dataclasses.is_dataclass(value) and not isinstance(value, type):
                yield from _fields(f"{module.__name__}.{name}", value)


def _fields(where: str, value: Any) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(value):
        text = getattr(value, field.name)
        if isinstance(text, str) and STATEMENT.match(text):
            yield f"{where}.{field.name}", text


@lru_cache
def prepared() -> dict[str, str]:
    known = {text: where for where, text in statements() if not COMPOSED.search(text)}
    assert len(known) > 60
    return {where: text for text, where in known.items()}


def numbered(text: str) -> str:
    """The statement as the server sees it: ``$1`` for each named parameter."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return PLACEHOLDER.sub(number, text).replace("%%", "%")


@pytest.mark.parametrize("where", sorted(prepared()))
async def test_postgresql_understands_every_statement(conn: Conn, where: str) -> None:
    await conn.execute(f"prepare one as {numbered(prepared()[where])}".encode())


@pytest.mark.parametrize("where", sorted(prepared()))
def test_every_conflict_has_a_target(where: str) -> None:
    """Without one, ON CONFLICT DO NOTHING would swallow a constraint that nobody expected."""
    text = prepared()[where].lower()
    for match in re.finditer(r"on conflict\s+(\S+)", text):
        assert match[1].startswith("("), where


def test_only_constants_are_executed() -> None:
    """What is executed is a named constant, or composed by psycopg's own ``sql``."""
    wrong = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute":
                first = node.args[0] if node.args else None
                if not _is_fixed(first):
                    wrong.append(f"{path}:{node.lineno}")
    allowed = ("core/db.py", "core/migrate.py", "core/queue.py", "demo/")
    assert [place for place in wrong if not place.startswith(allowed)] == []


def _is_fixed(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Name):
        return node.id.isupper() or node.id == "statement"
    if isinstance(node, ast.Attribute):
        return node.attr.isupper() or _is_fixed(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        inner = node.func.value
        return isinstance(inner, ast.Call) and ast.unparse(inner.func) == "sql.SQL"
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "sql.SQL"


def test_only_one_place_commits() -> None:
    places = set()
    for path, tree in trees():
        if path.parts[0] == "demo":
            continue
        for node in ast.walk(tree):
            said = isinstance(node, ast.Constant) and str(node.value).strip().lower() == "commit"
            called = isinstance(node, ast.Attribute) and ast.unparse(node) in {"conn.commit", "connection.commit"}
            if said or called:
                places.add(str(path))
    assert places == {"core/db.py"}
