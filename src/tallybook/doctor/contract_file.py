'''A contract as a TOML file, read with every mistake and its line, and written so that it reads back as it was.

The form, in which all but ``table`` and ``columns`` may be left out::

    scope = ["tenant_id"]             # the columns of a tenant; keys of tables that have one of them contain it
    shared = ["tenants"]              # tables that belong to no tenant
    distributed_by = "tenant_id"      # the column by which tables are spread over machines
    source = ["src"]                  # folders or files whose statements are read each time, beside this file

    [[keys]]                          # what is the same thing
    table = "sprints"
    columns = ["discipline", "sprint_index"]    # names, or expressions in parentheses; [] for one row at most
    where = "status = 'approved'"     # the rows that the rule is about
    nulls = "same"                    # "distinct" (as PostgreSQL has it) or "same"
    immediate = false                 # true unless it may be held at the end of a transaction only
    name = "sprints_approved_key"     # the constraint's or index's, where it matters
    same = "sprints of one number"    # completes "two rows are the same when they are …"

    [[apart]]                         # periods that must not lie over each other
    table = "sprints"
    name = "sprints_apart"
    rule = "exclude using gist (discipline with =, during with &&)"
    same = "sprints of one discipline"

    [[upserts]]                       # statements that rely on the keys; parameters as $1
    place = "app/store.py:12"
    statement = """
    insert into sprints (discipline, sprint_index) values ($1, $2)
    on conflict (discipline, sprint_index) where status = 'approved' do nothing"""

``unread`` lists places whose statements could not be read, as a draft has them.
'''

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tallybook.core.errors import WrongSetup
from tallybook.toml_tables import Check, Tables, yes_or_no

from .contract import Apart, Contract, NaturalKey, Nulls, Upsert
from .source import tree as source_tree
from .toml_writing import value, written

LARGEST = 5_000_000  # bytes; a contract that is larger is some other file


def _text(given: Any) -> str:
    if isinstance(given, str):
        return given
    raise ValueError('must be a text, such as "sprints"')


def _name(given: Any) -> str:
    if not _text(given).strip():
        raise ValueError("must not be empty")
    return str(given)


