"""What people are told of the bot: how a burst ended and why, in their language. Pure."""

from __future__ import annotations

from gettext import NullTranslations

from tallybook.core.marking import N_
from tallybook.inbox.answer_types import Choice, Mode

MODES = {
    Mode.OFF: N_("The bot is off for this business."),
    Mode.DRAFT: N_("The bot writes drafts, which people send."),
    Mode.AUTO: N_("The bot answers by itself where it is sure."),
}
CHOICES = {
    Choice.ANSWERED: N_("answered"),
    Choice.DRAFTED: N_("drafted"),
    Choice.HANDED_OVER: N_("handed over"),
    Choice.SUPPRESSED: N_("kept silent"),
    Choice.WAITING: N_("waits"),
    Choice.WITHDRAWN: N_("took its answer back"),
}
# Each as the decision was written down; {} stands for what is translated for itself.
REASONS = (
    N_("the bot is off"),
    N_("the bot does not answer in this conversation"),
    N_("the bot answers nobody whom it cannot tell from others"),
    N_("somebody answered first"),
    N_("a person is answering here"),
    N_("it is not only text"),
    N_("it is for the appointment that they were reminded of"),
    N_("it was said more than 24 hours ago"),
    N_("it came late: what was said after it was there before"),
    N_("the customer asked for a person"),
    N_("the bot has answered here often enough within an hour"),
    N_("no known answer fits surely enough"),
    N_("no answer could be made"),
    N_("there was an answer, and it was not sent"),
    N_("its answer was sent after all"),
    N_("the customer wrote again before it left"),
    N_("a person answered before it left"),
    N_("the bot was sent away before it left"),
    N_("the model answered"),
    N_("the model has used up its day"),
    N_("the model is left alone after its faults"),
    N_("the model came to no end"),
    N_("the model refused our key"),
    N_("the model has too much to do"),
    N_("the model could not be reached"),
    N_("the model took too long"),
    N_("the model refused the request"),
    N_("the model gave an answer that cannot be read"),
    N_("the model gave an answer that is too large"),
    N_("it said nothing"),
    N_("it said too much"),
    N_("it said what only a program reads"),
    N_("it named an address or a number that is nobody's here"),
    N_("it told what is for itself alone"),
    N_("it does not know the answer"),
    N_("the customer is upset"),
    N_("a person has to decide"),
    N_("it does not say why"),
    N_("not through a number of this kind"),
    N_("nothing is known by which the customer could be written to"),
    N_("the number is not one of this business"),
    N_("the number has no access token"),
    N_("only a template may be sent"),
)
AROUND = (
    N_("the known answer {} fits"),
    N_("there is an answer, and it cannot be sent: {}"),
    N_("there was an answer, and it was not sent: {}"),
    N_("the model handed over: {}"),
    N_("the model gave nothing that may be sent: {}"),
)
LINE = N_("Bot: {what}, because {why}")
PERIODS = {1: N_("Today"), 7: N_("7 days"), 30: N_("30 days"), 90: N_("90 days")}
SECONDS, MINUTES = N_("{n} s"), N_("{n} min")
SENT_BY, THROWN_BY = N_("{name} sent it"), N_("{name} threw it away")
# Errors that these pages may show.
ERRORS = (
    N_("There is no such draft."), N_("Somebody has thrown this draft away."),
    N_("The draft is another one now. Look at it again."),
    N_("The customer has written again since this was drafted. Edit it, or throw it away."),
    N_("Somebody has answered the customer since this was drafted."), N_("This draft was sent already."),
    N_("This question has an answer already."), N_("There is no such answer."),
    N_("Nothing was changed: the file has rows that cannot be used."),
    N_("Choose a file first."),
    N_("There is no question."), N_("There is no answer."), N_("The question is longer than 500 characters."),
    N_("The answer is longer than 1,999 characters."), N_("It holds a character that cannot be shown."),
    N_("The question has no word by which it could be told from others."),
)  # fmt: skip
_KNOWN = frozenset(REASONS)


def why(reason: str, words: NullTranslations) -> str:
    """A recorded reason in the reader's language; what is not known stands as it was written."""
    return "; ".join(_one(part, words) for part in reason.split("; "))


def _one(reason: str, words: NullTranslations) -> str:
    if reason in _KNOWN:
        return words.gettext(reason)
    for around in AROUND:
        before, after = around.split("{}")
        if reason.startswith(before) and reason.endswith(after):
            inner = reason[len(before) : len(reason) - len(after)]
            return words.gettext(around).replace("{}", _one(inner, words))
    return reason


def line(decision: str, reason: str, words: NullTranslations) -> str:
    """How a burst ended, as a small line of its thread."""
    what = words.gettext(CHOICES[Choice(decision)])
    return words.gettext(LINE).replace("{what}", what).replace("{why}", why(reason, words))
