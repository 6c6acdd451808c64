"""Whether each declared key is held so that ON CONFLICT can rely on it, and what stands there instead. Pure."""

from __future__ import annotations

import msgspec

from .catalog import Index
from .contract import NaturalKey
from .holding import Rule, no_stricter, same_columns, serves
from .predicates import unquoted
from .remedies import dropping, retiring
from .subjects import Subject
from .types import Code, Evidence, Finding, Severity

NO_ARBITER = "there is no unique or exclusion constraint matching the ON CONFLICT specification"
DEFERRED = "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters"
USERS_SEE = {
    Code.MISSING_KEY: NO_ARBITER,
    Code.LOOSER_KEY: NO_ARBITER,
    Code.EXPRESSION_MISMATCH: NO_ARBITER,
    Code.PARTIAL_ARBITER: NO_ARBITER,
    Code.INVALID_INDEX: NO_ARBITER,
    Code.DEFERRABLE_ARBITER: DEFERRED,
}
NOT_SURE = " (as far as can be told without the right to read the table)"


def key_findings(subject: Subject) -> list[Finding]:
    """A finding for each declared key of the table that nothing holds as it was declared."""
    found = []
    for place, (key, rule) in enumerate(subject.keys):
        # A key without the partition's column cannot be held at all, which is another finding.
        possible = set(subject.table.partitioned_by) <= rule.columns
        if possible and not _implied(subject, place) and (one := _of_key(subject, key, rule)):
            found.append(one)
    return found


def _implied(subject: Subject, place: int) -> bool:
    """Whether a stricter declared key refuses whatever this one would; of two alike, the first is looked at."""
    rule = subject.keys[place][1]
    return any(
        no_stricter(rule, other) and (before < place or not no_stricter(other, rule))
        for before, (_, other) in enumerate(subject.keys)
        if before != place
    )


def _of_key(subject: Subject, key: NaturalKey, rule: Rule) -> Finding | None:
    if not key.columns:
        held = any(
            index.valid and index.ready and (index.immediate or not key.immediate)
            and subject.singleton(index, its_rule, rule)
            for index, its_rule in subject.indexes
        )  # fmt: skip
        return None if held else _lost_singleton(subject, key)
    same = [one for one in subject.indexes if same_columns(one[1], rule) and _equal_enough(one[0], key)]
    faults = [(index, fault) for index, its in same if (fault := _fault(index, its, key, rule))]
    if len(faults) < len(same):
        return None
    if not faults:
        return _not_there(subject, key, rule)
    if all(fault is Code.PARTIAL_ARBITER for _, fault in faults) and subject.held_together(rule):
        return _in_parts(subject, key, faults[0][0])
    return _unfit(subject, key, *max(faults, key=lambda one: NEAREST.index(one[1])))


def _equal_enough(index: Index, key: NaturalKey) -> bool:
    """An exclusion keeps equal rows apart too, but no ON CONFLICT with columns finds it."""
    return index.equal and (index.unique or not key.immediate)


# What stands in the way of an index of the right columns, the nearest to being right last.
NEAREST = (Code.PARTIAL_ARBITER, Code.NULL_RULE, Code.INVALID_INDEX, Code.DEFERRABLE_ARBITER)


def _fault(index: Index, its_rule: Rule, key: NaturalKey, rule: Rule) -> Code | None:
    if not serves(its_rule, rule):
        return Code.PARTIAL_ARBITER
    if not no_stricter(rule, its_rule):
        return Code.NULL_RULE
    if not (index.valid and index.ready):
        return Code.INVALID_INDEX
    return Code.DEFERRABLE_ARBITER if key.immediate and not index.immediate else None


def _not_there(subject: Subject, key: NaturalKey, rule: Rule) -> Finding:
    for index, its_rule in subject.indexes:
        if (
            index.valid
            and index.ready
            and index.equal
            and its_rule.columns > rule.columns
            and no_stricter(its_rule, rule)
        ):
            return _looser(subject, key, index)
    for index, its_rule in subject.indexes:
        differs = (its_rule.expressions or rule.expressions) and its_rule.names == rule.names
        if index.unique and index.equal and differs and rule.names:
            return _expression(subject, key, index)
    stricter = (index for index, its in subject.indexes if index.valid and index.ready and no_stricter(rule, its))
    return _missing(subject, key, next(stricter, None))


def _finding(subject: Subject, key: NaturalKey, code: Code, says: str, do: str, index: Index | None = None) -> Finding:
    by_text = not subject.sure and code in {Code.PARTIAL_ARBITER, Code.EXPRESSION_MISMATCH}
    return Finding(
        code=code,
        severity=Severity.WARNING if by_text else Severity.ERROR,
        schema=subject.table.schema,
        table=subject.table.name,
        name=index.name if index else key.name,
        says=says + (NOT_SURE if by_text else "") + ".",
        do=do,
        key=key,
        evidence=Evidence(error=USERS_SEE.get(code)),
    )