def _texts(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
        raise ValueError('must be a list of texts, such as ["tenant_id"]')
    return tuple(given)


def _columns(given: Any) -> tuple[str, ...]:
    found = _texts(given)
    if len(set(found)) < len(found):
        raise ValueError("must not name a column twice")
    return found


def _nulls(given: Any) -> Nulls:
    if given not in list(Nulls):
        raise ValueError('must be "distinct" (rows without a value are different things) or "same"')
    return Nulls(given)


KEYS: dict[str, Check] = {
    "table": _name,
    "columns": _columns,
    "where": _name,
    "nulls": _nulls,
    "immediate": yes_or_no,
    "name": _name,
    "same": _text,
}
APART: dict[str, Check] = {"table": _name, "name": _name, "rule": _name, "same": _text}
UPSERTS: dict[str, Check] = {"place": _name, "statement": _name}
_LISTS: dict[str, tuple[type[NaturalKey | Apart | Upsert], dict[str, Check], tuple[str, ...]]] = {
    "keys": (NaturalKey, KEYS, ("table", "columns")),
    "apart": (Apart, APART, ("table", "name", "rule")),
    "upserts": (Upsert, UPSERTS, ("place", "statement")),
}
WHOLE: dict[str, Check] = {
    "scope": _texts,
    "shared": _texts,
    "distributed_by": _name,
    "source": _texts,
    "unread": _texts,
}


def read(path: Path) -> Contract:
    """The contract of a file, with the statements of the sources that it names.

    Raises WrongSetup with a sentence per mistake, its line, and what is allowed there.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise WrongSetup(f"{path} is larger than any contract. Name the contract's own file.")
        text = path.read_text("utf-8")
        parts = tomllib.loads(text)
    except OSError as error:
        raise WrongSetup(f"The contract {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise WrongSetup(f"The contract {path} is no UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise WrongSetup(f"The contract {path} is no TOML: {error}.") from None
    contract, source = _contract(path, Tables(text), parts)
    return with_sources(contract, [path.parent / one for one in source])


def _contract(path: Path, tables: Tables, parts: dict[str, Any]) -> tuple[Contract, tuple[str, ...]]:
    whole = tables.checked(_plain(tables, parts), WHOLE, "", 0)
    source = whole.pop("source", ())
    if "shared" in whole:
        whole["shared"] = frozenset(whole["shared"])
    for name in _LISTS:
        whole[name] = tuple(_entries(tables, parts, name))
    if tables.mistakes:
        lines = "\n".join(f"{path.name}{line}: {what}" for line, what in tables.sorted())
        raise WrongSetup(f"The contract {path} cannot be used as it is.\n{lines}")
    return Contract(**whole), source


def _plain(tables: Tables, parts: Mapping[str, Any]) -> dict[str, Any]:
    """What stands before the tables. What is not known is told with all that is."""
    for name in parts:
        if name not in _LISTS and name not in WHOLE:
            tables.mistake(f"{name} is not known here; there are {_all((*WHOLE, *_LISTS))}.", ("", 0, name))
    return {name: one for name, one in parts.items() if name in WHOLE}


def _entries(tables: Tables, parts: Mapping[str, Any], name: str) -> Iterator[Any]:
    given = parts.get(name, [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        tables.mistake(f"{name} must be tables, each written as [[{name}]].", ("", 0, name))
        return
    for number, entry in enumerate(given):
        before = len(tables.mistakes)
        good = _entry(tables, name, number, entry)
        of = f" of {entry['table']}" if isinstance(entry.get("table"), str) else ""
        new = tables.mistakes[before:]
        tables.mistakes[before:] = [(line, f"[[{name}]]{of}: {what}") for line, what in new]
        if not new:
            yield _LISTS[name][0](**good)


def _entry(tables: Tables, name: str, number: int, entry: dict[str, Any]) -> dict[str, Any]:
    _, checks, needed = _LISTS[name]
    for key in entry.keys() - checks.keys():
        tables.mistake(f"{key} is not known here; there are {_all(checks)}.", (name, number, key))
    for key in needed:
        if key not in entry:
            tables.mistake(f"{key} is missing, such as {_example(key)}.", (name, number, ""))
    return tables.checked({key: one for key, one in entry.items() if key in checks}, checks, name, number)


def _all(names: Any) -> str:
    return ", ".join(names)


_EXAMPLES = {
    "columns": 'columns = ["tenant_id", "name"]',
    "rule": 'rule = "exclude using gist (room with =, during with &&)"',
    "place": 'place = "app/store.py:12"',
    "statement": 'statement = "insert into … on conflict (…) do nothing"',
}


def _example(key: str) -> str:
    return _EXAMPLES.get(key, f'{key} = "sprints"')


def with_sources(contract: Contract, source: Iterable[Path]) -> Contract:
    """The contract with the statements of these folders and files. Raises WrongSetup where one cannot be read."""
    upserts, unread = list(contract.upserts), list(contract.unread)
    for one in source:
        found = source_tree.read_as_named(one)
        upserts += found.upserts
        unread += found.unread
    return msgspec.structs.replace(contract, upserts=tuple(upserts), unread=tuple(unread))


def write(contract: Contract, *, source: tuple[str, ...] = (), notes: Mapping[str, str] | None = None) -> str:
    """The file of a contract. ``source`` names folders whose statements are to be read each time.

    ``notes`` are comments for a person: by what a key says (``NaturalKey.says``), by the name of a setting
    (``scope``), and under "" for the head of the file.
    """
    said = notes or {}
    lines = [*_comment(said.get("", ""))]
    plain: dict[str, Any] = {
        "scope": list(contract.scope),
        "shared": sorted(contract.shared),
        "distributed_by": contract.distributed_by,
        "source": list(source),
        "unread": list(contract.unread),
    }
    for name, one in plain.items():
        lines += _comment(said.get(name, ""))
        lines += [f"{name} = {value(one)}"] if one not in (None, []) else []
    for name, entries in (("keys", contract.keys), ("apart", contract.apart), ("upserts", contract.upserts)):
        for entry in entries:
            note = said.get(entry.says, "") if isinstance(entry, NaturalKey) else ""
            lines += ["", *_comment(note), f"[[{name}]]", *written(entry)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _comment(note: str) -> list[str]:
    """A comment holds no control characters, and a name of a database may."""
    return ["# " + "".join(one if one.isprintable() else " " for one in line) for line in note.splitlines()]
