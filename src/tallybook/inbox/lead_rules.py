"""What a lead can be, and what may be said of one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from tallybook.core.errors import Invalid
from tallybook.core.marking import N_

from . import desk_rules

LONGEST_STATUS, LONGEST_NAME, LONGEST_EMAIL, LONGEST_NOTES = 60, 200, 320, 10_000
MOST_STATUSES = 30
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_NO_KEY = re.compile(r"[^\w]+")


class Status(msgspec.Struct, frozen=True):
    """A status. ``status`` is its key, which stays; ``name`` what people call it, None where it is one of the first."""

    status: str
    name: str | None
    colour: str


# Those with which every business begins. A business that keeps its own has rows of them.
FIRST = (
    Status("new", None, "blue"),
    Status("contacted", None, "amber"),
    Status("qualified", None, "purple"),
    Status("won", None, "green"),
    Status("lost", None, "grey"),
)
FIRST_NAMES: Mapping[str, str] = {
    "new": N_("New"), "contacted": N_("Contacted"), "qualified": N_("Qualified"), "won": N_("Won"), "lost": N_("Lost"),
}  # fmt: skip


def key_of(name: str, taken: Sequence[str]) -> str:
    """A key for a new status, made from its name and like none that there is."""
    plain = _NO_KEY.sub("_", name.casefold()).strip("_")[:50] or "status"
    return next(
        key for key in (plain, *(f"{plain}_{number}" for number in range(2, MOST_STATUSES + 2))) if key not in taken
    )


def email_in(text: str) -> str:
    """The first e-mail address that stands in a text, as people write it between other words; empty for none."""
    for word in text.split():
        bare = word.strip("<>()[]{},;:.!?\"'“”„")
        if len(bare) <= LONGEST_EMAIL and bare.isprintable() and _EMAIL.fullmatch(bare):
            return bare
    return ""


def containing(text: str) -> str:
    """A pattern for what contains a text."""
    return "%" + text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"


class Facts(msgspec.Struct, frozen=True):
    """What people write down of a lead."""

    name: str
    email: str
    notes: str


def facts(name: str, email: str, notes: str) -> Facts:
    """Raises Invalid for what is too long, and for an address that is none."""
    name, email = " ".join(name.split()), email.strip()
    notes = notes.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(name) > LONGEST_NAME or len(notes) > LONGEST_NOTES:
        raise Invalid("A name has at most 200 characters, notes at most 10,000.")
    if email and (len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email)):
        raise Invalid("This is no e-mail address.")
    for one in (name, email, notes):
        if one:
            desk_rules.written(one, LONGEST_NOTES)
    return Facts(name, email, notes)
