"""Everything that a page says exists in Hebrew too, with the same placeholders."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

import tallybook
from tallybook.web import i18n

PACKAGE = Path(tallybook.__file__).parent
CATALOGUE = i18n.FOLDER / "he" / "LC_MESSAGES" / "messages.po"
METHODS = [("web/templates/**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {"web/templates/**.html": {"newstyle_gettext": "true"}}
# An error's sentence is shown on pages; one that is put together from parts stays as it is, and so do those that only
# programs see.
ERRORS = ("Invalid", "NotFound", "NotAllowed", "NotSignedIn", "Conflict", "PasswordMustChange")
FOR_PROGRAMS = {"webhooks.py", "status.py", "live.py"}
OF_CORE = {
    "accounts.py", "people.py", "passwords.py", "api_tokens.py", "callers.py", "health_words.py", "alarm_letters.py",
}  # fmt: skip
KEYWORDS = DEFAULT_KEYWORDS | dict.fromkeys(("N_", *ERRORS))
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")


def texts() -> dict[str, str]:
    """Every text of the pages, and where it stands."""
    found = {}
    below = [*METHODS[:1], ("rota_refusals.py", "python")]
    for folder, methods in ((PACKAGE, below), (PACKAGE / "web", METHODS[1:]), (PACKAGE / "core", METHODS[1:])):
        for file, line, text, _, _ in extract_from_dir(folder, methods, OPTIONS, KEYWORDS):
            for one in text[:1] if isinstance(text, tuple) else (text,):
                if file in OF_CORE if folder.name == "core" else file not in FOR_PROGRAMS:
                    found[one] = f"{file}:{line}"
    return found


def hebrew() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="he")


def test_every_text_is_translated() -> None:
    catalogue = hebrew()
    missing = {}
    for text, place in texts().items():
        message = catalogue.get(text)
        if message is None or message.fuzzy or not (all(message.string) if message.pluralizable else message.string):
            missing[text] = place
    assert missing == {}


def test_a_translation_has_the_placeholders_of_its_text() -> None:
    for message in hebrew():
        if not message.id or message.pluralizable:
            continue
        assert set(PLACEHOLDER.findall(message.string)) == set(PLACEHOLDER.findall(message.id)), message.id


def test_a_translated_page_is_read_from_right_to_left() -> None:
    assert (i18n.direction("he"), i18n.direction("en")) == ("rtl", "ltr")
    assert i18n.words("he").gettext("Log in") != "Log in"


@pytest.mark.parametrize(
    ("account", "cookie", "accepted", "language"),
    [
        (None, None, None, "en"),
        ("he", "en", "en", "he"),
        (None, "he", "en", "he"),
        (None, "xx", "he", "he"),
        (None, None, "fr-FR, he;q=0.4, en;q=0.3", "he"),
        (None, None, "iw", "he"),
        (None, None, "he;q=0, en", "en"),
        (None, None, ";;;q=x,,\0,*", "en"),
        (None, None, "x" * 10**6, "en"),
    ],
)
def test_the_language_is_the_accounts_then_the_cookies_then_the_browsers(
    account: str | None, cookie: str | None, accepted: str | None, language: str
) -> None:
    assert i18n.chosen(account, cookie, accepted) == language
