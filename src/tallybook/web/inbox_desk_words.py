"""What the desk says when it refuses something. Each stands as its source says it."""

from __future__ import annotations

from tallybook.core.marking import N_

ERRORS = (
    N_("A name has at most 200 characters, notes at most 10,000."),
    N_("This is no e-mail address."),
    N_("There is no such lead."),
    N_("There is no such status."),
    N_("Another status was asked for under this key. Load the page again."),
    N_("There are 1 to 30 statuses, each with a name of its own."),
    N_("Leads are still at a status that would go. Move them first."),
    N_("A reason has at most 500 characters."),
    N_("A name is missing, too long, or has a character that cannot be shown."),
    N_("There is no such colour."),
    N_("A text has 1 to 4,096 characters."),
    N_("The text has a character that cannot be shown."),
    N_("A key has 1 to 200 letters, digits or signs."),
    N_("There is a team of this name already."),
    N_("Only who may answer customers can be in a team."),
    N_("Only who may answer customers can be given a thread."),
    N_("A thread is given to a person or to a team, not to both."),
    N_("A token that belongs to no person cannot take a thread."),
    N_("Somebody else has this thread already."),
    N_("There is a label of this name already."),
    N_("There is a label of this name already. Join the two instead."),
    N_("A label cannot be joined with itself."),
    N_("Something else was noted under this key. Load the page again."),
    N_("There is an answer of this shortcut already."),
    N_("There are 2,000 canned answers already."),
    N_("The language must be en or he."),
    N_("A place in the text is one that nothing can fill."),
    N_("There is still a place for a name in the text. Fill it in or take it out."),
    N_("The same shortcut stands further up with another text."),
    N_("The file has no header with the columns shortcut, language, text."),
)
# With which every business begins; see lead_rules.FIRST_NAMES.
FIRST_STATUSES = (N_("New"), N_("Contacted"), N_("Qualified"), N_("Won"), N_("Lost"))
