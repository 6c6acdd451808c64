"""What the doctor's page says of each sort of fault, in the reader's words: a heading, and what it means."""

from __future__ import annotations

from tallybook.core.marking import N_

HEADINGS = {
    "missing-key": N_("A key is missing"),
    "too-strict": N_("A rule is too strict"),
    "looser-key": N_("A key is looser than declared"),
    "redundant-key": N_("Two rules do the same"),
    "deferrable-arbiter": N_("A key holds too late"),
    "invalid-index": N_("An index was never finished"),
    "partial-arbiter": N_("A key holds for some rows only"),
    "expression-mismatch": N_("A key is over another expression"),
    "not-a-constraint": N_("An index is taken for a constraint"),
    "null-rule": N_("Rows without a value are taken otherwise"),
    "missing-table": N_("A table is missing"),
    "missing-column": N_("A column is missing"),
    "periods-overlap": N_("Periods may overlap"),
    "lost-singleton": N_("One row may become several"),
    "conflict-without-target": N_("A statement swallows every refusal"),
    "conflict-without-arbiter": N_("A statement has no key to rely on"),
    "parameter-in-predicate": N_("A statement fails on its sixth run"),
    "statement-refused": N_("The database refuses a statement"),
    "key-lacks-partition": N_("A key lacks the partition’s column"),
    "key-without-scope": N_("A key forgets whose rows they are"),
    "drift": N_("Two schemas differ"),
    "unvalidated-constraint": N_("Old rows were never checked"),
    "sequence-behind": N_("A numbering is behind its table"),
    "not-read": N_("A statement could not be read"),
    "not-looked-at": N_("Something was not looked at"),
}
MEANINGS = {
    "missing-key": N_("The same thing can be written twice, and is then counted twice."),
    "too-strict": N_("Things that the business tells apart are refused, and whoever enters them sees an error."),
    "looser-key": N_("Doubles pass it, as if there were no key."),
    "redundant-key": N_("Nothing goes wrong, but each write pays for both."),
    "deferrable-arbiter": N_("It is held at the end only, so that a statement that relies on it fails each time."),
    "invalid-index": N_("It may refuse rows, and yet nothing can rely on it."),
    "partial-arbiter": N_("Doubles pass among the other rows, and statements that rely on it may fail."),
    "expression-mismatch": N_("It tells rows apart by something else than the business does."),
    "not-a-constraint": N_("The statement that names it fails each time."),
    "null-rule": N_("Rows without a value are doubled, or refused, against what was declared."),
    "missing-table": N_("Whatever is kept there fails. Were the migrations run?"),
    "missing-column": N_("Whatever is kept there fails. Were the migrations run?"),
    "periods-overlap": N_("Two things may hold at the same time of which only one can be."),
    "lost-singleton": N_("Nobody could say which of the rows is the right one."),
    "conflict-without-target": N_("It says nothing where a wrong rule refuses something, and the thing is lost."),
    "conflict-without-arbiter": N_("It fails each time, and nothing is written by it."),
    "parameter-in-predicate": N_("It works five times on each connection, and never again."),
    "statement-refused": N_("It fails each time. The sentence says why."),
    "key-lacks-partition": N_("The table cannot be spread, or the same thing may stand in two parts."),
    "key-without-scope": N_("What one business writes may be refused to another one."),
    "drift": N_("What works in one may fail in the other."),
    "unvalidated-constraint": N_("Among the old rows there may be some that break the rule."),
    "sequence-behind": N_("The next new row is refused, since its number is taken."),
    "not-read": N_("Nothing is known of it, so it is not said to be well."),
    "not-looked-at": N_("The time or the rights did not suffice, so it is not said to be well."),
}
STATES = {"error": "wrong", "warning": "late", "note": "note"}
SEVERITIES = {"error": N_("Fault"), "warning": N_("Warning"), "note": N_("Note")}
CAUSES = {"nightly": N_("at night"), "start": N_("at a start"), "asked": N_("asked for")}
KINDS = {"blocks": N_("In a business rule’s way"), "expected": N_("Did its work")}
