"""What never reaches a log: declared fields, and what looks like a phone number or a secret inside any text.

Identities become a short keyed hash, so that lines about one person can be told to belong together without saying who
it is. Secrets and what people wrote become ``[redacted]``.
"""

from __future__ import annotations

import hashlib
import re
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REDACTED = "[redacted]"

# A field is redacted when one of these is its name or a whole word of it: `text`, `message_text`, `slack_bot_token`.
SECRET_FIELDS = frozenset(
    """text body caption content message payload comment token password passwd secret authorization cookie cookies
    credential credentials dsn signature conninfo""".split()  # noqa: SIM905 - a list of words reads best as words
)
IDENTITY_FIELDS = frozenset(("phone", "sender", "recipient", "jid", "lid", "email", "msisdn", "wamid"))
# Names which hold an identity as a whole, though each of their words alone is harmless.
IDENTITY_NAMES = frozenset(("canonical_key", "contact_key", "dedup_key", "external_id", "message_id", "wa_id"))
# A number under such a name is a measure of the thing, not the thing: `message_count`, `body_bytes`.
MEASURES = frozenset(("count", "bytes", "length", "size", "seconds", "ms"))

_WORD = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# Each alternative is one kind of thing that must not be read in a log. Drop numbers (DR1752104) match none of them.
_SENSITIVE = re.compile(
    r"""
      (?P<hide>://)[^\s/@]+@                                              # user and password in an address
    | (?P<word>(?i:\b(?:bearer|basic)\s+))[\w.~+/=-]{6,}
    | (?P<name>(?i:(?:password|passwd|secret|token|api_?key)["']?\s*[=:]\s*["']?))[^\s"'&,;}]+
    | (?P<identity>
        wamid\.[\w+/=.-]+
      | \+(?:[\s().-]{0,2}\d){8,}
      | (?<![\w@.-])\d{6,}(?:[.:_]\d+)*@(?:s\.whatsapp\.net|c\.us|lid|hosted|hosted\.lid)\b
      | (?<![\w@.-])\d{8,}-\d{6,}@g\.us                                   # an old group's address begins with a phone
      | (?<![\w.,:+-])(?:[1-9]\d{10,13}|0[1-9]\d{8,9})(?![\w,:-]|\.\d)    # a phone without its plus
      )
    | (?P<secret>\bxox[a-z]-[\w-]{6,} | \bxapp-[\w-]{6,} | \bEAA\w{20,} | \beyJ[\w-]{8,}\.[\w.-]+)
    """,
    re.VERBOSE,
)
# A text without any of these, and without ten digits in a row, holds nothing of the above: most lines pass by this
# look alone, which is much cheaper than the pattern.
_NEEDLES = (
    "+",
    "@",
    "wamid",
    "bearer",
    "basic",
    "password",
    "passwd",
    "secret",
    "token",
    "key",
    "xox",
    "xapp",
    "eaa",
    "eyj",
)
_TEN_DIGITS = b"0" * 10
_ALL_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_QUOTED = re.compile(r"""(?<!\w)(["'])((?:(?!\1).)*)\1(?!\w)""")
_IDENTIFIER = re.compile(r"[\w./:-]{1,80}")
_FRAMES = 8


class Redactor:
    """Takes out what must not be logged. ``key`` makes the hashes; with the same key they are the same everywhere."""

    def __init__(self, key: bytes) -> None:
        self._key = key[:64]

    def hashed(self, value: str) -> str:
        """Give ten hexadecimal digits for an identity; a phone hashes alike in every spelling."""
        digits = re.sub(r"[\s().-]", "", value).removeprefix("+")
        same = digits if digits.isdecimal() else value
        return "#" + hashlib.blake2b(same.encode(errors="backslashreplace"), key=self._key, digest_size=5).hexdigest()

    def text(self, text: str) -> str:
        """Scrub a text by its look."""
        return _SENSITIVE.sub(self._replace, text) if suspect(text) else text

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Redact by field name, and scrub what is left, at any depth."""
        return {str(name): self._field(str(name), value) for name, value in fields.items()}

    def error(self, error: BaseException) -> str:
        """Say an error's types, its redacted messages and its places, in one line, the causes after ``from``."""
        return " from ".join(self._one_error(one) for one in _chain(error))

    def _field(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        plain = _WORD.sub("_", _CAMEL.sub("_", name).lower()).strip("_")
        words = plain.split("_")
        if isinstance(value, int | float) and words[-1] in MEASURES:
            return value
        if plain in IDENTITY_NAMES or IDENTITY_FIELDS.intersection(words):
            return self.hashed(str(value))
        if SECRET_FIELDS.intersection(words) or plain.endswith("api_key"):
            return REDACTED
        return self._value(value)

    def _value(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return self.fields(value)
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(one) for one in value]
        if isinstance(value, bytes | bytearray | memoryview):
            return f"[{len(value)} bytes]"
        if isinstance(value, BaseException):
            return self.error(value)
        return self.text(str(value))

    def _one_error(self, error: BaseException) -> str:
        # A database's error quotes the row in its later lines, and a parser's error quotes what it was given: of the
        # first line the names in quotes stay, of the rest nothing.
        first = str(error).strip().split("\n", 1)[0][:300]
        message = self.text(_QUOTED.sub(_quoted_name, first))
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        places = ", ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        return f"{type(error).__name__}: {message} ({places})" if places else f"{type(error).__name__}: {message}"

    def _replace(self, match: re.Match[str]) -> str:
        if match["identity"]:
            return self.hashed(match["identity"])
        if match["hide"]:
            return f"://{REDACTED}@"
        return f"{match['word'] or match['name'] or ''}{REDACTED}"


def suspect(text: str) -> bool:
    """Tell whether a text may hold something to scrub; False is certain."""
    lower = text.lower()
    return any(needle in lower for needle in _NEEDLES) or _TEN_DIGITS in (
        text.encode(errors="backslashreplace").translate(_ALL_DIGITS_ALIKE)
    )


def _quoted_name(match: re.Match[str]) -> str:
    return match[0] if _IDENTIFIER.fullmatch(match[2]) else f"{match[1]}{REDACTED}{match[1]}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        waiting.append(one.__cause__ or (None if one.__suppress_context__ else one.__context__))
