"""Marks texts for translation where the reader's language is not known yet. The extraction of texts knows the name."""

from __future__ import annotations


def N_(text: str) -> str:  # noqa: N802 - gettext's own name, by which texts are found
    """The text itself."""
    return text
