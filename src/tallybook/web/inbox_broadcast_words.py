"""How broadcasts, their recipients and consents are called on pages, and what may be wrong with one."""

from __future__ import annotations

from .phrases import N_

AUDIENCES = {
    "all": N_("Everybody"), "label": N_("Whose conversation has a label"), "status": N_("Whose lead has a status"),
    "list": N_("A list of phones"),
}  # fmt: skip
# Of a broadcast, and of a recipient.
STATES = {
    "queued": N_("Waits"), "running": N_("Under way"), "paused": N_("Paused"), "completed": N_("Sent to all"),
    "partial": N_("Sent, not to all"), "failed": N_("Failed"), "cancelled": N_("Stopped"),
    "unknown": N_("Sent or not?"), "sent": N_("Sent"), "delivered": N_("Delivered"), "read": N_("Read"),
    "skipped": N_("Left out"),
}  # fmt: skip
HOW = {
    "preference": N_("told by WhatsApp"), "keyword": N_("by a word of theirs"), "person": N_("noted by one of us"),
    "refused": N_("refused by WhatsApp"),
}  # fmt: skip
SAID = (
    N_("They want no more marketing messages."), N_("They are blocked."),
    N_("Nothing is known of them by which they could be written to."),
    N_("They write to a number by which templates cannot be sent."),
    N_("They said that they want no more marketing messages."), N_("The broadcast was stopped."),
    N_("There is no conversation with them any more."), N_("They got it under another name of theirs."),
    N_("The customer wants no more marketing messages."),
)  # fmt: skip
MISTAKES = (
    N_("This would reach nobody."), N_("Choose one of the numbers of this business."),
    N_("A broadcast needs a key of at most 200 characters."), N_("A broadcast needs a name of at most 100 characters."),
    N_("Say who is to get it."), N_("A value of the template is too long."), N_("A broadcast begins within 90 days."),
    N_("A name in braces is no column of the list."), N_("A broadcast can be paused, resumed or stopped."),
    N_("This broadcast is over."), N_("There is no such broadcast."), N_("The list is empty."),
    N_("No column of the list holds phone numbers."),
    N_("Give 1 to 30 words, one a line, of at most 40 characters each."),
    N_("There is no such template."), N_("Each place of the template needs a value."),
)  # fmt: skip
