"""What health says, in the reader's language: its sentences and its checks' names, marked here for translation."""

from __future__ import annotations

import re
from gettext import NullTranslations


def N_(text: str) -> str:  # noqa: N802 - marks a text for translation where the language is not yet known
    return text


# What core/health.py and its neighbours say; a number stands as {n}.
HEALTH = (
    N_("Everything is held."), N_("Connected."), N_("Working."), N_("Connected; reading."), N_("Empty."),
    N_("The database cannot be reached. Nothing is lost: work waits until it is back."),
    N_("No worker has ever run here. Start one with: tallybook work"),
    N_("Not heard of for a while. Is its process running?"),
    N_("The bridge has stored no message of any chat for half a day. Is it connected to WhatsApp?"),
    N_("No message in two weeks."), N_("Too few messages yet to know its rhythm."),
    N_("Quieter than it has been in two weeks."), N_("In its usual rhythm."),
    N_("{n} item waits."), N_("{n} items wait."), N_("No items wait."),
    N_("{n} item is parked."), N_("{n} items are parked."), N_("No items are parked."),
    N_("{n} sending ended without an answer."), N_("{n} sendings ended without an answer."),
    N_("No sendings ended without an answer."),
    N_("{n} unexpected refusal by the database this week."), N_("{n} unexpected refusals by the database this week."),
    N_("No unexpected refusals by the database this week."),
)  # fmt: skip
CHECKS = {
    "database": N_("Database"),
    "worker": N_("Worker"),
    "bridge": N_("WhatsApp bridge"),
    "group": N_("Group"),
    "waiting": N_("Waiting work"),
    "parked": N_("Parked"),
    "unknown": N_("Sent or not?"),
    "constraints": N_("Database rules"),
    "spool": N_("Kept on disk"),
}
_COUNTED = re.compile(r"(No|\d+) (.+)", re.DOTALL)


def told(text: str, words: NullTranslations) -> str:
    """One of health's sentences in the reader's language; a sentence that is not known stays as it is."""
    counted = _COUNTED.fullmatch(text)
    if counted is None or counted[1] == "No":
        return words.gettext(text)
    return words.gettext(f"{{n}} {counted[2]}").replace("{n}", counted[1])


def is_known(text: str) -> bool:
    """Whether a sentence is one of ours as it stands here: such a one holds no path, no name and no number but a count."""
    counted = _COUNTED.fullmatch(text)
    return text in HEALTH or (counted is not None and f"{{n}} {counted[2]}" in HEALTH)


def name_of(check: str, words: NullTranslations) -> str:
    """A check's name for people, such as "Group Lawley" for ``group Lawley``."""
    kind, _, rest = check.partition(" ")
    return f"{words.gettext(CHECKS.get(kind, kind))} {rest}".strip()
