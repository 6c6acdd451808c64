"""What can be said for sure of two predicates: pure, and on the server's own spelling of both."""

from __future__ import annotations

import re
from collections.abc import Iterator

LITERAL = r"(?:'(?:[^']|'')*'|\(?-?\d+(?:\.\d+)?\)?|true|false)(?:::[\w .\"\[\]]+(?:\(\d+\))?)?"
# Only casts that keep different values different.
COLUMN = r"\(?(?P<column>\w+|\"[^\"]+\")\)?(?:::(?:text|character varying))?"
IS_LITERAL = re.compile(LITERAL, re.IGNORECASE)
PINNED = re.compile(rf"{COLUMN} ?= ?(?P<value>{LITERAL})", re.IGNORECASE)
OF_TRUTH = re.compile(r"(?P<column>\w+|\"[^\"]+\")(?P<value>(?: is (?:true|false))?)", re.IGNORECASE)
NULL = re.compile(r"\(?(?P<column>\w+|\"[^\"]+\")\)? is (?P<not>not )?null", re.IGNORECASE)
PIECE = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\w+|\s+|.", re.DOTALL)


def pieces(text: str) -> list[str]:
    """The text as strings, quoted names, words, blanks and signs."""
    return PIECE.findall(text)


def bare(text: str) -> str:
    """The text without blanks and parentheses around the whole of it."""
    text = text.strip()
    while text.startswith("("):
        inside, rest = first_group(text)
        if rest:
            break
        text = inside.strip()
    return text


def first_group(text: str) -> tuple[str, str]:
    """What stands in the parentheses with which a text begins, and what follows them: all of it, where none closes."""
    depth, at = 0, 0
    for piece in pieces(text):
        depth += (piece == "(") - (piece == ")")
        at += len(piece)
        if depth == 0:
            return text[1 : at - 1], text[at:]
    return "", text


def parted(text: str, by: str) -> list[str]:
    """The parts between the words or signs that stand in no brackets."""
    depth, parts = 0, [""]
    for piece in pieces(text):
        depth += (piece in {"(", "["}) - (piece in {")", "]"})
        if depth == 0 and piece.lower() == by:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def conjuncts(text: str | None) -> frozenset[str]:
    """What must all be true for the predicate to be; empty for none."""
    return frozenset(_all_of(text)) if text else frozenset()


def _all_of(text: str) -> Iterator[str]:
    text = bare(text)
    parts = parted(text, "and")
    if len(parts) == 1:
        yield text
    else:
        for part in parts:
            yield from _all_of(part)


def literal(text: str) -> bool:
    """Whether the expression is a constant."""
    return IS_LITERAL.fullmatch(bare(text)) is not None


def pinned(conjunct: str) -> tuple[str, str] | None:
    """The column that can have one value only where this is true, and the value; None where none is recognised."""
    found = PINNED.fullmatch(conjunct) or OF_TRUTH.fullmatch(conjunct)
    if found is not None:
        return unquoted(found["column"]), _value(found["value"])
    if conjunct.lower().startswith("not ") and (found := OF_TRUTH.fullmatch(conjunct[4:])) and not found["value"]:
        return unquoted(found["column"]), "false"
    return None


def held_to_one(check: str) -> frozenset[str]:
    """The columns that a check, as the server writes it, holds to one value each."""
    text = check.removeprefix("CHECK ").removesuffix(" NO INHERIT")
    return frozenset(pin[0] for one in conjuncts(text) if (pin := pinned(one)))


def _value(text: str) -> str:
    """A constant without its type, so that two spellings of it are one."""
    return re.sub(r"::.*|[()]| is ", "", text).strip() or "true"


def null_test(conjunct: str) -> tuple[str, bool] | None:
    """The column of ``x is null`` (True) or ``x is not null`` (False); None for anything else."""
    found = NULL.fullmatch(conjunct)
    return (unquoted(found["column"]), not found["not"]) if found else None


def not_null(where: frozenset[str]) -> frozenset[str]:
    """The columns that have a value wherever all of this is true."""
    tested = {test[0] for one in where if (test := null_test(one)) and not test[1]}
    return frozenset(tested | {pin[0] for one in where if (pin := pinned(one))})


def contradict(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether no row can be in both, as far as can be seen: another constant, or null here and not null there."""
    values, others = dict(filter(None, map(pinned, one))), dict(filter(None, map(pinned, other)))
    if any(others.get(column, value) != value for column, value in values.items()):
        return True
    return bool(null(one) & not_null(other) or null(other) & not_null(one))


def null(where: frozenset[str]) -> frozenset[str]:
    """The columns that have no value wherever all of this is true."""
    return frozenset(test[0] for conjunct in where if (test := null_test(conjunct)) and test[1])


def unquoted(name: str) -> str:
    """A name as the catalogue has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def mentioned(text: str, columns: frozenset[str]) -> frozenset[str]:
    """Which of the columns stand in an expression; a word before a parenthesis is a function's name."""
    found = [piece for piece in pieces(text) if not piece.isspace()]
    return frozenset(
        name
        for piece, following in zip(found, [*found[1:], ""], strict=True)
        if (name := unquoted(piece) if piece.startswith('"') else piece.lower()) in columns and following != "("
    )


def plain(text: str) -> str:
    """A text without what the server adds to it (blanks, brackets, casts, case): second best to asking it."""
    text = re.sub(r"::(?:character varying|timestamp with(?:out)? time zone|double precision|\w+)(?:\(\d+\))?(?:\[\])?",
                  "", text)  # fmt: skip
    kept = [
        piece if piece.startswith("'") else piece.lower()
        for piece in pieces(text)
        if not piece.isspace() and piece not in "()[]" and piece.lower() != "array"
    ]
    # Of a list the server makes an array.
    return re.sub("\n=\nany\n", "\nin\n", "\n".join(kept)).replace("\n", "")
