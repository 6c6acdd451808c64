"""The words of a repair: what a table looks like to it, the rule that it follows, and the plan that comes of both."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tallybook.doctor.contract import NaturalKey, Upsert


class Field(msgspec.Struct, frozen=True):
    """A column. ``identity`` is ``a`` (always), ``d`` (by default) or empty; a generated one cannot be written."""

    name: str
    type: str
    nullable: bool
    generated: bool = False
    identity: str = ""


class Unique(msgspec.Struct, frozen=True):
    """A unique or exclusion index. ``columns`` are names, or expressions in parentheses.

    ``(true)`` alone holds one row at most. ``definition`` is the statement that makes the index, ``constraint`` what
    follows ADD CONSTRAINT name (None for a bare index).
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    where: str | None
    immediate: bool
    valid: bool
    nulls_same: bool
    definition: str
    constraint: str | None = None

    @property
    def expressions(self) -> tuple[str, ...]:
        """Those of its columns that are none."""
        return tuple(one for one in self.columns if one.startswith("("))

    @property
    def plain(self) -> bool:
        """Whether it holds whole columns of all rows, by equality."""
        return self.kind != "x" and self.where is None and not self.expressions


class Reference(msgspec.Struct, frozen=True):
    """A foreign key. ``index`` is the index of the other table that it relies on."""

    name: str
    table: str
    columns: tuple[str, ...]
    to_table: str
    to_columns: tuple[str, ...]
    definition: str
    index: str


class Trigger(msgspec.Struct, frozen=True):
    """A trigger that runs before a row is written, and may change it. ``always`` as ENABLE ALWAYS has it."""

    name: str
    always: bool = False


class Shape(msgspec.Struct, frozen=True):
    """A table. ``name`` is quoted and with its schema, as SQL takes it. ``indexes`` are the leading columns of each.

    ``divided`` tells of partitions or inheriting tables, whose rows are not looked at.
    """

    name: str
    schema: str
    table: str
    fields: tuple[Field, ...]
    uniques: tuple[Unique, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    triggers: tuple[Trigger, ...] = ()
    divided: bool = False


class Family(msgspec.Struct, frozen=True):
    """A table and all that point at it, near or far; ``references`` are all foreign keys of these tables."""

    root: str
    shapes: tuple[Shape, ...]
    references: tuple[Reference, ...] = ()

    def shape(self, name: str) -> Shape:
        """The table of that name; none is asked for that is not there."""
        return next(shape for shape in self.shapes if shape.name == name)

    def pointing(self, name: str) -> list[Reference]:
        """The foreign keys of these tables that point at one of them."""
        return [one for one in self.references if one.to_table == name]


class Collide(StrEnum):
    """What becomes of children that would be the same by their own key once their parents are one."""

    STOP = "stop"
    DEDUPE = "dedupe"


class Rule(msgspec.Struct, frozen=True):
    """Which row stays, and what it takes of the others.

    ``keep`` is ``newest:column``, ``oldest:column``, ``complete``, or an SQL order whose first row stays. ``merge``
    holds (column, how): first, max, min, sum, concatenate.
    """

    keep: str
    merge: tuple[tuple[str, str], ...] = ()
    children: Collide = Collide.STOP


class Deed(StrEnum):
    """What is done to rows of one table within a batch, in this order of a batch."""

    TAKE = "take"
    COLLIDE = "collide"
    MOVE = "move"
    CARRY = "carry"
    REMOVE = "remove"
    MERGE = "merge"


class Node(msgspec.Struct, frozen=True):
    """One deed of a batch.

    ``members`` is the number of the node whose groups it works on; ``path`` the nodes whose rows it may move about, as
    they are of its own table. ``carried`` are the children of children that bear the moved column in their own foreign
    keys, and are moved in the same statement; their ``members`` is the number of the node that they follow.
    """

    number: int
    deed: Deed
    table: str
    members: int
    reference: Reference | None = None
    unique: Unique | None = None
    path: tuple[int, ...] = ()
    carried: tuple[Node, ...] = ()


class Merging(msgspec.Struct, frozen=True):
    """All that the functions of a run are written from.

    ``kept`` are the tables in quarantine by the table whose rows they hold, ``known`` the columns by which changed rows
    of a table are found again.
    """

    run: str
    family: Family
    nodes: tuple[Node, ...]
    key: Unique
    rule: Rule
    kept: dict[str, str]
    known: dict[str, tuple[str, ...]]


class Pace(StrEnum):
    """How long a statement may take: a brief one waits for locks as long as the limit says.

    A long one takes no lock that stands in a writer's way.
    """

    BRIEF = "brief"
    LONG = "long"


class Statement(msgspec.Struct, frozen=True):
    """One statement of a step. ``needed`` is a query of one truth value: it runs where that is true, or there is none.

    ``building`` is the index that it makes and whose remains are to be dropped first, with its schema.
    """

    text: str
    needed: str | None = None
    pace: Pace = Pace.BRIEF
    building: str | None = None


class Doing(StrEnum):
    """How a step is run: one statement after another, in rounds until nothing is left, or not until somebody says."""

    STATEMENTS = "statements"
    ROUNDS = "rounds"
    STOP = "stop"


class Step(msgspec.Struct, frozen=True):
    """A step of a plan. It may be run again at any time: what is done already is not done twice."""

    name: str
    says: str
    doing: Doing = Doing.STATEMENTS
    statements: tuple[Statement, ...] = ()


class Way(msgspec.Struct, frozen=True):
    """A query for rows that stand in the way of something. It gives at most a few, as jsonb."""

    says: str
    query: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a repair does and what takes it back, as text that anybody can read.

    ``run`` names it in the database. ``kept`` are the tables in quarantine, by the table whose rows they hold.
    ``notes`` is what a person must know before. ``preview`` is a query that says what would be done, as jsonb, ``sums``
    an expression for the checksum of all rows of its tables, ``back`` what may keep it from being undone. ``dropped``
    are the indexes that go once the code is switched, ``upserts`` the statements into the table that were known then.
    """

    run: str
    what: str
    schema: str
    table: str
    key: NaturalKey | None = None
    steps: tuple[Step, ...] = ()
    undo: tuple[Step, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    preview: str | None = None
    sums: str | None = None
    back: tuple[Way, ...] = ()
    dropped: tuple[str, ...] = ()
    upserts: tuple[Upsert, ...] = ()
