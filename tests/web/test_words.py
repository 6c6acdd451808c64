"""Every text of the pages is there in every language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from tallybook.core.businesses import LOCALES
from tallybook.monitor.types import STEPS
from tallybook.web import pages, phrases

METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")


def texts() -> set[str | tuple[str, ...]]:
    options = {"**/templates/**.html": {"newstyle_gettext": "true", "trimmed": "false"}}
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
    found = extract_from_dir(pages.FOLDER, METHODS, options, keywords)
    return {message for _, _, message, _, _ in found if message}


@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "en"])
def test_no_text_is_left_untranslated_and_none_loses_a_value(locale: str) -> None:
    file = Path(pages.FOLDER) / "locale" / locale / "LC_MESSAGES" / "messages.po"
    with file.open("rb") as opened:
        catalogue = read_po(opened, locale=locale)
    missing = []
    for text in texts():
        known = catalogue.get(text if isinstance(text, str) else text[0])
        if known is None or not known.string or not all(known.string):
            missing.append(text)
            continue
        singular = [text, known.string] if isinstance(text, str) else [text[1], known.string[-1]]
        wanted, given = (set(PLACEHOLDER.findall(str(part))) for part in singular)
        assert wanted == given, text
    assert missing == []


def test_the_marked_words_are_those_of_the_monitor() -> None:
    assert tuple(step.label for step in STEPS) == phrases.STEPS
