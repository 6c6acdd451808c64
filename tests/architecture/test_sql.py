"""Every statement is static text that PostgreSQL understands, and only one place commits."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

import psycopg

from tallybook import own_contract
from tallybook.core.db import Conn
from tallybook.doctor.placeholders import numbered
from tests.architecture.sources import trees


@lru_cache
def prepared() -> dict[str, str]:
    known = own_contract.statements()
    assert len(known) > 60
    return known


async def test_postgresql_understands_every_statement(conn: Conn) -> None:
    """All of them in one test: to begin and end one takes longer than to prepare a statement."""
    wrong: dict[str, str] = {}
    for where, text in sorted(prepared().items()):
        try:
            async with conn.transaction():
                await conn.execute(f"prepare one as {numbered(text)}".encode())
                await conn.execute("deallocate one")
        except psycopg.Error as error:
            wrong[where] = str(error)
    assert wrong == {}


def test_every_conflict_has_a_target() -> None:
    """Without one, ON CONFLICT DO NOTHING would swallow a constraint that nobody expected."""
    without = [
        where
        for where, text in prepared().items()
        for match in re.finditer(r"on conflict\s+(\S+)", text.lower())
        if not match[1].startswith("(")
    ]
    assert without == []


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
