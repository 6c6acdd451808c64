"""What is said of a table that a copy takes to another environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .environment_masking import Kind
from .key import Key


@dataclass(frozen=True)
class Copied:
    """A table that is copied, in the order of ``TABLES``.

    ``taken`` says of a row ``t`` whether it is of the time since ``%(since)s``. ``same`` is the key by which the other
    environment's row is known and replaced; where there is none, ``alike`` says it of its row ``t`` and the given
    ``g``, and ``arbiter`` is the key that decides where somebody adds the same row meanwhile. ``own_number``: the other
    environment numbers its rows itself. ``message``: the column that names a message. ``only_new``: a row that the
    other environment has is left as it is. ``preset``: values that a copied row has there whatever they are in
    production; ``matches``: columns that have there what another one has. ``together``: rows that are the same in these
    columns are of one thing, come one after the other in ``order``, and are written in one transaction. ``kept``:
    columns whose later value stays, whichever side it is on. ``kinds`` are of the columns that hold text.
    """

    table: str
    taken: str
    order: str
    same: Key | None = None
    alike: str = ""
    arbiter: Key | None = None
    own_number: bool = False
    message: str | None = None
    only_new: bool = False
    preset: Mapping[str, Any] = field(default_factory=dict)
    matches: Mapping[str, str] = field(default_factory=dict)
    together: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
