"""The small pieces that a list draws in every row, as the templates' own functions.

A macro of Jinja costs some 20 µs each time, a bar of twelve segments ten times that: half of what a list of fifty cost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from gettext import NullTranslations
from typing import Any

from markupsafe import Markup

from .times import Clock

ICON = Markup('<svg class="icon%s" aria-hidden="true" focusable="false"><use href="%s#%s"></use></svg>')
TIME = Markup('<time datetime="%s" title="%s" data-clock="%s">%s</time>')
SEGMENT = Markup('<i class="%s"></i>')
# Without it its groups change places in Hebrew, and its + goes to its end: "972500000001+".
PHONE = re.compile(r"(?<![\d+.,:/-])((?:\+|0)\d(?:(?:[ .-]|\) ?| ?\()?\d){4,})")
ALONE = Markup('<bdi dir="ltr">%s</bdi>')
BAR = Markup('<span class="bar%s" role="img" aria-label="%s">%s</span>')


def pieces(asset: Callable[[str], str], words: NullTranslations) -> dict[str, Callable[..., Markup]]:
    """``icon(name)``, ``ago(clock, at)``, ``bar(verdicts)`` and ``written(text)``, in one language."""

    @lru_cache(maxsize=512)
    def icon(name: str, turns: bool = False) -> Markup:
        return ICON % (" turns" if turns else "", asset("icons.svg"), name)

    @lru_cache(maxsize=4_096)
    def drawn(verdicts: tuple[str, ...], large: bool) -> Markup:
        right, wrong = verdicts.count("right"), verdicts.count("wrong")
        said = words.gettext("%(right)s right, %(wrong)s wrong, %(missing)s missing")
        label = said % {"right": right, "wrong": wrong, "missing": len(verdicts) - right - wrong}
        segments = Markup().join(SEGMENT % verdict for verdict in verdicts)
        return BAR % (" large" if large else "", label, segments)

    def bar(verdicts: Sequence[Any], large: bool = False) -> Markup:
        """Twelve segments: right, wrong or missing."""
        return drawn(tuple(verdicts), large)

    return {"icon": icon, "ago": ago, "bar": bar, "written": written}


def written(text: str) -> Markup:
    """What somebody wrote, in which each phone is read from the left in whatever language the rest is."""
    parts = PHONE.split(text)
    return Markup().join(ALONE % part if place % 2 else part for place, part in enumerate(parts))


def ago(clock: Clock, at: datetime) -> Markup:
    """A moment as people read it, the exact one on hover."""
    return TIME % (at.isoformat(), clock.exact(at), clock.short(at), clock.ago(at))
