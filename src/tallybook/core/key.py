"""What a natural key is, and what keeps periods apart. Both are declared in keys.py and in the files that it reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """A natural key: the business's own rule of what is the same thing, and the constraint that holds it.

    ``same`` completes the sentence "two rows are the same when they are …".
    """

    table: str
    constraint: str
    columns: tuple[str, ...]
    same: str

    @property
    def target(self) -> str:
        """The conflict target, as it stands in ``on conflict <target> do …``."""
        return f"({', '.join(self.columns)})"


@dataclass(frozen=True)
class Apart:
    """Periods that must not lie over each other: an exclusion constraint, with its rule as it is written.

    ``same`` completes the sentence "without it, … could lie over each other".
    """

    table: str
    constraint: str
    rule: str
    same: str
