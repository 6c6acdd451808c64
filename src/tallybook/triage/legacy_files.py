"""The files of an older rota as the tables that it had later. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallybook.core.errors import Invalid

# By the names of the files, without their ending.
FILES = ("users", "disciplines", "sprints", "currentState", "overrides")


def tables(files: Mapping[str, Any]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Rows by table, each in the order of its file; a sprint that says no number has that of its place.

    Raises Invalid for a file that holds something else.
    """
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    for name, content in files.items():
        if name in {"users", "disciplines"} and isinstance(content, dict):
            found[name] = _by_discipline(name, content)
        elif name == "disciplines":
            found["discipline"] = _rows(name, content)
        elif name == "currentState":
            found["current_state"] = _rows(name, [content] if isinstance(content, dict) else content)
        elif name == "sprints":
            rows = _rows(name, content)
            found[name] = [{"sprintIndex": place} | dict(row) for place, row in enumerate(rows)]
        else:
            found[name] = _rows(name, content)
    return found


def _by_discipline(name: str, content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Lists of people, each under its discipline."""
    return [
        {"discipline": code} | dict(row)
        for code, some in content.items()
        for row in _rows(name, some)
    ]  # fmt: skip


def _rows(name: str, content: Any) -> list[Mapping[str, Any]]:
    if content is None:
        return []
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise Invalid(f"{name}.json does not hold what the older rota's file of that name held.")
    return content
