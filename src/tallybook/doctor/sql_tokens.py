"""The words of a statement, without its grammar: what is text, comment, name, parameter or mark.

Enough to find a clause, to cut a file into statements, and to compare two expressions. Nothing is refused: what is
left open (a string without an end) is read as marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# Stands in a statement where source code fills in something that cannot be known from reading.
HOLE = "\ue000"

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|--[^\n]*)
    |(?P<comment>/\*)
    |(?P<string>[eE]'(?:[^'\\]|\\.|'')*'|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')
    |(?P<body>\$(?P<tag>[^\W\d]\w*)?\$.*?\$(?P=tag)\$|\$\$.*?\$\$)
    |(?P<parameter>\$\d+)
    |(?P<name>(?:[uU]&)?"(?:[^"]|"")*")
    |(?P<hole>\ue000)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<mark>::|<>|!=|<=|>=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_END = re.compile(r"/\*|\*/")


class Token(NamedTuple):
    """``kind`` is string, body (in dollar quotes), parameter, name (quoted), hole, word, number or mark.

    ``text`` is as written, but words are in lower case. ``at`` is where it begins.
    """

    kind: str
    text: str
    at: int

    @property
    def end(self) -> int:
        return self.at + len(self.text)

    @property
    def identifier(self) -> str:
        """A name as the catalogue has it."""
        return self.text[1:-1].replace('""', '"') if self.kind == "name" else self.text

    @property
    def names(self) -> bool:
        return self.kind in {"word", "name"}


def tokens(text: str) -> list[Token]:
    """All but blanks and comments."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while found := _TOKEN.match(text, at):
        kind = found.lastgroup or "mark"
        at = found.end()
        if kind == "comment":
            at = _after_comment(text, at)
        elif kind != "blank":
            yield Token(kind, found[0].lower() if kind == "word" else found[0], found.start())


def _after_comment(text: str, at: int) -> int:
    """Comments lie within comments."""
    depth = 1
    for found in _COMMENT_END.finditer(text, at):
        depth += 1 if found[0] == "/*" else -1
        if not depth:
            return found.end()
    return len(text)


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement of a script with the place of its first word, without its semicolon."""
    begin: int | None = None
    end = depth = 0
    for token in _tokens(text):
        if token.text == ";" and not depth:
            if begin is not None:
                yield begin, text[begin:end]
            begin = None
            continue
        depth = max(0, depth + (token.text == "(") - (token.text == ")"))
        begin = token.at if begin is None else begin
        end = token.end
    if begin is not None:
        yield begin, text[begin:end]


def closing(found: Sequence[Token], at: int) -> int:
    """The place of the parenthesis that closes the one at ``at``; the end where none does."""
    depth = 0
    for place in range(at, len(found)):
        depth += (found[place].text == "(") - (found[place].text == ")")
        if not depth:
            return place
    return len(found)


_TYPE_MORE = {"varying", "precision", "with", "without", "time", "zone"}


def alike(expression: str) -> str:
    """An expression without what the server adds to it: parentheses, casts, and its own way to write a list.

    Two that are alike are nearly always the same to the server; what it really holds, only the server tells.
    """
    found = [token for token in tokens(expression) if token.text not in {"(", ")", "[", "]"}]
    kept: list[str] = []
    skip = False
    for place, token in enumerate(found):
        before = found[place - 1].text if place else ""
        if token.text == "::":
            skip = True
        elif skip and (before == "::" or token.text in _TYPE_MORE):
            continue
        else:
            skip = False
            kept.append("<>" if token.text == "!=" else token.identifier)
    return " ".join(kept).replace("= any array ", "in ").replace("<> all array ", "not in ")
