"""Reads Python files: literal statements, put together from the constants of their file, and builders' calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tallybook.doctor.sql_tokens import HOLE

from .text import CLAUSE, Piece

_FILLED = re.compile(r"\{\w*\}|%\(\w+\)\w|%[sdr]")


class Constants:
    """The texts of a module, by the names that it gives them. ``used`` are those that became a part of another one."""

    def __init__(self, tree: ast.Module) -> None:
        self.used: set[str] = set()
        self._values: dict[str, ast.expr] = {}
        for node in tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            value = getattr(node, "value", None)
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign) and value is not None:
                self._values[target.id] = value

    def text(self, node: ast.AST | None, within: frozenset[str] = frozenset()) -> str:
        """The text of an expression; a HOLE for each part that only the running program knows."""
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else HOLE
        if isinstance(node, ast.Name):
            return self._named(node.id, within)
        if isinstance(node, ast.JoinedStr):
            parts = [*node.values]
        elif isinstance(node, ast.FormattedValue):
            parts = [node.value if node.conversion == -1 and node.format_spec is None else None]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [node.left, node.right]
        if parts:
            return "".join(self.text(part, within) for part in parts)
        if (filled := _filled(node)) is not None:
            return _FILLED.sub(HOLE, self.text(filled, within))
        return HOLE

    def _named(self, name: str, within: frozenset[str]) -> str:
        if name not in self._values or name in within:
            return HOLE
        self.used.add(name)
        return self.text(self._values[name], within | {name})


def _filled(node: ast.AST | None) -> ast.expr | None:
    """The text into which ``%`` or ``.format()`` fills something."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return node.left
    called = node.func if isinstance(node, ast.Call) else None
    return called.value if isinstance(called, ast.Attribute) and called.attr == "format" else None


def read(tree: ast.Module) -> Iterator[Piece]:
    """Each text with a clause, whole. What only became a part of another text stands there and nowhere else."""
    constants = Constants(tree)
    found = list(_pieces(tree, constants, None))
    yield from (piece for piece in found if piece.name is None or piece.name not in constants.used)


def _pieces(node: ast.AST, constants: Constants, name: str | None) -> Iterator[Piece]:
    if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Call):
        text = constants.text(node)
        if CLAUSE.search(text):
            yield Piece(node.lineno, text, name)
            return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring: nobody runs it
        yield from _pieces(child, constants, _given(child) if isinstance(node, ast.Module) else name)


def _given(node: ast.AST) -> str | None:
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else None
