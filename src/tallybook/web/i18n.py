"""The languages of the pages: which one an answer is in, and which way it is read."""

from __future__ import annotations

from babel import Locale, UnknownLocaleError

from tallybook.core.businesses import LOCALES
from tallybook.words import DEFAULT, FOLDER, words

__all__ = ["DEFAULT", "FOLDER", "chosen", "direction", "words"]

MAX_HEADER = 200  # characters of Accept-Language that are looked at


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
