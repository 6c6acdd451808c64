"""The live database as its catalogue describes it: tables, what makes their rows unique, and what hangs on that.

Read in a few statements whatever the number of tables, with no lock but that of a look, by a role that may only look.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

# The largest number of a sequence.
BIGGEST = 2**63 - 1
# Functions whose every value is a new one, as a default has them.
NEW_VALUES = ("nextval(", "gen_random_uuid(", "uuid_generate_", "uuidv4(", "uuidv7(", "gen_ulid(")


class Column(msgspec.Struct, frozen=True):
    """``sequence`` is the one that fills the column, with its schema, where there is one.

    ``default`` is the expression of a generated column too, which ``generated`` tells apart.
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    sequence: str | None = None
    generated: bool = False

    @property
    def own_value(self) -> bool:
        """Whether the table itself gives each row a new value here, so that no two rows have the same."""
        return self.sequence is not None or any(word in (self.default or "") for word in NEW_VALUES)


class Table(msgspec.Struct, frozen=True):
    """``partitioned_by`` holds the columns of the partition key (None for an expression), empty where there is none.

    ``rows`` is the server's own estimate, -1 where it has none. ``may_read`` tells whether our role may select.
    ``distributed_by`` is the column by which Citus spreads it. A table that is ``locked`` by somebody who changes it
    was not looked at: it has columns and no index here. ``part_of`` is the full name of the whole, for a partition.
    ``may_use`` tells whether our role may use the schema: else the server knows the table by no name.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    rows: float
    may_read: bool
    partitioned_by: tuple[str | None, ...] = ()
    is_partition: bool = False
    distributed_by: str | None = None
    locked: bool = False
    part_of: str | None = None
    may_use: bool = True

    @property
    def full_name(self) -> str:
        """The table with its schema, as people write it."""
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        """The column of a name, where the table has it."""
        return next((column for column in self.columns if column.name == name), None)


class Kind(StrEnum):
    """What made an index: a constraint of one of three kinds, or nothing but itself."""

    PRIMARY = "p"
    UNIQUE = "u"
    EXCLUSION = "x"
    BARE = "i"


class Index(msgspec.Struct, frozen=True):
    """An index that refuses rows. ``columns`` are names, or expressions in parentheses as the server writes them.

    ``where`` is its predicate as the server writes it. ``ready`` without ``valid`` is one that refuses rows and yet
    serves no ON CONFLICT. ``definition`` is the statement that makes it, or the constraint that stands on it.
    ``operators`` belong to the columns of an exclusion (``=`` for equality). ``pointing`` are the foreign keys that
    rely on it, as ``table.constraint``. ``includes`` are columns that it carries and does not compare. ``building``
    tells that somebody makes it at this moment, as far as our role may see. ``attached`` is a partition's share of an
    index of the whole, ``partitioned`` an index of the whole itself. ``replica_identity`` tells that subscribers know
    the table's rows by it.
    """

    schema: str
    table: str
    name: str
    kind: Kind
    columns: tuple[str, ...]
    where: str | None
    immediate: bool
    valid: bool
    ready: bool
    nulls_same: bool
    definition: str
    unique: bool = True
    operators: tuple[str, ...] = ()
    pointing: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    building: bool = False
    attached: bool = False
    partitioned: bool = False
    replica_identity: bool = False

    @property
    def equal(self) -> bool:
        """Whether it compares by equality alone, as a unique index does."""
        return all(operator == "=" for operator in self.operators)

    @property
    def excludes(self) -> bool:
        """Whether it is an exclusion, whatever it is called: a key WITHOUT OVERLAPS is one too."""
        return self.kind is Kind.EXCLUSION or not self.equal


class Check(msgspec.Struct, frozen=True):
    """A check that every row passed. ``definition`` is ``CHECK (…)`` as the server writes it."""

    schema: str
    table: str
    name: str
    definition: str


class Unvalidated(msgspec.Struct, frozen=True):
    """A check, foreign key or NOT NULL that old rows were never held against.

    ``check`` is the expression of a check. ``columns`` are those of the others; a foreign key's ``refers`` are the
    schema, table and columns that it names. One that is ``full`` takes no row with some of its values alone (MATCH
    FULL); of one ``of_periods`` the last column is a period, which those referred to must cover between them.
    """

    schema: str
    table: str
    name: str
    definition: str
    check: str | None = None
    columns: tuple[str, ...] = ()
    refers: tuple[str, str, tuple[str, ...]] | None = None
    full: bool = False
    of_periods: bool = False


class SequenceState(msgspec.Struct, frozen=True):
    """A sequence that fills a column. ``next`` is what it would give, ``step`` what lies between two of its values.

    ``next`` is None where our role may not look, and where the sequence counts down. ``top`` is the largest number that
    both the sequence and the column can hold.
    """

    schema: str
    table: str
    column: str
    sequence_schema: str
    sequence: str
    next: int | None
    step: int = 1
    top: int = BIGGEST

    @property
    def full_name(self) -> str:
        """The sequence with its schema, as people write it."""
        return f"{self.sequence_schema}.{self.sequence}"


class Relation(msgspec.Struct, frozen=True):
    """Whatever bears a name that no new index may bear. ``foreign`` is a table of another server."""

    schema: str
    name: str
    foreign: bool = False


class Catalog(msgspec.Struct, frozen=True):
    """Everything read of the schemas asked for."""

    tables: tuple[Table, ...]
    indexes: tuple[Index, ...]
    unvalidated: tuple[Unvalidated, ...] = ()
    sequences: tuple[SequenceState, ...] = ()
    checks: tuple[Check, ...] = ()
    relations: tuple[Relation, ...] = ()

    def indexes_by_table(self) -> dict[tuple[str, str], list[Index]]:
        """The indexes of each table that has some, by its schema and name."""
        found: dict[tuple[str, str], list[Index]] = {}
        for index in self.indexes:
            found.setdefault((index.schema, index.table), []).append(index)
        return found
