"""The translations of everything that people read. The .po files are read at start; nothing has to be compiled."""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "web" / "locale"
DEFAULT = "en"


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
