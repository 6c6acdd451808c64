"""What a natural key is. The keys themselves are declared in keys.py, those of the inbox in inbox_keys.py."""

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
