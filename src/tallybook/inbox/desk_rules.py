"""What names at the desk may be, and whom a note names. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from tallybook.core.errors import Invalid

COLOURS = ("grey", "blue", "green", "amber", "red", "purple", "teal", "pink")
LONGEST_TEAM, LONGEST_LABEL, LONGEST_SHORTCUT = 60, 40, 40
LONGEST_NOTE = 4096  # characters
MOST_MENTIONS = 50  # people
LONGEST_KEY = 200
_MENTION = re.compile(r"(?<![\w.@])@([^\s@/\\]{1,100})")
_ENDS = ".,:;!?)]}'\"…"


def named(text: str, longest: int) -> str:
    """A name in one spelling. Raises Invalid for what cannot be one."""
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not name or len(name) > longest or not _is_shown(name):
        raise Invalid("A name is missing, too long, or has a character that cannot be shown.", longest=longest)
    return name


def folded(name: str) -> str:
    """What two names have in common that only look different."""
    return unicodedata.normalize("NFC", name.casefold())


def coloured(text: str) -> str:
    """Raises Invalid for what is no colour of ours."""
    if text not in COLOURS:
        raise Invalid("There is no such colour.", colours=list(COLOURS))
    return text


def written(text: str, longest: int = LONGEST_NOTE) -> str:
    """What somebody wrote, as it is kept. Raises Invalid for nothing, too much, and what cannot be shown."""
    body = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").strip())
    if not 1 <= len(body) <= longest:
        raise Invalid("A text has 1 to 4,096 characters.", longest=longest)
    if not _is_shown(body):
        raise Invalid("The text has a character that cannot be shown.")
    return body


def keyed(key: str) -> str:
    """A key by which a repeat is known. Raises Invalid for what cannot be one."""
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Invalid("A key has 1 to 200 letters, digits or signs.")
    return key


def _is_shown(text: str) -> bool:
    return all(letter in "\n\t" or unicodedata.category(letter) not in {"Cc", "Cs"} for letter in text)


def mentioned(body: str, logins: Mapping[str, int]) -> list[int]:
    """The accounts that a note names as @login; a full stop behind one is none of it. ``logins`` are in lower case."""
    found: dict[int, None] = {}
    for match in _MENTION.finditer(body):
        said = match[1].lower()
        account = logins.get(said) or logins.get(said.rstrip(_ENDS))
        if account is not None:
            found[account] = None
    return list(found)[:MOST_MENTIONS]


def parted(now: Iterable[int], joined: Iterable[int], before: Sequence[int]) -> set[int]:
    """The labels that a kept thread has once it is parted: its own of before, with what was put on and off since."""
    had, since = set(joined), set(now)
    return (set(before) | (since - had)) - (had - since)
