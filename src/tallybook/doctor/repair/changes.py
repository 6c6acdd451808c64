"""The statements of a batch that change rows: children are handed on, and what stays takes over of what went.

Each row is kept as it was and as it is left, so that an undoing knows whether somebody wrote to it since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tallybook.core.errors import Invalid

from .members import parents, source
from .types import Family, Node, Reference, Rule, Shape
from .words import HOME, columns, equal, name


@dataclass(frozen=True)
class Change:
    """One table's part of a statement.

    ``old`` selects the rows, with ``doctor_new_N`` for the columns (N, name) of ``new``, N being the column's place in
    its table.
    """

    number: int
    shape: Shape
    kept: str
    old: str
    new: tuple[tuple[int, str], ...]

    @property
    def parts(self) -> list[str]:
        """The parts of a WITH that keep, change, and keep again."""
        n, fields = self.number, columns(field.name for field in self.shape.fields)
        into = f"{self.kept} (doctor_no, doctor_batch, doctor_group, doctor_node, doctor_what, {fields})"
        sets = ", ".join(f"{name(column)} = old_{n}.doctor_new_{at}" for at, column in self.new)
        return [
            f"""old_{n} as (
        {self.old}
    )""",
            f"""was_{n} as (
        insert into {into}
        select doctor_no, doctor_this, doctor_group, {n}, 'changed', {fields} from old_{n}
    )""",
            f"""moved_{n} as (
        update only {self.shape.name} t set {sets} from old_{n} where t.ctid = old_{n}.doctor_own
        returning old_{n}.doctor_no, old_{n}.doctor_group, old_{n}.doctor_own, t.ctid as doctor_now, t.*
    )""",
            f"""left_{n} as (
        insert into {into}
        select doctor_no, doctor_this, doctor_group, {n}, 'left', {fields} from moved_{n}
    )""",
        ]


def move(family: Family, node: Node, kept: Mapping[str, str]) -> str:
    """Children of what goes are handed to what stays, and with them whoever bears the same column further down."""
    if node.reference is None:
        return ""
    shape = family.shape(node.table)
    new = places(shape, node.reference.columns)
    values = ", ".join(
        f"stays.{name(column)} as doctor_new_{at}"
        for (at, _), column in zip(new, node.reference.to_columns, strict=True)
    )
    old = f"""select nextval('{HOME}.numbers') as doctor_no, c.ctid as doctor_own, m.grp as doctor_group, {values}, c.*
        from {parents(node, source(node.members))}
        where m.place > 1"""
    changes = {node.number: Change(node.number, shape, kept[node.table], old, new)}
    for one in node.carried:
        if one.reference is not None:
            before = changes[one.members]
            changes[one.number] = _follow(family.shape(one.table), one, one.reference, before, kept[one.table])
    parts = [part for change in changes.values() for part in change.parts]
    if node.path:  # rows of the groups themselves may have moved; they are followed
        parts.append(_followed(node))
    return f"""
    -- {shape.name}: children of what goes are handed to what stays ({node.reference.name}).
    -- Locked in a statement before, so that the next one sees them as they are then.
    perform 1 from {parents(node, source(node.members))} where m.place > 1 for update of c;
    with {", ".join(parts)}
    select count(*) into doctor_done from moved_{node.number};"""


def _follow(shape: Shape, node: Node, reference: Reference, before: Change, kept: str) -> Change:
    """The change of rows that point at changed ones by a column that is changed."""
    renewed = {column: at for at, column in before.new}
    pairs = dict(zip(reference.columns, reference.to_columns, strict=True))
    new = places(shape, [mine for mine, theirs in pairs.items() if theirs in renewed])
    values = ", ".join(f"p.doctor_new_{renewed[pairs[column]]} as doctor_new_{at}" for at, column in new)
    old = f"""select nextval('{HOME}.numbers') as doctor_no, g.ctid as doctor_own, p.doctor_group, {values}, g.*
        from old_{before.number} p
        join only {shape.name} g on {equal(reference.columns, "g", "p", reference.to_columns)}"""
    return Change(node.number, shape, kept, old, new)


def _followed(node: Node) -> str:
    paths = ", ".join(str(number) for number in node.path)
    return f"""followed as (
        update doctor_members m set
            own = coalesce((select doctor_now from moved_{node.number} where doctor_own = m.own), m.own),
            stays = coalesce((select doctor_now from moved_{node.number} where doctor_own = m.stays), m.stays)
        where m.node in ({paths}))"""


def places(shape: Shape, names: tuple[str, ...] | list[str]) -> tuple[tuple[int, str], ...]:
    """Columns with their places in the table."""
    order = [field.name for field in shape.fields]
    return tuple((order.index(one), one) for one in names)


def merge(shape: Shape, node: Node, rule: Rule, kept: str) -> str:
    """What stays takes over of what went, which is in quarantine by now."""
    types = {field.name: field.type for field in shape.fields}
    new = places(shape, [column for column, _ in rule.merge])
    values = ", ".join(
        f"({_merged(column, how, types[column], kept)}) as doctor_new_{at}"
        for (at, _), (column, how) in zip(new, rule.merge, strict=True)
    )
    fields = columns((field.name for field in shape.fields), "k")
    old = f"""select nextval('{HOME}.numbers') as doctor_no, k.doctor_own, k.doctor_group, {values}, {fields}
        from (
            select t.ctid as doctor_own, m.grp as doctor_group, t.*
            from {source(node.members)} m join only {shape.name} t on t.ctid = m.own where m.place = 1
        ) k
        cross join lateral (
            select array_agg(x.doctor_no) as doctor_others from {kept} x
            where x.doctor_batch = doctor_this and x.doctor_node = {node.number - 1}
                and x.doctor_group = k.doctor_group and x.doctor_what = 'removed'
        ) others"""
    change = Change(node.number, shape, kept, old, new)
    return f"""
    -- {shape.name}: what stays takes over of what went.
    with {", ".join(change.parts)}
    select count(*) into doctor_done from moved_{node.number};"""


def _merged(column: str, how: str, type_: str, kept: str) -> str:
    """One column's value of all rows of a group, the one that stays first."""
    each = f"""select 1 as place, k.{name(column)} as value
            union all select x.doctor_place, x.{name(column)} from {kept} x where x.doctor_no = any(doctor_others)"""
    of = f"from ({each}) each_row where value is not null"
    if how == "first":
        return f"select value {of} order by place limit 1"
    if how in {"max", "min", "sum"}:
        return f"select {how}(value) {of}"
    if how == "concatenate":
        once = f"select value::text as value, min(place) as place {of} group by value::text"
        return f"select string_agg(value, ', ' order by place)::{type_} from ({once}) each_value"
    raise Invalid(f"--merge {column}={how}: how is one of first, max, min, sum, concatenate; a column not named stays.")