def same_thing(key: NaturalKey) -> str:
    """Which rows are one thing, in the business's words where it gave some."""
    columns = " and ".join(unquoted(column) for column in key.columns)
    alike = f"rows with the same {columns}" + (f" where {key.where}" if key.where else "")
    return f"{key.same} ({alike})" if key.same else alike


def _missing(subject: Subject, key: NaturalKey, stricter: Index | None = None) -> Finding:
    says = f"Nothing in {subject.called} stops {same_thing(key)} from being written twice"
    if stricter is not None:
        says = (
            f"In {subject.called} only {stricter.name}, which refuses more than the rule, "
            f"stops {same_thing(key)} from being written twice"
        )
    says += ", and every ON CONFLICT on these columns fails"
    return _finding(subject, key, Code.MISSING_KEY, says, subject.making(key))


def _looser(subject: Subject, key: NaturalKey, index: Index) -> Finding:
    more = ", ".join(column for column in index.columns if column not in key.columns)
    says = (
        f"In {subject.called} only {index.name} keeps rows apart, and it compares {more} as well: {same_thing(key)} "
        f"get in twice as soon as they differ in that"
    )
    return _finding(subject, key, Code.LOOSER_KEY, says, subject.making(key), index)


def _expression(subject: Subject, key: NaturalKey, index: Index) -> Finding:
    says = (
        f"{index.name} on {subject.called} compares ({', '.join(index.columns)}), but the rule is about "
        f"({', '.join(key.columns)}): it refuses other rows than those, and no ON CONFLICT of the rule finds it"
    )
    return _finding(subject, key, Code.EXPRESSION_MISMATCH, says, subject.making(key), index)


def _unfit(subject: Subject, key: NaturalKey, index: Index, fault: Code) -> Finding:
    """An index of the right columns goes when the declared key is there; an invalid one before that."""
    made = subject.making(key)
    do = f"{dropping(index)} {made}" if fault is Code.INVALID_INDEX else f"{made} {retiring(index, subject.named)}"
    return _finding(subject, key, fault, _SAYS[fault](subject, key, index), do, index)


def _deferrable(subject: Subject, key: NaturalKey, index: Index) -> str:
    return (
        f"{index.name} on {subject.called} is deferrable, so every ON CONFLICT that relies on it fails when it runs: "
        f"users who send {same_thing(key)} again see an error"
    )


def _invalid(subject: Subject, key: NaturalKey, index: Index) -> str:
    ready = "it refuses new rows and yet no ON CONFLICT finds it" if index.ready else "it refuses nothing at all"
    return (
        f"The key of {same_thing(key)} in {subject.called} is the invalid index {index.name}: {ready}, "
        f"and CREATE INDEX IF NOT EXISTS takes it for a finished one"
    )


def _null_rule(subject: Subject, key: NaturalKey, index: Index) -> str:
    return (
        f"By the rule, two rows of {subject.called} without a value are the same thing, but {index.name} lets any "
        f"number of them in: {same_thing(key)} are counted twice wherever a value is missing"
    )


def _partial(subject: Subject, key: NaturalKey, index: Index) -> str:
    if not key.where and index.where:
        twice = "" if subject.refuses(index, key) else f", and outside of it {same_thing(key)} get in twice"
        return (
            f"{index.name} on {subject.called} has the predicate {index.where}, so no ON CONFLICT "
            f"({', '.join(key.columns)}) and no foreign key can rely on it{twice}"
        )
    about = f"where {key.where}" if key.where else "of all rows"
    outside = f", and {same_thing(key)} get in twice outside of it" if subject.apart_from(index, key) else ""
    return (
        f"{index.name} on {subject.called} covers only the rows where {index.where}, but the rule is about those "
        f"{about}: ON CONFLICT of the rule does not find it{outside}"
    )


_SAYS = {
    Code.PARTIAL_ARBITER: _partial,
    Code.NULL_RULE: _null_rule,
    Code.INVALID_INDEX: _invalid,
    Code.DEFERRABLE_ARBITER: _deferrable,
}


def _in_parts(subject: Subject, key: NaturalKey, index: Index) -> Finding:
    says = (
        f"{index.name} on {subject.called}, and others for rows where a value is missing, refuse between them what the "
        f"rule does, but no ON CONFLICT ({', '.join(key.columns)}) finds them: an upsert of {same_thing(key)} fails"
    )
    found = _finding(subject, key, Code.PARTIAL_ARBITER, says, subject.making(key), index)
    return msgspec.structs.replace(found, severity=Severity.WARNING)


def _lost_singleton(subject: Subject, key: NaturalKey) -> Finding:
    which = f" where {key.where}" if key.where else ""
    says = f"{subject.called} is to hold one row at most{which}, and nothing refuses a second one"
    return _finding(subject, key, Code.LOST_SINGLETON, says, subject.making(key))
