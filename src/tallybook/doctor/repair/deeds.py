"""What a batch does, deed by deed: children of what goes are dealt with before it goes, however deep they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count

from tallybook.core.errors import Invalid

from .types import Deed, Family, Node, Reference, Rule, Shape, Unique

DEEPEST = 20  # children of children; beyond it, they go in a ring


def deeds(family: Family, rule: Rule) -> tuple[Node, ...]:
    """The deeds of a batch in their order; undone, they are taken in the opposite one.

    Raises Invalid for tables whose rows cannot be found again or cannot be told apart beforehand.
    """
    numbers = count()
    first = Node(next(numbers), Deed.TAKE, family.root, 0)
    nodes = [first, *_under(family, family.root, ((family.root, 0),), numbers)]
    nodes.append(Node(next(numbers), Deed.REMOVE, family.root, 0))
    if rule.merge:
        nodes.append(Node(next(numbers), Deed.MERGE, family.root, 0))
    for table in tables(nodes):
        if family.shape(table).divided:
            raise Invalid(
                f"{table} has partitions or inheriting tables; its rows cannot be merged here. "
                "Merge them by hand, then let the doctor look again."
            )
    return tuple(nodes)


def tables(nodes: Sequence[Node]) -> list[str]:
    """The tables whose rows are touched, each once."""
    return list(dict.fromkeys(one.table for node in nodes for one in (node, *node.carried)))


def _under(family: Family, table: str, path: tuple[tuple[str, int], ...], numbers: Iterator[int]) -> Iterator[Node]:
    """What is done to the children of a table's rows; the last of the path holds the groups of these rows."""
    members = path[-1][1]
    for reference in _in_turn(family, table):
        child = family.shape(reference.table)
        above = tuple(number for name, number in path if name == reference.table)
        for unique in child.uniques:
            if touches(unique, reference):
                _refuse_what_cannot_be_foreseen(unique, child, ring=bool(above))
                collide = Node(next(numbers), Deed.COLLIDE, reference.table, members, reference, unique)
                yield collide
                yield from _under(family, reference.table, (*path, (reference.table, collide.number)), numbers)
                yield Node(next(numbers), Deed.REMOVE, reference.table, collide.number)
        number = next(numbers)
        carried = tuple(_carried(family, reference.table, reference.columns, number, numbers))
        yield Node(number, Deed.MOVE, reference.table, members, reference, path=above, carried=carried)


def _in_turn(family: Family, table: str) -> list[Reference]:
    """The foreign keys that point at a table; a child comes before those that point at that child too."""
    waiting, turn = family.pointing(table), list[Reference]()
    while waiting:
        free = [
            one for one in waiting
            if not any(other.table != one.table and _points(family, one.table, other.table) for other in waiting)
        ] or waiting[:1]  # fmt: skip
        turn += free
        waiting = [one for one in waiting if one not in free]
    return turn


def _points(family: Family, table: str, other: str) -> bool:
    return any(one.table == table for one in family.pointing(other))


def _carried(
    family: Family, table: str, columns: Sequence[str], after: int, numbers: Iterator[int], depth: int = 0
) -> Iterator[Node]:
    """Whoever points at a table by columns that are moved moves with it, or would point at nothing for a moment."""
    for reference in family.pointing(table):
        pairs = zip(reference.columns, reference.to_columns, strict=True)
        moved = [mine for mine, theirs in pairs if theirs in columns]
        if not moved:
            continue
        if reference.table == table or depth > DEEPEST:
            raise Invalid(
                f"{reference.table} points at itself by a column that is to be moved ({reference.name}); such a ring "
                "cannot be merged here. Mend these rows by hand first."
            )
        node = Node(next(numbers), Deed.CARRY, reference.table, after, reference)
        yield node
        yield from _carried(family, reference.table, moved, node.number, numbers, depth + 1)


def touches(unique: Unique, reference: Reference) -> bool:
    """Whether a row that is moved to another parent could meet another by this index."""
    said = " ".join((*unique.expressions, unique.where or ""))
    return any(column in unique.columns or re.search(rf"\b{re.escape(column)}\b", said) for column in reference.columns)


def _refuse_what_cannot_be_foreseen(unique: Unique, child: Shape, *, ring: bool) -> None:
    if unique.kind == "x":
        raise Invalid(
            f"{child.name} has the exclusion {unique.name} over a column that points at the rows to be merged; "
            "which of its rows would meet cannot be said. Move them by hand first."
        )
    if ring:
        raise Invalid(
            f"{child.name} points back at the rows to be merged, and its key {unique.name} holds that column; "
            "such a ring cannot be merged here. Mend these rows by hand first."
        )
