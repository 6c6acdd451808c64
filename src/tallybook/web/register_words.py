"""What the story of a drop and a supervisor's list say, marked here for translation, as their sources say it."""

from __future__ import annotations

from gettext import NullTranslations

from tallybook.core.marking import N_
from tallybook.monitor.service.explain import Decision, Story

# What was decided about a message: in a word, and why.
DECISIONS = {
    Decision.CREATED: N_("Made the review"),
    Decision.RESUBMITTED: N_("Posted again"),
    Decision.HISTORY: N_("Kept as history"),
    Decision.ACTIVATED: N_("Made the activation"),
    Decision.ACTIVATED_BEFORE: N_("Kept beside the activation"),
    Decision.REFUSED: N_("Not on the list"),
    Decision.HELD: N_("Held until its list can be read"),
    Decision.DISMISSED: N_("Put aside by a person"),
    Decision.NOT_WATCHED: N_("Group not watched"),
    Decision.NO_LONGER_WATCHED: N_("Group no longer watched"),
    Decision.BEFORE_RULES: N_("Before it was read so"),
    Decision.OURS: N_("Our own message"),
    Decision.DELETED: N_("Deleted before it was read"),
    Decision.EDITED_AWAY: N_("Edited away"),
    Decision.PARKED: N_("Parked"),
    Decision.NOT_A_DROP: N_("Not read as a drop"),
    Decision.MISSING: N_("Missing from its register"),
}
WHY = {
    Decision.CREATED: N_("It was the first post of this drop, so it made the review."),
    Decision.RESUBMITTED: N_("The drop had a review already: it was marked as posted again."),
    Decision.HISTORY: N_("It was said before a post that was already filed, so it is kept and changed nothing."),
    Decision.ACTIVATED: N_("It was the first marketing post of this drop, so it made the activation."),
    Decision.ACTIVATED_BEFORE: N_("The drop had an activation already; this post is kept beside it."),
    Decision.REFUSED: N_("The drop is not on its project's list of valid drops, so it made no review."),
    Decision.HELD: N_("Its project's list was empty or being imported, so nobody could judge it yet."),
    Decision.DISMISSED: N_("Its drop was on no list, and somebody said that it is to make no review."),
    Decision.NOT_WATCHED: N_("No project reads this group. Name it in tallybook.toml to have its drops filed."),
    Decision.NO_LONGER_WATCHED: N_("This group's project has been taken out of tallybook.toml."),
    Decision.BEFORE_RULES: N_(
        "It came before this project read its group as it does now. Post it again, or add it from a list."
    ),
    Decision.OURS: N_("What we send ourselves is never read as a post."),
    Decision.DELETED: N_("Its sender took the message back; what is taken back is not read."),
    Decision.EDITED_AWAY: N_("Its sender edited the message and it no longer names this drop."),
    Decision.PARKED: N_("It could not be filed and was put aside: see tallybook parked list."),
    Decision.NOT_A_DROP: N_("The number stands there, but not as this project writes its drops, such as DR1752104."),
    Decision.MISSING: N_("It was read and ought to be in its register, and is not: somebody took the row out."),
}
REGISTERS = {
    "qa_photo_reviews": N_("QA reviews"),
    "qa_submissions": N_("posts of QA reviews"),
    "marketing_activations": N_("marketing activations"),
    "marketing_posts": N_("posts of marketing activations"),
}
ACTIONS = {
    "drop.added_by_hand": N_("Added by hand"),
    "drop.filed_again": N_("Filed again"),
    "drop.left_out": N_("Left out on purpose"),
    "review.saved": N_("Review changed"),
}
# What a drop's posters were told.
ANSWERS = {
    "feedback": N_("Feedback"), "unknown_drop": N_("Told that it is on no list"),
    "other_project": N_("Told that it is on another project's list"),
}  # fmt: skip
FORGOTTEN = N_("Kept no longer")
BY_HAND = N_("Added by hand from a list")
ALL_WELL = N_("{posts} posts of {drop} are stored, and every one is where it belongs.")
ONE_WELL = N_("One post of {drop} is stored, and it is where it belongs.")
ASIDE = N_("{drop} was posted, and no post of it made a review or an activation.")
MISSING = N_("{drop} is missing from a register where it belongs: {registers}.")
LEFT_OUT = N_("{drop} was left out of a register on purpose: {registers}.")
NO_POST = N_("{drop} has a row that was written by hand or imported; no message with it was stored.")
NOTHING = N_("No message with {drop} was stored.")
# What marketing notes of a drop; monitor/store/validity.py says it.
LISTED = (N_("In no project's list"), N_("In the list of {project}"))
# Why a line of a list cannot be used; service/supervisor_list.py says them.
UNREAD = (
    N_("There is no drop number."), N_("This is not one drop number."),
    N_("There is no date. Name the day that the list is of."),
    N_("This is not a date; the day comes first, then the month."),
    N_("This date lies in the future or long past."), N_("This is not a time of day."),
    N_("It does not say which project. Name the project that the list is of."),
    N_("No project of this name is watched."), N_("This sheet has no column of drop numbers."),
    N_("This stands above the header."), N_("This sheet is hidden, so it was not read."),
    N_("This may be two days: another date of this column has its month first."),
)  # fmt: skip
ERRORS = (
    N_("Say why, in a few words."), N_("Give a drop number, such as DR1752104."), N_("Give one drop number at a time."),
    N_("Give the drop number in one piece, such as DR1752104."),
    N_("There is no such list. Lists are kept for 90 days."), N_("Choose a file first."),
    N_("Nothing of this drop is missing from a register."),
    N_("This XLSX file is damaged. Open it in Excel and save it again."),
    N_("This is an old or a protected Excel file. Save it as XLSX without a password, or as CSV."),
    N_("This is neither a CSV nor an XLSX file."),
    N_("This is a ZIP file but no XLSX workbook. Save the list as XLSX or CSV."),
    N_("The workbook unfolds to more than we take."),
    N_("A sheet's cells lie too far apart. Delete the empty rows and columns between them."),
    N_("The file is larger than 5 MB."),
)  # fmt: skip


def remark(noted: str, words: NullTranslations) -> str:
    """What marketing notes of a drop, in the reader's language; what an older program noted stays as it is."""
    nowhere, listed = LISTED
    before = listed.removesuffix("{project}")
    if noted.startswith(before):
        return words.gettext(listed).format(project=f"\u2068{noted.removeprefix(before)}\u2069")
    return words.gettext(nowhere) if noted == nowhere else noted


def sentence(story: Story) -> tuple[str, dict[str, str]]:
    """The first line of a story, to be translated, and what stands in its places. Pure."""
    drop = {"drop": story.drop_number}
    if story.missing:
        return MISSING, drop | {"registers": ", ".join(story.missing)}
    if story.left_out:
        return LEFT_OUT, drop | {"registers": ", ".join(story.left_out)}
    if story.absence is not None:
        return NOTHING, drop
    if not story.posts:
        return NO_POST, drop
    filed = {
        Decision.CREATED, Decision.RESUBMITTED, Decision.HISTORY, Decision.ACTIVATED, Decision.ACTIVATED_BEFORE,
    }  # fmt: skip
    count = sum(post.decision in filed for post in story.posts)
    if not count:
        return ASIDE, drop
    return (ONE_WELL, drop) if count == 1 else (ALL_WELL, drop | {"posts": str(count)})
