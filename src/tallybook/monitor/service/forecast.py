"""What a scan would do: filed as ever, batch by batch, and each batch undone again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from tallybook.monitor.types import Filed, Kind, Project

Entry = tuple[str, str]  # (drop number, project)


class OfProject(msgspec.Struct):
    """What a project would get, as drop numbers in the order in which they would be filed."""

    created: list[str] = []
    resubmitted: list[str] = []
    history: list[str] = []
    rejected: list[str] = []
    held: list[str] = []
    activated: list[str] = []


@dataclass
class Forecast:
    """Gathers what batches would do. Each is undone before the next, so a drop's second post must be known here."""

    projects: Mapping[str, Project]  # by name
    messages: int = 0
    found: dict[str, OfProject] = field(default_factory=dict)
    made: set[tuple[str, str]] = field(default_factory=set)

    def add(self, filed: Filed) -> None:
        for drop, project in filed.created:
            self._of(project, "created" if self._is_first(drop, project) else "resubmitted", drop)
        for drop, project in filed.activated:
            if self._is_first(drop, project):
                self._of(project, "activated", drop)
        for name, entries in (
            ("resubmitted", filed.resubmitted), ("history", filed.history), ("rejected", filed.invalid),
            ("held", filed.held),
        ):  # fmt: skip
            for drop, project in entries:
                self._of(project, name, drop)

    def _is_first(self, drop: str, project: str) -> bool:
        """Whether this forecast made nothing of the drop before: in its space, or in its marketing project."""
        known = self.projects.get(project)
        scope = known.space if known and known.kind is Kind.QA else f"{project}\0"
        first = (scope, drop) not in self.made
        self.made.add((scope, drop))
        return first

    def _of(self, project: str, name: str, drop: str) -> None:
        getattr(self.found.setdefault(project, OfProject()), name).append(drop)
