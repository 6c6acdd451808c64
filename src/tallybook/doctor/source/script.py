"""Reads JavaScript and TypeScript files: literal statements, and builders' calls that are told by literals."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from tallybook.doctor.sql_tokens import HOLE

from .script_tokens import Filled, Word, lines, words
from .text import CLAUSE, Piece, quoted

_SIMPLE = re.compile(r"\s*[\w$]+\s*")
# Names a table right before ``.insert(…)``, or by itself.
_TABLE = {"into", "insertInto", "table", "from"}
# Builders whose keys are objects of the program.
_UNCLEAR = {"onConflictDoUpdate", "onConflictDoNothing", "orUpdate", "orIgnore"}
# A builder's chain is looked back for so many words.
FAR = 400


def read(text: str) -> Iterator[Piece | str]:
    """Each text with a clause, a statement for each builder's call, or ``line: why`` where one cannot be told."""
    ends = list(lines(text))
    script = _Script(text)
    for at, found, name in script.texts:
        if CLAUSE.search(found) and name not in script.used:
            yield Piece(bisect_left(ends, at) + 1, found, name)
    for at, said, clear in _calls(script.words):
        line = bisect_left(ends, at) + 1
        yield Piece(line, said) if clear else f"{line}: {said}"


class _Script:
    """A file's words, its texts, and which of the named ones (``used``) became a part of another."""

    def __init__(self, text: str) -> None:
        self.words = list(_all(text, 0))
        self.used: set[str] = set()
        self._named = {
            self.words[at - 2].text: at
            for at, word in enumerate(self.words)
            if at > 1 and word.kind in {"text", "template"} and _is(self.words, at - 1, "=")
        }
        self.texts = list(self._texts())

    def _texts(self) -> Iterator[tuple[int, str, str | None]]:
        """Place, text and name of each, those that are added to each other as one."""
        at = 0
        while at < len(self.words):
            if self.words[at].kind not in {"text", "template"}:
                at += 1
                continue
            begin = at
            text, at = self._sum(at, frozenset())
            name = self.words[begin - 2].text if begin > 1 and _is(self.words, begin - 1, "=") else None
            # What stands to the left of a sum is known by its name, or not at all.
            if begin > 1 and _is(self.words, begin - 1, "+"):
                text = self._part(begin - 2, frozenset()) + text
            yield self.words[begin].at, text, name

    def _sum(self, at: int, within: frozenset[str]) -> tuple[str, int]:
        """The text that begins at a word with all that is added to it, and the place after it."""
        text = self._part(at, within)
        at += 1
        while _is(self.words, at, "+") and at + 1 < len(self.words):
            text += self._part(at + 1, within)
            at += 2
        return text, at

    def _part(self, at: int, within: frozenset[str]) -> str:
        word = self.words[at]
        if word.kind == "text":
            return word.text
        if word.kind == "template":
            return self._filled(word, within)
        return self._constant(word.text, within) if word.kind == "word" else HOLE

    def _constant(self, name: str, within: frozenset[str]) -> str:
        if name not in self._named or name in within:
            return HOLE
        self.used.add(name)
        return self._sum(self._named[name], within | {name})[0]

    def _filled(self, word: Word, within: frozenset[str]) -> str:
        """A template's text. What is filled into a tagged one is a parameter, unless it is made by a function."""
        text, count = "", 0
        for part in word.parts:
            if isinstance(part, str):
                text += part
            elif word.tagged:
                count += 1
                text += HOLE if re.search(r"[`(]", part.source) else f"${count}"
            else:
                text += self._constant(part.source.strip(), within) if _SIMPLE.fullmatch(part.source) else HOLE
        return text


def _all(text: str, offset: int) -> Iterator[Word]:
    """The words of a file, those within its templates' ``${…}`` after each."""
    for word in words(text):
        yield word._replace(at=word.at + offset)
        for part in word.parts:
            if isinstance(part, Filled) and not _SIMPLE.fullmatch(part.source):
                yield Word("mark", ";", part.at + offset)
                yield from _all(part.source, part.at + offset)
                yield Word("mark", ";", part.at + offset)


def _is(found: Sequence[Word], at: int, mark: str) -> bool:
    return 0 <= at < len(found) and found[at].kind == "mark" and found[at].text == mark


def _calls(found: Sequence[Word]) -> Iterator[tuple[int, str, bool]]:
    """Place, statement or reason, and which of both it is, of each builder's call."""
    for at, word in enumerate(found):
        if word.kind != "word" or at + 1 >= len(found):
            continue
        if word.text == "onConflict" and (_is(found, at + 1, "(") or _is(found, at + 1, ":")):
            yield word.at, *_conflict(found, at)
        elif (word.text in _UNCLEAR and _is(found, at - 1, ".")) or (
            word.text == "upsert" and [one.text for one in found[at + 1 : at + 4]] == ["(", "{", "where"]
        ):
            yield word.at, "a builder's upsert, whose table and key are no literals", False


def _conflict(found: Sequence[Word], at: int) -> tuple[str, bool]:
    table = _table(found, at)
    target = _columns(found[at + 2 : at + FAR], split=_is(found, at + 1, ":"))
    if table is None or target is None:
        return "a builder's upsert, whose table or key is no literal", False
    return f"insert into {quoted(*table.split('.'))} default values on conflict{target} do nothing", True


def _table(found: Sequence[Word], at: int) -> str | None:
    """The nearest table named before it in the same chain: ``knex('t').insert(…)``, ``.into('t')``, ``.from('t')``."""
    for place in range(at - 1, max(2, at - FAR), -1):
        if _is(found, place, ";"):
            return None
        if found[place].kind == "text" and _is(found, place - 1, "(") and _is(found, place + 1, ")"):
            after = [one.text for one in found[place + 2 : place + 4]]
            if found[place - 2].text in _TABLE or after in ([".", "insert"], [".", "upsert"]):
                return found[place].text
    return None


def _columns(inside: Sequence[Word], *, split: bool) -> str | None:
    """The target of literals; "" for none; None where they are no literals."""
    if _is(inside, 0, ")"):
        return ""
    if inside and inside[0].kind == "text":
        names = [one.strip() for one in inside[0].text.split(",")] if split else [inside[0].text]
        return f" ({', '.join(quoted(one) for one in names)})"
    end = next((place for place, word in enumerate(inside) if word.text == "]"), 0)
    items = [word for word in inside[1:end] if word.text != ","]
    if not _is(inside, 0, "[") or not items or any(word.kind != "text" for word in items):
        return None
    return f" ({', '.join(quoted(word.text) for word in items)})"
