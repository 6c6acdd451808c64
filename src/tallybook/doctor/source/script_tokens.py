"""The words of a JavaScript or TypeScript file, as far as it takes to find the texts in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<template>`)
    |(?P<word>[A-Za-z_$\x80-\uffff][\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<mark>[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)
# After one of these a slash begins a regular expression, and is no division.
_BEFORE_PATTERN = set("(,=:[!&|?{};+-*%~^<>")
_WORDS_BEFORE_PATTERN = {"return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do"}
_PATTERN = re.compile(r"/(?![*/])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_ESCAPE = re.compile(r"\\(\r?\n|u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


class Filled(NamedTuple):
    """What stands in ``${…}`` of a template: its source, and where that begins."""

    source: str
    at: int


class Word(NamedTuple):
    """``kind`` is text, template, word, number or mark. A template has its ``parts``, and may be ``tagged``."""

    kind: str
    text: str
    at: int
    parts: tuple[str | Filled, ...] = ()
    tagged: bool = False


def words(text: str) -> list[Word]:
    """All but blanks and comments."""
    found: list[Word] = []
    at = end = 0
    while at < len(text):
        pattern = _PATTERN.match(text, at) if text[at] == "/" and _may_begin_pattern(found) else None
        token = pattern or _TOKEN.match(text, at)
        if token is None:  # a text that has no end on its line: an apostrophe in what a page says
            at += 1
            continue
        kind = "pattern" if pattern else token.lastgroup or "mark"
        at = token.end()
        if kind == "template":
            parts, at = _template(text, at)
            found.append(Word("template", "", token.start(), parts, tagged=_is_tag(found, end, token.start())))
        elif kind == "text":
            found.append(Word(kind, decoded(token[0][1:-1]), token.start()))
        elif kind != "blank":
            found.append(Word(kind, token[0], token.start()))
        end = at if kind != "blank" else end
    return found


def _may_begin_pattern(before: Sequence[Word]) -> bool:
    if not before:
        return True
    last = before[-1]
    return last.text in (_BEFORE_PATTERN if last.kind == "mark" else _WORDS_BEFORE_PATTERN) and last.kind != "text"


def _is_tag(before: Sequence[Word], end: int, at: int) -> bool:
    """Whether what stands right before a template is a function that is given its parts, as in sql`…`."""
    if not before or end != at:
        return False
    last = before[-1]
    return last.kind == "word" or last.text in {")", "]", ">"}


def _template(text: str, at: int) -> tuple[tuple[str | Filled, ...], int]:
    """The parts of a template up to its end, and the place after it."""
    parts: list[str | Filled] = []
    begin = at
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == "`":
            return (*parts, decoded(text[begin:at])), at + 1
        elif text.startswith("${", at):
            end = _filled(text, at + 2)
            parts += [decoded(text[begin:at]), Filled(text[at + 2 : end], at + 2)]
            begin = at = end + 1
        else:
            at += 1
    return (*parts, decoded(text[begin:])), len(text)


def _filled(text: str, at: int) -> int:
    """The place of the brace that ends what is filled in; it may hold texts and templates of its own."""
    depth = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            at += 1
            continue
        if token[0] == "}" and not depth:
            return at
        depth += (token[0] == "{") - (token[0] == "}")
        at = _template(text, token.end())[1] if token[0] == "`" else token.end()
    return len(text)


def decoded(text: str) -> str:
    """A text as it is when the program runs."""
    return _ESCAPE.sub(_plain, text)


def _plain(found: re.Match[str]) -> str:
    escape = found[1]
    if escape in {"\n", "\r\n"}:
        return ""
    if len(escape) > 1:
        return chr(min(int(escape[1:].strip("{}"), 16), 0x10FFFF))
    return _SHORT.get(escape, escape)


def lines(text: str) -> Iterator[int]:
    """Where each line ends."""
    return (found.start() for found in re.finditer("\n", text))
