"""What each code means, in one sentence: for SARIF's help, for JUnit, and for the table of docs/doctor.md."""

from __future__ import annotations

from .types import Code

MEANS: dict[Code, str] = {
    Code.MISSING_KEY: "Nothing refuses two rows that the contract calls the same, so they can both be written.",
    Code.TOO_STRICT: "An index or constraint refuses rows that the contract calls different; users see an error.",
    Code.LOOSER_KEY: "The index that should hold a key has more columns than the key, so doubles pass it.",
    Code.REDUNDANT_KEY: "Two indexes refuse the same rows; every write pays for both.",
    Code.DEFERRABLE_ARBITER: "The key may wait for the end of the transaction; ON CONFLICT on it fails (55000).",
    Code.INVALID_INDEX: "A build that failed left an index on which nothing can rely; IF NOT EXISTS calls it success.",
    Code.PARTIAL_ARBITER: "The index covers only some rows, and not by the predicate of the key or the statement.",
    Code.EXPRESSION_MISMATCH: "The index is over another expression than the key or the statement.",
    Code.NOT_A_CONSTRAINT: "ON CONFLICT ON CONSTRAINT names a bare index, which it cannot use (42704).",
    Code.NULL_RULE: "The index treats rows without a value in another way than the contract says.",
    Code.MISSING_TABLE: "The contract speaks of a table that is not there.",
    Code.MISSING_COLUMN: "The contract speaks of a column that is not there.",
    Code.PERIODS_OVERLAP: "Nothing keeps periods apart that must not lie over each other, or not by the declared rule.",
    Code.LOST_SINGLETON: "A table that holds one row at most would take a second one.",
    Code.CONFLICT_WITHOUT_TARGET: "ON CONFLICT DO NOTHING without a target swallows every refusal, the wrong ones too.",
    Code.CONFLICT_WITHOUT_ARBITER: "No index fits the target of a statement's ON CONFLICT; it fails each time (42P10).",
    Code.PARAMETER_IN_PREDICATE: "ON CONFLICT has a parameter in its predicate: prepared, it fails from its sixth run.",
    Code.STATEMENT_REFUSED: "The server refuses a statement for another reason; the sentence quotes it.",
    Code.KEY_LACKS_PARTITION: "A key lacks the column by which its table is partitioned or distributed.",
    Code.KEY_WITHOUT_SCOPE: "A key lacks the tenant's column: what one tenant writes is refused to another.",
    Code.DRIFT: "Two schemas differ in which rows they refuse, or in what ON CONFLICT can rely on.",
    Code.UNVALIDATED: "A check or foreign key that the older rows were never held against.",
    Code.SEQUENCE_BEHIND: "A sequence will give a number that is taken already; the next insert fails.",
    Code.NOT_READ: "A place with ON CONFLICT that could not be read, and so was not examined.",
    Code.NOT_LOOKED_AT: "Something that our role may not see, or for which the time did not suffice.",
}
