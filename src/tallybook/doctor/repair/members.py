"""Which rows belong together and which of them stays: said once, for batches and for the preview."""

from __future__ import annotations

from .types import Node, Shape, Unique
from .words import columns, equal, held, image, literal, name, order, part

# A parent that stays, its former self, and the children of both.
PARENTS = """{source} m
        join only {parent} old on old.ctid = m.own
        join only {parent} stays on stays.ctid = m.stays
        join only {child} c on {points}"""


def key_parts(key: Unique) -> str:
    """What rows are grouped by."""
    return ", ".join(part(column) for column in key.columns)


def grouped(key: Unique) -> str:
    """What follows GROUP BY, where no constant may stand."""
    parts = key_parts(key)
    return "()" if parts == "(true)" else parts


def first_members(shape: Shape, key: Unique, keep: str, rows: str) -> str:
    """The rows of groups of more than one: own, stays, place, grp. ``rows`` narrows which are looked at."""
    parts = key_parts(key)
    return f"""select own, stays, place, grp from (
        select doctor_own as own, first_value(doctor_own) over ranked as stays, row_number() over ranked as place,
            count(*) over (partition by {parts}) as many, dense_rank() over (order by {parts}) as grp
        from (select t.ctid as doctor_own, t.* from only {shape.name} t where {rows}) t
        where {held(key)}
        window ranked as (partition by {parts} order by {order(keep, shape.fields)}, doctor_own)
    ) found where many > 1"""


def colliding_members(shape: Shape, node: Node, source: str, *, lock: bool) -> str:
    """The children that will be the same by one of their own keys; the child of the parent that stays is the first."""
    if node.reference is None or node.unique is None:
        return ""
    moved = dict(zip(node.reference.columns, node.reference.to_columns, strict=True))
    fields = ", ".join(
        f"stays.{name(moved[field.name])} as {name(field.name)}" if field.name in moved else f"c.{name(field.name)}"
        for field in shape.fields
    )
    parts = key_parts(node.unique)
    return f"""select own, stays, place, grp from (
        select doctor_own as own, first_value(doctor_own) over ranked as stays, row_number() over ranked as place,
            count(*) over (partition by {parts}) as many, doctor_group as grp
        from (
            select c.ctid as doctor_own, m.grp as doctor_group, m.place as doctor_place, {fields}
            from {parents(node, source)}{" for update of c" if lock else ""}
        ) moved
        where {held(node.unique)}
        window ranked as (partition by {parts} order by doctor_place, doctor_own)
    ) found where many > 1"""


def parents(node: Node, source: str) -> str:
    """The FROM of a deed on children: m (members), old and stays (parents), c (children of old)."""
    if node.reference is None:
        return ""
    points = equal(node.reference.columns, "c", "old", node.reference.to_columns)
    return PARENTS.format(source=source, parent=node.reference.to_table, child=node.table, points=points)


def source(number: int) -> str:
    """The members of a node, within a batch."""
    return f"(select * from doctor_members where node = {number})"


def doubled(shape: Shape, key: Unique) -> str:
    """The rows that have a double, as a condition on the table ``t``; a large table is read twice only."""
    parts = key_parts(key)
    if key.nulls_same or key.expressions:
        return "true"
    return f"""({columns(key.columns, "t")}) in (
        select {parts} from only {shape.name} where {held(key)} group by {parts} having count(*) > 1)"""


def sums(shapes: list[Shape]) -> str:
    """For each table how many rows it has and the sum of their hashes, in whatever order they stand."""
    each = ", ".join(
        f"{literal(shape.name)}, (select jsonb_build_object('rows', count(*), 'sum', "
        f"coalesce(sum(hashtextextended({image(shape.fields, 't')}, 0)::numeric), 0)::text) from only {shape.name} t)"
        for shape in shapes
    )
    return f"jsonb_build_object({each})"
