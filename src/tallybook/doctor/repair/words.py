"""Small pieces of SQL, written as a person would: names quoted where they must be, rows as text, keys as conditions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql

from tallybook.core.errors import Invalid

from .types import Field, Shape, Unique

HOME = "tallybook_doctor"
SHOWN = 20  # rows in the way of something that are shown, at most


def name(*parts: str) -> str:
    """A name as SQL takes it, always quoted where quotes could matter."""
    return ".".join(sql.Identifier(part).as_string() for part in parts)


def literal(value: str) -> str:
    """A text as SQL takes it."""
    return sql.Literal(value).as_string()


def columns(names: Iterable[str], of: str = "") -> str:
    """Names side by side, each of one table."""
    return ", ".join((f"{of}." if of else "") + name(one) for one in names)


def part(column: str) -> str:
    """A key's part: a name is quoted, an expression stands in parentheses as it is."""
    return column if column.startswith("(") else name(column)


def image(fields: Sequence[Field], of: str) -> str:
    """A whole row as text: the same text, the same row, of whatever types."""
    return f"row({columns((field.name for field in fields), of)})::text"


def equal(names: Iterable[str], one: str, other: str, other_names: Iterable[str] | None = None) -> str:
    """That rows of two tables are the same in these columns; a row without a value there is like no other."""
    pairs = list(names)
    others = list(other_names) if other_names is not None else pairs
    return " and ".join(
        f"{one}.{name(mine)} = {other}.{name(theirs)}" for mine, theirs in zip(pairs, others, strict=True)
    )


def written(shape: Shape) -> list[str]:
    """The columns that an INSERT may name."""
    return [field.name for field in shape.fields if not field.generated]


def settable(shape: Shape) -> list[str]:
    """The columns that an UPDATE may set."""
    return [field.name for field in shape.fields if not field.generated and field.identity != "a"]


def identity(shape: Shape) -> tuple[str, ...] | None:
    """Columns by which a row is found again: the primary key, or another key that has a value in each row."""
    required = {field.name for field in shape.fields if not field.nullable}
    usable = [one for one in shape.uniques if one.plain and one.valid and set(one.columns) <= required]
    usable.sort(key=lambda one: (one.kind != "p", not one.immediate))
    return usable[0].columns if usable else None


def held(unique: Unique) -> str:
    """Which rows a unique index holds against each other: those of its predicate that have all their values."""
    said = [f"({unique.where})"] if unique.where else []
    if not unique.nulls_same:
        said += [f"{part(column)} is not null" for column in unique.columns]
    return " and ".join(said) or "true"


def order(keep: str, fields: Sequence[Field]) -> str:
    """The order whose first row stays. Raises Invalid for a column that is not there."""
    how, colon, column = keep.partition(":")
    if colon and how in {"newest", "oldest"}:
        if column not in {field.name for field in fields}:
            raise Invalid(f"--keep {keep}: the table has no column {column}.")
        return f"{name(column)} {'desc' if how == 'newest' else 'asc'} nulls last"
    if keep == "complete":
        return f"num_nonnulls({columns(field.name for field in fields)}) desc"
    if not keep.strip() or ";" in keep:
        raise Invalid(
            "--keep is newest:COLUMN, oldest:COLUMN, complete, or an SQL order such as \"status = 'ok' desc\"."
        )
    return keep
