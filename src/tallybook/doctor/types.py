"""What the doctor says of a schema."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from .contract import NaturalKey


class Severity(StrEnum):
    """An error refuses or doubles what the business means to keep; a warning will one day; a note is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Code(StrEnum):
    """What can be wrong. The words are public and stable: people silence and count by them."""

    MISSING_KEY = "missing-key"
    TOO_STRICT = "too-strict"
    LOOSER_KEY = "looser-key"
    REDUNDANT_KEY = "redundant-key"
    DEFERRABLE_ARBITER = "deferrable-arbiter"
    INVALID_INDEX = "invalid-index"
    PARTIAL_ARBITER = "partial-arbiter"
    EXPRESSION_MISMATCH = "expression-mismatch"
    NOT_A_CONSTRAINT = "not-a-constraint"
    NULL_RULE = "null-rule"
    MISSING_TABLE = "missing-table"
    MISSING_COLUMN = "missing-column"
    PERIODS_OVERLAP = "periods-overlap"
    LOST_SINGLETON = "lost-singleton"
    CONFLICT_WITHOUT_TARGET = "conflict-without-target"
    CONFLICT_WITHOUT_ARBITER = "conflict-without-arbiter"
    PARAMETER_IN_PREDICATE = "parameter-in-predicate"
    STATEMENT_REFUSED = "statement-refused"
    KEY_LACKS_PARTITION = "key-lacks-partition"
    KEY_WITHOUT_SCOPE = "key-without-scope"
    DRIFT = "drift"
    UNVALIDATED = "unvalidated-constraint"
    SEQUENCE_BEHIND = "sequence-behind"
    NOT_READ = "not-read"
    NOT_LOOKED_AT = "not-looked-at"


class Evidence(msgspec.Struct, frozen=True):
    """What shows a finding.

    ``rows`` stand against each other: a few, as the database has them; ``groups`` is how many groups of such rows there
    are, None where they were not counted within the time. Of a rule that a row breaks by itself each row is a group.
    ``error`` is what users see, ``times`` and ``last`` how often and when last it was recorded.
    """

    rows: tuple[dict[str, Any], ...] = ()
    groups: int | None = None
    error: str | None = None
    times: int = 0
    last: datetime | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. ``says`` is one sentence that a tired person understands, ``do`` what mends it.

    ``name`` is the constraint's, index's or sequence's; ``place`` the statement's, as ``file:line``. ``schema`` is
    empty where the finding is of no single schema.
    """

    code: Code
    severity: Severity
    table: str
    says: str
    do: str
    name: str | None = None
    place: str | None = None
    key: NaturalKey | None = None
    evidence: Evidence = Evidence()
    schema: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, the worst first, and what was looked at."""

    findings: tuple[Finding, ...]
    tables: int
    keys: int
    upserts: int
    seconds: float
    database: str
    schemas: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong: notes and warnings do not make a schema ill."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)
