"""What a key or an index refuses, and how the two compare. Pure; columns and predicates are in one spelling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import msgspec

from .catalog import Index, Table
from .contract import NaturalKey
from .predicates import literal, mentioned, not_null, null, null_test, pinned
from .same_text import Spelling


class Rule(msgspec.Struct, frozen=True):
    """Two rows are refused when they are equal in all ``columns`` and both within ``where``.

    ``nullable`` are those columns that may have no value within ``where``; ``nulls_same`` tells that two of those are
    equal, and is False where there are none, since it makes no difference then. ``where`` is without what narrows
    nothing. ``needs`` is the whole predicate, which a statement must imply to rely on the index. ``names`` are the
    table's columns that have part in ``columns``, ``expressions`` maps an expression to those in it.
    """

    columns: frozenset[str]
    where: frozenset[str]
    needs: frozenset[str]
    nullable: frozenset[str]
    nulls_same: bool
    expressions: dict[str, frozenset[str]]

    @property
    def names(self) -> frozenset[str]:
        """The table's columns that have part in the rule's columns."""
        plain = self.columns - self.expressions.keys()
        return plain.union(*self.expressions.values())


class Columns(msgspec.Struct, frozen=True):
    """A table's columns: all of them, and those that always have a value."""

    table: Table
    known: frozenset[str]
    filled: frozenset[str]


def columns_of(table: Table) -> Columns:
    """What must be known of a table to tell what its rules refuse."""
    return Columns(
        table=table,
        known=frozenset(column.name for column in table.columns),
        filled=frozenset(column.name for column in table.columns if not column.nullable),
    )


def rule_of_key(key: NaturalKey, of: Columns, spelling: Spelling) -> Rule:
    """What a declared key refuses."""
    return _rule(of, spelling, key.columns, key.where, nulls_same=key.nulls == "same")


def rule_of_index(index: Index, of: Columns, spelling: Spelling) -> Rule:
    """What an index refuses, where it compares by equality."""
    return _rule(of, spelling, index.columns, index.where, nulls_same=index.nulls_same)


def _rule(of: Columns, spelling: Spelling, columns: tuple[str, ...], where: str | None, *, nulls_same: bool) -> Rule:
    spelt = {text: spelling.column(of.table, text) for text in columns}
    expressions = {one: mentioned(text, of.known) for text, one in spelt.items() if one not in of.known}
    compared = frozenset(spelt.values())
    needs = spelling.where(of.table, where)
    sure = of.filled | not_null(needs) if needs else of.filled
    nullable = frozenset(one for one in compared - sure if not _always(one, expressions.get(one), sure))
    same = nulls_same and bool(nullable)
    # Rows without a value in one of these cannot be there, or are not compared anyway.
    idle = of.filled if same else of.filled | compared
    return Rule(
        columns=compared,
        where=frozenset(one for one in needs if not _guards(one, idle)),
        needs=needs,
        nullable=nullable,
        nulls_same=same,
        expressions=expressions,
    )


def _always(column: str, expression: frozenset[str] | None, sure: frozenset[str]) -> bool:
    """Whether an expression always has a value: a constant, or one of columns that all have one."""
    return expression is not None and (literal(column) or (bool(expression) and expression <= sure))


def _guards(conjunct: str, columns: frozenset[str]) -> bool:
    test = null_test(conjunct)
    return test is not None and not test[1] and test[0] in columns


def no_stricter(rule: Rule, than: Rule) -> bool:
    """Whether every two rows that the first refuses are refused by the second."""
    plain = rule.columns - rule.expressions.keys()
    # Where the other rule takes two rows without a value for the same one, these are.
    empty = null(rule.needs) if than.nulls_same else frozenset()
    decided = all(
        column in rule.columns | empty or (column in than.expressions and than.expressions[column] <= plain)
        for column in than.columns
    )
    if not decided or any(one not in rule.where and not _compared(one, rule) for one in than.where):
        return False
    without = rule.nullable & (than.columns | than.names)
    return not rule.nulls_same or not without or (than.nulls_same and without <= than.nullable)


def _compared(conjunct: str, rule: Rule) -> bool:
    """Whether it only asks for a value where a rule compares none but values."""
    return _guards(conjunct, rule.columns - rule.expressions.keys()) and not rule.nulls_same


def same_columns(index: Rule, key: Rule) -> bool:
    """Whether both compare the same columns; their order means nothing."""
    return index.columns == key.columns


def serves(index: Rule, key: Rule) -> bool:
    """Whether ON CONFLICT with the key's columns and predicate finds the index."""
    return same_columns(index, key) and index.needs <= key.needs


def refuses_nothing(rule: Rule) -> bool:
    """Whether the predicate takes only rows without a value in a column that must have one to be compared."""
    return not rule.nulls_same and bool(null(rule.where) & rule.columns)


# More columns that may have no value are not held by indexes of their own for each set of them.
SETS_OF = 4


def together(indexes: Sequence[Rule], key: Rule) -> bool:
    """Whether indexes for rows with a value and for those without one refuse, between them, whatever the key does."""
    if not key.nulls_same or len(key.nullable) > SETS_OF:
        return False
    sets = (set(some) for size in range(len(key.nullable) + 1) for some in combinations(sorted(key.nullable), size))
    return all(any(_holds_without(index, key, empty) for index in indexes) for empty in sets)


def _holds_without(index: Rule, key: Rule, empty: set[str]) -> bool:
    """Whether the index refuses what the key does of the rows in which these columns, and no others, have no value."""
    tests = [null_test(one) for one in index.needs - key.needs]
    fits = all(test is not None and test[0] in key.columns and (test[0] in empty) == test[1] for test in tests)
    compared = index.columns <= key.columns and (index.nulls_same or not index.columns & empty)
    return fits and compared


def one_row_at_most(index: Rule, key: Rule, pins: frozenset[str]) -> bool:
    """Whether the index lets no second row in, of those that the key is about.

    ``pins`` are columns that checks hold to one value. A column that may have no value would let any number in.
    """
    held = pins | {pin[0] for one in index.needs | key.needs if (pin := pinned(one))}
    fixed = all(literal(one) if one in index.expressions else one in held for one in index.columns)
    return fixed and index.needs <= key.needs and (index.nulls_same or not index.nullable - not_null(key.needs))
