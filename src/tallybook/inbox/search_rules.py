"""What somebody means who looks for words, and what is shown of a message that has them. Pure.

The words of a text are here what the database's ``said_words`` and ``called_words`` have of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MOST_WORDS = 6  # of a search; more narrow nothing
SHORTEST = 2  # letters by which messages are sought: the index gathers whatever begins with one
LONGEST_WORD = 500  # letters of a word that are sought
BEFORE, AROUND = 40, 160  # characters of a snippet: before the first hit, and in all
LONGEST_SOUGHT = 10_000  # characters of a message
OURS, PHONE = "ǁ", "ǂ"  # before what says whose a row is, and before the ends of a phone: nobody types them
SHORTEST_LEFT = 4  # letters of a Hebrew word without what stands before it
MOST_PREFIXES = 2

_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652]")
_SIGNS = re.compile(
    "[ǁǂ\x00-/:-@\\[-`{-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u05be\u05c0\u05c3\u05f3\u05f4"
    "\u060c\u061b\u061f\u2000-\u2bff\u3000-\u303f\ufe00-\ufe0f\ufeff\U0001f000-\U0001faff]+"
)
_FINALS = str.maketrans("ךםןףץ", "כמנפצ")
_HEBREW = re.compile("[\u05d0-\u05ea]")
# What stands before a Hebrew noun: and, the, in, to, from, that, as; alone and as they are put together.
_PREFIXES = (
    "ו", "ה", "ב", "ל", "מ", "ש", "כ", "וה", "וב", "ול", "ומ", "וש", "וכ", "שה", "שב", "של",
    "שמ", "שכ", "כש", "מה", "בכ", "לכ", "מש", "לש", "ושה", "ומה", "וכש", "כשה", "מכ", "לכש", "וכשה",
)  # fmt: skip
_LETTERS = frozenset("ובהלמשכ")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEK, QUARTER = timedelta(weeks=1), timedelta(weeks=13)


def words_of(text: str) -> list[str]:
    """The words of a text as they are sought, in its order."""
    return [word for word in _SIGNS.split(_folded(text)) if word]


def _folded(text: str) -> str:
    return _MARKS.sub("", text).translate(_FINALS).lower()


def forms_of(word: str) -> list[str]:
    """How the beginning of a word may stand in a text: as it is; a Hebrew one also with or without a prefix."""
    if not _HEBREW.match(word) or len(word) == 1:
        return [word]
    bare = [word[count:] for count in range(MOST_PREFIXES + 1) if not count or _stands_before(word, count)]
    # Two letters behind two of these would be in very many words.
    before = [prefix for prefix in _PREFIXES if len(prefix) < len(word)]
    return list(dict.fromkeys([*bare, *(prefix + one for one in bare for prefix in before)]))


def _stands_before(word: str, count: int) -> bool:
    return len(word) - count >= SHORTEST_LEFT and all(letter in _LETTERS for letter in word[:count])


def query_of(search: str, shortest: int = 1, whose: str = "") -> str:
    """What is sought, as ``to_tsquery`` has it: every word, each from its beginning. Empty where there is no word.

    A word of fewer letters than ``shortest`` is left out. ``whose`` stands before each word, as ``said_by`` has it.
    """
    words = [word for word in dict.fromkeys(words_of(search)) if len(word) >= shortest]
    return " & ".join(_any_of(forms_of(word), whose) for word in words[:MOST_WORDS])


def said_by(business_id: int) -> str:
    """What stands before each word of a business's messages, so that its words stand together."""
    return f"{OURS}{business_id}{OURS}"


def _any_of(forms: Sequence[str], whose: str) -> str:
    # Only letters and digits are left in a word, so that nothing in it ends the quotes.
    return "(" + " | ".join(f"'{whose}{form[:LONGEST_WORD]}':*" for form in forms) + ")"


def names_query(business_id: int, search: str, digits: str) -> str:
    """What is sought among names, and ``digits`` as any part of a phone; empty where nothing is."""
    told = [query_of(search), f"'{PHONE}{digits}':*" if digits else ""]
    either = " | ".join(f"({one})" for one in told if one)
    return f"'{OURS}{business_id}' & ({either})" if either else ""


@dataclass(frozen=True)
class Slice:
    """A stretch of time to look through: from ``since`` up to ``until``. ``key`` is asked of the index."""

    since: datetime | None
    until: datetime
    key: str


def slices(business_id: int, since: datetime | None, until: datetime) -> Iterator[Slice]:
    """Stretches of time from ``until`` back to ``since``, each longer than the one after it; to the beginning for None.

    What many say is found in the first of them, and what few say in few steps.
    """
    ours = f"{OURS}{business_id}"
    week = (until - EPOCH) // WEEK
    quarter = week // 13
    ends = [
        ([f"{ours}w{week}"], EPOCH + week * WEEK),
        ([f"{ours}w{one}" for one in range(quarter * 13, week)], EPOCH + quarter * QUARTER),
        ([f"{ours}q{quarter - one}" for one in range(1, 5)], EPOCH + (quarter - 4) * QUARTER),
        ([ours], None),
    ]
    for keys, begins in ends:
        stops = max(filter(None, (since, begins)), default=None)
        if keys and (stops is None or stops < until):
            yield Slice(stops, until, "(" + " | ".join(f"'{key}'" for key in keys) + ")")
        if begins is None or (since is not None and begins <= since):
            return
        until = min(until, begins)


@dataclass(frozen=True)
class Piece:
    """A piece of a snippet; ``hit``: it is what was looked for."""

    text: str
    hit: bool


def snippet(body: str, search: str) -> list[Piece]:
    """What is shown of a message: some words around the first that was found, every found one marked."""
    forms = tuple(form for word in words_of(search)[:MOST_WORDS] for form in forms_of(word))
    hits = _hits(body[:LONGEST_SOUGHT], forms) if forms else []
    start = _beginning(body, hits[0][0]) if hits else 0
    end = start + AROUND
    pieces, at = [Piece("…", hit=False)] if start else [], start
    for begin, finish in hits:
        if begin >= end:
            break
        pieces += [Piece(body[at:begin], hit=False), Piece(body[begin:finish], hit=True)]
        at = finish
    rest = body[at : max(end, at)] + ("…" if len(body) > max(end, at) else "")
    return [piece for piece in [*pieces, Piece(rest, hit=False)] if piece.text]


def _beginning(body: str, hit: int) -> int:
    """Where a snippet begins: at a word, not far before a hit."""
    if hit <= BEFORE:
        return 0
    space = body.find(" ", hit - BEFORE, hit)
    return space + 1 if space >= 0 else hit - BEFORE


def _hits(body: str, forms: tuple[str, ...]) -> list[tuple[int, int]]:
    """Where the words stand that begin as one of the forms does."""
    found, at = [], 0
    for match in _SIGNS.finditer(body + " "):
        word = body[at : match.start()]
        if word and _folded(word).startswith(forms):
            found.append((at, match.start()))
        at = match.end()
    return found
