"""What a contract says of what a server's log recorded: a double that was meant to be refused, or a rule in the way."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from .contract import Apart, Contract, NaturalKey
from .log_message import EXCLUSION, NO_ARBITER, UNIQUE, Said
from .periods import taken_apart
from .recorded import bare_columns, same_columns, same_table, with_recorded
from .server_log import Recorded
from .types import Report


class Verdict(StrEnum):
    """What a refusal was. The words are public."""

    EXPECTED = "expected-duplicate"
    BLOCKS = "blocks-a-rule"
    UNTOLD = "not-in-the-contract"


class Judged(msgspec.Struct, frozen=True):
    """A verdict and its reason, as the end of a sentence."""

    verdict: Verdict
    why: str


def judge(recorded: Recorded, contract: Contract) -> Judged:
    """What a contract says of a refusal. Pure."""
    said, state = recorded.said, recorded.state
    if state == NO_ARBITER:
        declared = any(same_columns(key, said) for key in contract.keys)
        why = "the key is declared, and no index holds it" if declared else "no index fits what ON CONFLICT names"
        return Judged(Verdict.BLOCKS, why)
    if state == EXCLUSION:
        apart = next((one for one in contract.apart if _keeps_apart(one, said)), None)
        if apart is not None:
            return Judged(Verdict.EXPECTED, apart.same or "the contract keeps these periods apart")
        return Judged(Verdict.BLOCKS, "nothing in the contract keeps these rows apart")
    if state != UNIQUE:
        return Judged(Verdict.UNTOLD, "a contract says nothing of checks and foreign keys")
    return _unique(recorded, contract)


def _unique(recorded: Recorded, contract: Contract) -> Judged:
    said = recorded.said
    for key in contract.keys:
        if _named(key, said) or same_columns(key, said):
            return Judged(Verdict.EXPECTED, f"two rows are the same by {key.says}")
    for key in contract.keys:
        if (
            said.columns
            and same_table(said.table, key.table)
            and bare_columns(said.columns) < bare_columns(key.columns)
        ):
            return Judged(Verdict.BLOCKS, f"too strict: rows are the same only by {key.says}")
    return Judged(Verdict.BLOCKS, "nothing in the contract calls these rows the same")


def _named(key: NaturalKey, said: Said) -> bool:
    """Whether it is a declared key by its name, on its table and over all of its columns, as far as these are told."""
    here = said.table is None or same_table(said.table, key.table)
    whole = not said.columns or bare_columns(key.columns) <= bare_columns(said.columns)
    return key.name is not None and key.name == said.constraint and here and whole


def _keeps_apart(apart: Apart, said: Said) -> bool:
    """Whether it is a declared rule by its name, on its table, and over all the columns that must be equal."""
    here = said.table is None or same_table(said.table, apart.table)
    periods = taken_apart(apart.rule)
    equal = bare_columns(expression for expression, how in periods.elements if how == "=") if periods else set()
    return apart.name == said.constraint and here and (not said.columns or equal <= bare_columns(said.columns))


def with_logs(report: Report, recorded: Sequence[Recorded]) -> Report:
    """The report, with how often its findings' constraints and targets met somebody, as the logs say."""
    findings = tuple(with_recorded(finding, recorded) for finding in report.findings)
    return msgspec.structs.replace(report, findings=findings)
