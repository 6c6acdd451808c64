"""Templates: messages that WhatsApp approved, which may be sent at any time, with values in their places."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

APPROVED = "approved"


class Button(msgspec.Struct, frozen=True):
    """A button as WhatsApp defines it; ``url`` may end in a place for a value."""

    type: str = ""
    text: str = ""
    url: str = ""


class Component(msgspec.Struct, frozen=True):
    """A part of a template as WhatsApp defines it. ``format`` is that of a header, as TEXT or IMAGE."""

    type: str = ""
    text: str = ""
    format: str = ""
    buttons: list[Button] = []


class Listed(msgspec.Struct, frozen=True):
    """A template as WhatsApp lists it. ``components`` are kept as they came: of a new kind nothing is lost."""

    name: str
    language: str
    status: str = ""
    id: str = ""
    category: str = ""
    parameter_format: str = ""
    components: list[dict[str, Any]] = []
    quality_score: dict[str, Any] | None = None
    rejected_reason: str | None = None


class Template(msgspec.Struct, frozen=True):
    """A template of a business. ``id`` is ours; ``told_at`` is when WhatsApp told its status; ``gone``: it is no more.

    ``named``: its places have names, not numbers.
    """

    id: int
    waba: str
    name: str
    language: str
    status: str
    category: str
    named: bool
    components: list[Component]
    quality: str
    reason: str
    told_at: datetime
    gone: bool

    @property
    def usable(self) -> bool:
        """Whether WhatsApp takes it now."""
        return self.status == APPROVED and not self.gone

    def part(self, kind: str) -> Component | None:
        return next((one for one in self.components if one.type.upper() == kind), None)


class Field(msgspec.Struct, frozen=True):
    """A place to be filled. ``key`` names it in forms and the API: ``header``, ``file``, ``body.1``, ``button.0``.

    ``label`` is what the template calls it: its number or name, or the button's words. ``longest`` in characters.
    """

    key: str
    part: str
    label: str
    longest: int


class Shown(msgspec.Struct, frozen=True):
    """A template as a customer reads it. ``file`` is the kind of file above it, empty for none."""

    header: str
    file: str
    body: str
    footer: str
    buttons: list[str]

    @property
    def text(self) -> str:
        """All of it as one text."""
        parts = "\n\n".join(one for one in (self.header, self.body, self.footer) if one)
        return "\n".join([parts, *(f"▫ {one}" for one in self.buttons)])


class News(msgspec.Struct, frozen=True):
    """What WhatsApp tells of a template on its own. What is empty is not said."""

    waba: str
    at: datetime
    name: str
    language: str
    status: str = ""
    category: str = ""
    quality: str = ""
    reason: str = ""
