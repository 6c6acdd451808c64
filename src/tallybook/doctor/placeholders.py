"""The parameters of a statement, in whatever form a driver has them, as the server has them: ``$1``."""

from __future__ import annotations

import re

# Comments, texts, quoted names and bodies in dollar quotes hold no parameters.
_SKIPPED = (
    r"--[^\n]*|/\*.*?\*/|(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"
    r'"(?:[^"]|"")*"|\$(?:[^\W\d]\w*)?\$.*?\$(?:[^\W\d]\w*)?\$'
)
_PERCENT = r"%\((?P<name>\w+)\)[sbt]|%[sbt]\b"
_COLON = r"(?<![:\w\])]):(?P<name>[^\W\d]\w*)"
_QUESTION = r"\?(?![|&?])"
_AT = r"(?<![\w@<>~&|])@(?P<name>[^\W\d]\w*)"
_FORMS = (_PERCENT, r"\$(?P<name>\d+)", _COLON, _QUESTION, _AT)


def numbered(text: str) -> str:
    """The statement as the server sees it, ``$1`` for each parameter; the same name is the same number.

    Only one form is looked for, the first of: ``%(name)s`` and ``%s``, ``$1``, ``:name``, ``?``, ``@name``; so an
    operator that looks like another form's parameter is left alone.
    """
    for form in _FORMS:
        changed, count = _numbered(text, form)
        if count:
            return changed
    return text.replace("%%", "%")


def _numbered(text: str, form: str) -> tuple[str, int]:
    names: list[str] = []
    count = 0

    def number(match: re.Match[str]) -> str:
        nonlocal count
        if match["skipped"] is not None:
            return match[0]
        count += 1
        name = match.groupdict().get("name")
        if form is _FORMS[1]:
            return match[0]
        if name is None or name not in names:
            names.append(name or f"?{count}")
            return f"${len(names)}"
        return f"${names.index(name) + 1}"

    changed = re.sub(f"(?P<skipped>{_SKIPPED})|{form}", number, text, flags=re.DOTALL)
    return (changed.replace("%%", "%") if form is _PERCENT else changed), count
