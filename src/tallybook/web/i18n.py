"""The languages of the pages. The catalogues are read from the .po files at start; nothing has to be compiled."""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from tallybook.core.businesses import LOCALES

FOLDER = Path(__file__).parent / "locale"
DEFAULT = "en"
MAX_HEADER = 200  # characters of Accept-Language that are looked at


@cache
def words(locale: str) -> NullTranslations:
    """A language's translations; English, and what nobody has translated, is as written in the source."""
    catalogue = FOLDER / locale / "LC_MESSAGES" / "messages.po"
    if locale == DEFAULT or not catalogue.is_file():
        return NullTranslations()
    compiled = io.BytesIO()
    with catalogue.open("rb") as text:
        write_mo(compiled, read_po(text, locale=locale))
    compiled.seek(0)
    return GNUTranslations(compiled)


def direction(locale: str) -> str:
    """``rtl`` for a language written from right to left, else ``ltr``."""
    return Locale.parse(locale).text_direction


def chosen(account: str | None, cookie: str | None, accepted: str | None, business: str | None = None) -> str:
    """The language of an answer: the account's, else the cookie's, else the browser's, else the business's. Pure."""
    for wish in (account, cookie):
        if wish in LOCALES:
            return wish
    return _negotiated(accepted or "") or (business if business in LOCALES else None) or DEFAULT


def _negotiated(header: str) -> str | None:
    wishes: list[tuple[float, str]] = []
    for part in header[:MAX_HEADER].split(","):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
            # Browsers of old still call Hebrew "iw"; Babel knows it.
            language = Locale.parse(tag.strip(), sep="-").language if tag else ""
        except (ValueError, UnknownLocaleError):
            continue
        if weight > 0:
            wishes.append((weight, {"iw": "he"}.get(language, language)))
    for _, language in sorted(wishes, key=lambda wish: -wish[0]):
        if language in LOCALES:
            return language
    return None
