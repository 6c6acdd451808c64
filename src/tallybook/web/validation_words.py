"""What the page of validity says of its values, marked here for translation."""

from __future__ import annotations

from gettext import NullTranslations

from tallybook.core.marking import N_
from tallybook.monitor.store.importing import Kept
from tallybook.monitor.store.offers import Line

PARTS = {
    "offers": N_("May be accepted"), "held": N_("Held"), "rejected": N_("Refused"),
}  # fmt: skip
EMPTY = {
    "offers": (
        N_("Nothing to accept"),
        N_("When a drop comes into the list of its project, the posts of it that were refused before stand here."),
    ),
    "held": (
        N_("Nothing is held"),
        N_("A post waits here while its project has no list, or while its list is being imported."),
    ),
    "rejected": (
        N_("Nothing was refused"),
        N_("A post of a drop that is not in its project’s list stands here, with the group that it belongs to."),
    ),
}
REASONS = {
    "list_empty": N_("Its project has no list yet"),
    "import_running": N_("The list of its project was being imported"),
    "not_in_valid_list": N_("Not in the list of its project"),
}
STATES = {
    "accepted": N_("Accepted by {name}"), "dismissed": N_("Put aside by {name}"), "filed": N_("Filed since"),
}  # fmt: skip
ROWS = (
    N_("There is no drop number."), N_("This is not a drop number."), N_("This sheet has no column of drop numbers."),
    N_("It does not say which project. Name the project that the list is of."),
    N_("The name of the project is too long."),
)  # fmt: skip
IMPORTS = {
    "given": N_("Not confirmed yet"), "running": N_("Being imported"), "done": N_("Imported"),
    "ended": N_("Stopped half-way; nothing was changed"),
}  # fmt: skip
ERRORS = (
    N_("This list has been imported already."), N_("This list is being imported at this moment."),
    N_("There is no such import. What is not confirmed is kept for 30 days."),
    N_("There are other posts to accept now than you were shown. Look again."),
    N_("These are too many to accept at once. Choose a project, or search."),
    N_("The import took too long and was ended. Nothing was changed; try again."),
    N_("Choose a file first."), N_("The file is larger than 5 MB."), N_("Say why, in a few words."),
)  # fmt: skip


NOT_THEN = N_("Refused when its drop was not in the list yet")


def reason(line: Line, part: str, words: NullTranslations) -> str:
    """Why a post made no review, in the reader's words; what somebody wrote by hand stays as it is. Pure."""
    if part == "offers":
        return words.gettext(NOT_THEN)
    return words.gettext(REASONS[line.reason]) if line.reason in REASONS else line.reason


def state(line: Line, words: NullTranslations) -> str | None:
    """What was said of a post since. Pure."""
    if line.state not in STATES:
        return None
    name = line.decided_by or "Tallybook"
    return words.gettext(STATES[line.state]).format(name=f"\u2068{name}\u2069")


def import_state(kept: Kept, words: NullTranslations) -> str:
    return words.gettext(IMPORTS[kept.state])
