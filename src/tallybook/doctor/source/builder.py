"""Reads SQLAlchemy's ``on_conflict_do_…`` calls in Python files, where table and target are told by literals."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import msgspec

from .text import Piece, quoted

CALLS = {"on_conflict_do_update", "on_conflict_do_nothing"}
# Django's: the table is known to its models' metaclass alone.
BULK = {"update_conflicts", "ignore_conflicts"}
_COMPARED = {ast.Eq: "=", ast.NotEq: "<>"}


class Unclear(Exception):
    """A part of a call is no literal; the text says which."""


class Place(msgspec.Struct, frozen=True):
    """A model's table as its class or its Table(…) says it."""

    table: str
    schema: str | None = None


def models(tree: ast.Module) -> Iterator[tuple[str, Place]]:
    """The tables that a file declares, by the name of their class or variable."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            said = {_name(one.targets[0]): one.value for one in node.body if isinstance(one, ast.Assign)}
            table = _literal(said.get("__tablename__"))
            if table is not None:
                yield node.name, Place(table, _schema(said.get("__table_args__")))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _name(node.value.func) == "Table":
            table = _literal(node.value.args[0]) if node.value.args else None
            if table is not None:
                schema = {one.arg: one.value for one in node.value.keywords}.get("schema")
                yield _name(node.targets[0]), Place(table, _literal(schema))


def _schema(arguments: ast.expr | None) -> str | None:
    last = arguments.elts[-1] if isinstance(arguments, ast.Tuple) and arguments.elts else arguments
    if not isinstance(last, ast.Dict):
        return None
    pairs = {_literal(key): value for key, value in zip(last.keys, last.values, strict=True)}
    return _literal(pairs.get("schema"))


def _literal(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _name(node: ast.AST) -> str:
    """The last part of a name: ``models.User`` is ``User``; of ``User.__table__``, ``User``."""
    if isinstance(node, ast.Attribute):
        return _name(node.value) if node.attr in {"__table__", "c"} else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def read(tree: ast.Module, known: Mapping[str, set[Place]]) -> Iterator[Piece | str]:
    """A statement that stands for each call, or ``line: why`` where it cannot be told."""
    variables: dict[str, str] = {}
    for node in sorted(_worth(tree), key=lambda one: (one.lineno, one.col_offset)):
        if isinstance(node, ast.Assign):
            if model := _inserted(node.value, variables):
                variables[_name(node.targets[0])] = model
            continue
        try:
            yield Piece(node.lineno, _statement(node, variables, known))
        except Unclear as why:
            yield f"{node.lineno}: {why}"


def _worth(tree: ast.Module) -> Iterator[ast.Assign | ast.Call]:
    for node in ast.walk(tree):
        bulk = isinstance(node, ast.Call) and any(one.arg in BULK for one in node.keywords)
        if isinstance(node, ast.Assign) or (isinstance(node, ast.Call) and (bulk or _name(node.func) in CALLS)):
            yield node


def _inserted(node: ast.AST, variables: Mapping[str, str]) -> str | None:
    """The model of ``insert(Model)``, ``table.insert()`` or a variable that holds one, at the root of a chain."""
    while isinstance(node, ast.Call):
        if _name(node.func) in {"insert", "pg_insert"}:
            table = node.func.value if isinstance(node.func, ast.Attribute) and not node.args else None
            return _name(node.args[0] if node.args else table or node) or None
        if not isinstance(node.func, ast.Attribute):
            return None
        node = node.func.value
    return variables.get(node.id) if isinstance(node, ast.Name) else None


def _statement(call: ast.Call, variables: Mapping[str, str], known: Mapping[str, set[Place]]) -> str:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in CALLS:
        raise Unclear("a builder's upsert, whose table and key are no literals")
    model = _inserted(call.func.value, variables)
    places = known.get(model or "", set())
    if len(places) != 1:
        many = "several tables" if places else "no literal"
        raise Unclear(f"the table of {model or 'a builder’s insert'} is told by {many}")
    (place,) = places
    given = {one.arg: one.value for one in call.keywords}
    if None in given or call.args:
        raise Unclear("a builder's upsert, whose key is handed on")
    names = _columns(given.get("index_elements"))
    target = f" ({', '.join(names)})" if names else ""
    if (constraint := given.get("constraint")) is not None:
        target = f" on constraint {quoted(_needed(constraint, 'constraint'))}"
    if (where := given.get("index_where")) is not None:
        target += f" where {_predicate(where)}"
    table = quoted(*(part for part in (place.schema, place.table) if part))
    action = "nothing"
    if call.func.attr == "on_conflict_do_update" and (changed := names[:1] or _changed(given.get("set_"))):
        action = f"update set {changed[0]} = excluded.{changed[0]}"
    return f"insert into {table} default values on conflict{target} do {action}"


def _needed(node: ast.expr, what: str) -> str:
    """The text of a literal. Raises Unclear."""
    found = _literal(node)
    if found is None:
        raise Unclear(f"a builder's upsert, whose {what} is no literal")
    return found


def _columns(node: ast.expr | None) -> list[str]:
    if node is None:
        return []
    if not isinstance(node, ast.List | ast.Tuple):
        raise Unclear("a builder's upsert, whose index_elements are no list of literals")
    return [quoted(one.attr if isinstance(one, ast.Attribute) else _needed(one, "column")) for one in node.elts]


def _changed(node: ast.expr | None) -> list[str]:
    keys = node.keys if isinstance(node, ast.Dict) else []
    return [quoted(name) for key in keys if (name := _literal(key)) is not None]


def _predicate(node: ast.expr) -> str:
    """``text("…")`` as it is, or a column held against a constant. Raises Unclear."""
    inner = node.args[0] if isinstance(node, ast.Call) and _name(node.func) == "text" and node.args else node
    if (found := _literal(inner)) is not None:
        return found
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.left, ast.Attribute):
        sign, value = _COMPARED.get(type(node.ops[0])), node.comparators[0]
        if sign and isinstance(value, ast.Constant) and isinstance(value.value, str | int):
            text = str(value.value).replace("'", "''")
            said = f"'{text}'" if isinstance(value.value, str) else text.lower()
            return f"{quoted(node.left.attr)} {sign} {said}"
    raise Unclear("a builder's upsert, whose index_where is no literal")
