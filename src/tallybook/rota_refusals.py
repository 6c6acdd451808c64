"""What the rota refuses, in somebody's language: on pages and in Slack. Pure."""

from __future__ import annotations

import re
from gettext import NullTranslations

from .core.marking import N_

# Those that name something.
NAMING = (
    N_("This would lie over the sprint {name}."),
    N_("“{name}” is not a time zone. Give a name such as America/Los_Angeles."),
    N_("“{name}” is not the id of somebody in Slack, such as U012AB3CD."),
    N_("{name} has approved this already."),
    N_("{name} has declined this already."),
    N_("{name} has approved another one for this time already."),
    N_("{name} has asked for this time already, and it waits for a decision."),
    N_("This was asked for when the rota was otherwise. {name}"),
)
BROKEN = N_("Something went wrong on our side. What you sent is kept, and is looked at.")
UNSEEN = N_("It must be looked at before it is saved.")
# Others that only Slack shows.
IN_SLACK = (
    N_("There is no team yet. Whoever leads makes one on the pages."), N_("There is no such request."),
    N_("They do not belong to it any more."), N_("They belong to it already."), N_("This view is none of ours."),
    N_("This button is none of ours."), N_("This command is none of ours."),
    N_("This shortcut is none of ours."),
)  # fmt: skip


def told(message: str, words: NullTranslations) -> str:
    """A refusal as its source says it, by ``words``, with whatever it names."""
    for pattern in NAMING:
        found = re.fullmatch(re.escape(pattern).replace(r"\{name\}", "(.*)"), message)
        if found is not None:
            return words.gettext(pattern).replace("{name}", words.gettext(found[1]))
    return words.gettext(message)
