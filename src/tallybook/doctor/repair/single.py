"""Plans for single faults: an invalid index, an unvalidated constraint, a sequence behind, periods not kept apart."""

from __future__ import annotations

from tallybook.core.errors import Invalid
from tallybook.doctor.catalog import BIGGEST, Index, Kind, SequenceState, Table, Unvalidated
from tallybook.doctor.contract import Apart
from tallybook.doctor.evidence_statements import breaks
from tallybook.doctor.periods import taken_apart

from . import keys
from .types import Plan, Statement, Step
from .words import SHOWN, literal, name

STAYS = "It changes no row, and nothing is taken back by an undoing: {}."


def plan_invalid(run: str, index: Index) -> Plan:
    """Drops an index whose building failed, and builds it again. Undone, nothing is: it had held nothing."""
    if index.building:
        raise Invalid(f"{index.name} is being built at this moment; look again when it is done.")
    if index.kind is not Kind.BARE:
        raise Invalid(f"{index.name} belongs to a constraint; plan the key that it is to hold, with --key.")
    says = "What is left of a failed building goes, and the index is built again."
    step = Step("rebuild", says, statements=(keys.build_again(index.schema, index.name, index.definition),))
    return Plan(
        run=run, what=f"{index.name} is valid", schema=index.schema, table=index.table, steps=(step,),
        notes=(STAYS.format("an index that is not valid held nothing"),),
    )  # fmt: skip


def plan_unvalidated(run: str, table: Table, one: Unvalidated) -> Plan:
    """Holds the old rows against a constraint. Undone, nothing is: it holds for new rows anyway.

    ``preview`` names the rows in the way.
    """
    statement = keys.validate(name(one.schema, one.table), one.name)
    step = Step("validate", "Old rows are held against the constraint while others write.", statements=(statement,))
    return Plan(
        run=run, what=f"{one.name} holds for all rows", schema=one.schema, table=one.table, steps=(step,),
        notes=(STAYS.format("for new rows the constraint held before"),),
        preview=_breaking(table, breaks(table, one).as_string()),
    )  # fmt: skip


def _breaking(table: Table, broken: str) -> str:
    """A query of one jsonb: rows that a constraint would refuse."""
    return f"""select jsonb_build_object('meeting', coalesce(jsonb_agg(found), '[]')) from (
    select to_jsonb({name(table.name)}.*) as found from {name(table.schema, table.name)} where {broken} limit {SHOWN}
) rows_of"""


def plan_sequence(run: str, one: SequenceState) -> Plan:
    """Moves a sequence past the numbers that its table has.

    Writers are kept out for the moment of it, and a number that was given out already is never given again: the
    sequence only ever goes on. It is not undone.
    """
    table, column, sequence = name(one.schema, one.table), name(one.column), name(one.sequence_schema, one.sequence)
    # To alter the sequence, even to what it is, keeps nextval out until the end.
    text = f"""do $doctor$ begin
    lock table {table} in share row exclusive mode;
    alter sequence {sequence} increment by {one.step};
    perform setval({literal(sequence)}, reached) from (
        select max({column})::bigint as reached from {table}
        where mod({column}::numeric - (select last_value from {sequence}), {one.step}) = 0 and {column} <= {BIGGEST}
    ) rows_of
    where reached between (select last_value from {sequence}) and {one.top - one.step};
end $doctor$"""
    step = Step("set", "The sequence goes on behind the largest number of its table.", statements=(Statement(text),))
    return Plan(
        run=run, what=f"{one.full_name} is past {one.column}", schema=one.schema, table=one.table, steps=(step,),
        notes=(STAYS.format("a number that was given out is never given again"),),
    )  # fmt: skip


def plan_apart(run: str, schema: str, one: Apart) -> Plan:
    """Adds the exclusion that keeps periods apart, where no rows stand in its way. Periods are never merged here.

    It keeps writers out while it is built (there is no way around that), so it is given up after the lock timeout;
    build it at a quiet time on a large table. ``preview`` names the rows in the way.
    """
    table = name(schema, one.table)
    add = f"alter table {table} add constraint {name(one.name)} {one.rule}"
    needed = f"select not {keys.has_constraint(table, one.name)}"
    drop = Statement(f"alter table {table} drop constraint {name(one.name)}",
                     f"select {keys.has_constraint(table, one.name)}")  # fmt: skip
    return Plan(
        run=run, what=f"{one.name} keeps {one.same or 'the periods'} apart", schema=schema, table=one.table,
        steps=(Step("add", "The exclusion is added if no row is in its way.", statements=(Statement(add, needed),)),),
        undo=(Step("unadd", "The exclusion is dropped.", statements=(drop,)),),
        preview=overlapping(table, one.rule),
        notes=("Writers of the table wait while it is built, for the lock timeout at most; then it is given up.",),
    )  # fmt: skip


def overlapping(table: str, rule: str) -> str:
    """A query of one jsonb: the pairs of rows that an exclusion would refuse. Raises Invalid for a rule unread."""
    periods = taken_apart(rule)
    if periods is None:
        raise Invalid(
            f"The rule cannot be read: {rule}. It is exclude using gist (… with &&) or unique (… without overlaps)."
        )
    values = ", ".join(f"({expression}) as doctor_part_{at}" for at, (expression, _) in enumerate(periods.elements))
    side = f"select ctid as doctor_own, {values}, to_jsonb(each_row) as doctor_row from {table} each_row"
    side += f" where {periods.where}" if periods.where else ""
    meets = " and ".join(
        f"a.doctor_part_{at} {operator} b.doctor_part_{at}" for at, (_, operator) in enumerate(periods.elements)
    )
    return f"""select jsonb_build_object('meeting', coalesce(jsonb_agg(pair), '[]')) from (
    select jsonb_build_array(a.doctor_row, b.doctor_row) as pair
    from ({side}) a join ({side}) b on a.doctor_own < b.doctor_own and {meets} limit {SHOWN}) pairs"""
