"""Words that reach a page as values, marked here so that they are translated. Each stands as its source says it."""

from __future__ import annotations

from tallybook.core.health_words import CHECKS, HEALTH
from tallybook.core.marking import N_

__all__ = ["CHECKS", "HEALTH", "N_"]

STEPS = (
    N_("Property Photo"), N_("Location on Wall"), N_("Cable from Pole"), N_("Cable Entry Outside"),
    N_("Cable Entry Inside"), N_("Fibre Entry to ONT"), N_("Overall Work Area"), N_("ONT Barcode"), N_("UPS Serial"),
    N_("Powermeter at ONT"), N_("Green Lights"), N_("Customer Signature"),
)  # fmt: skip
REASONS = (
    N_("Blurry"), N_("Wrong angle"), N_("Wrong subject"), N_("Poor lighting"), N_("Obstructed"), N_("Duplicate"),
    N_("Not installed"),
)  # fmt: skip
VERDICTS = {"right": N_("Right"), "wrong": N_("Wrong"), "missing": N_("Missing")}
CHANGES = {
    "complete": N_("Complete"),
    "open": N_("Open again"),
    "comment": N_("Comment changed"),
    "looked_at": N_("Looked at what was posted again"),
}
PERIODS = (N_("Today"), N_("Yesterday"), N_("Last 7 days"), N_("Any day"))
LOCKED = N_("{name} is working on this review.")
NO_REASON = N_("Say what is wrong with: {step}.")
# Errors that a page may show; the rest are for programs and for the command line.
ERRORS = (
    N_("A password has at most 256 characters."), N_("A password needs at least 10 characters."),
    N_("A login name has 1 to 100 characters and no spaces."), N_("A name has 1 to 100 characters."),
    N_("A token needs a name of at most 100 characters that says what it is for."),
    N_("A token needs at least one scope."), N_("The new password is the old one."),
    N_("The old password is wrong."), N_("The password was changed meanwhile."), N_("This login name is taken."),
    N_("This password is too easy to guess: take one that nobody would try."),
    N_("The name or the password is wrong."), N_("There is no such review."), N_("There is no such person here."),
    N_("This is the last admin. Make somebody else an admin first."),
    N_("This person belongs to another business too. You can take them out of yours."),
    N_("You may not do this. Somebody with the role of admin can give you the right."),
    N_("This request came from another site."), N_("A day is written as 2026-01-31."), N_("That day is out of range."),
    N_("A search may be at most 50 characters long, a project's name 100."),
    N_("This place in the list is not one of ours. Start again without “after”."),
    N_("Somebody else had this review a moment ago. Try again."),
    N_("It was posted again meanwhile. Look at the new post first."),
    N_("This page is not one of ours. Load it again."),
    N_("You have no role in this business."), N_("An API token belongs to one business."),
    N_("This page shows another business than the one you are in now. Load it again."),
    N_("A text holds a character that cannot be stored (NUL). Take it out and try again."),
    N_("A number is larger than any that can be stored. Check it and try again."),
    N_("A reason may be at most 500 characters long."), N_("A comment may be at most 10,000 characters long."),
)  # fmt: skip
STATES = {"ok": N_("Well"), "late": N_("Late"), "wrong": N_("Wrong")}
FACTS = {
    "latency_ms": N_("answers in ms"),
    "warnings": N_("warnings"),
    "blocking": N_("in the way of a business rule"),
    "messages": N_("messages"),
    "deliveries": N_("deliveries"),
    "updates": N_("updates of all kinds"),
    "jobs": N_("jobs"),
    "nights": N_("nights"),
    "conflicts": N_("left alone"),
    "outgoing": N_("outgoing"),
    "messages_in_14_days": N_("messages in 14 days"),
    "longest_silence_hours": N_("longest silence in hours"),
    "journal_mode": N_("journal"),
    "remarks": N_("remarks"),
    "newest_at": N_("newest message"),
    "process": N_("process"),
    "bytes": N_("bytes"),
    "quarantined": N_("damaged"),
    "posts_held_against": N_("posts held against the registers"),
    "in_both_registers": N_("drops in both registers"),
    "such_as": N_("such as"),
    "drops_that_day": N_("drops that day"),
    "usual_least": N_("fewest on such days"),
    "usual_most": N_("most on such days"),
    "marketing": N_("marketing"),
    "qa": N_("QA"),
    "host": N_("computer"),
    "media_rows": N_("photos and files"),
    "drops_captions": N_("drops captions"),
    "unkeyable_rows": N_("rows without an id"),
    "unreadable_times": N_("times that cannot be read"),
    "known_lids": N_("known LIDs"),
    "files": N_("files"),
    "mode": N_("now"),
    "age_seconds": N_("age in seconds"),
    "teams": N_("teams"),
    "held": N_("held"),
    "may_be_accepted": N_("may be accepted"),
    "waiting": N_("waiting"),
    "off": N_("switched off"),
    "failing": N_("failing"),
    "missed": N_("missed"),
}
# What a fact may be, where it is a word.
VALUES = (N_("usual"), N_("away"))
