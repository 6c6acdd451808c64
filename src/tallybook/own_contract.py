"""Tallybook's own contract: the keys that its code declares, and the statements of its modules that rely on them."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from psycopg import sql

import tallybook

from .core import environment, environment_rows, environment_tables
from .core.keys import DIRECTORY_TABLES, NATURAL_KEYS, PERIODS_APART
from .doctor.contract import Apart, Contract, NaturalKey, Upsert
from .doctor.placeholders import numbered

SCOPE = ("business_id",)
STATEMENT = re.compile(r"\s*(select|insert|update|delete|with)\b", re.IGNORECASE)
CONFLICT = re.compile(r"\bon\s+conflict\b", re.IGNORECASE)
# Composed by psycopg from names that are only known at run time: environments, schemas, roles, tables.
COMPOSED = re.compile(r"\{\w+\}")
SCHEMA = re.compile(r"(?:\{schema\}|\bpublic)\.")
# These speak to the bridge's SQLite file.
SQLITE = ("tallybook.channels.bridge", "tallybook.demo")


def modules() -> Iterator[ModuleType]:
    """Every module of the package that is not a migration. To import them all takes some seconds."""
    for info in pkgutil.walk_packages(tallybook.__path__, "tallybook."):
        if ".migrations" not in info.name and not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def statements() -> dict[str, str]:
    """Every whole statement that stands as a constant, by its module and name; each text once."""
    known: dict[str, str] = {}
    for module in modules():
        if not module.__name__.startswith(SQLITE):
            for name, value in vars(module).items():
                if name.isupper():
                    known.update({text: where for where, text in _texts(f"{module.__name__}.{name}", value)})
    return {where: text for text, where in known.items()}


def _texts(where: str, value: Any) -> Iterator[tuple[str, str]]:
    """A constant's statement, or those that a constant's fields hold."""
    if isinstance(value, str):
        if STATEMENT.match(value) and not COMPOSED.search(value):
            yield where, value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if isinstance(text := getattr(value, field.name), str):
                yield from _texts(f"{where}.{field.name}", text)


def composed() -> dict[str, str]:
    """What is composed by a table's name: by the same templates, with the columns of the key alone, which decide."""
    texts = {"tallybook.core.environment.COPY_BUSINESSES": SCHEMA.sub("", environment.COPY_BUSINESSES)}
    for copied in environment_tables.TABLES:
        key = copied.same or copied.arbiter
        if key is None:
            continue
        columns = [environment_rows.Column(name, "text", nullable=False, account=False) for name in key.columns]
        template = environment_rows.PUT_NEW if copied.same else environment_rows.ADD
        text = sql.SQL(template).format(**environment_rows.names(copied, columns)).as_string(None)
        texts[f"tallybook.core.environment_rows, {copied.table}"] = text
    return texts


def own_contract() -> Contract:
    """What the product counts by. Places are a module's and a constant's name."""
    return Contract(
        keys=tuple(
            NaturalKey(table=key.table, columns=key.columns, name=key.constraint, same=key.same) for key in NATURAL_KEYS
        ),
        apart=tuple(Apart(table=one.table, name=one.constraint, rule=one.rule, same=one.same) for one in PERIODS_APART),
        upserts=tuple(
            Upsert(place=where, statement=numbered(text.strip()))
            for where, text in sorted((statements() | composed()).items())
            if CONFLICT.search(text)
        ),
        scope=SCOPE,
        shared=DIRECTORY_TABLES,
    )
