"""What the pages of triage say of facts and of refusals, in the reader's words. Pure."""

from __future__ import annotations

from gettext import NullTranslations

from tallybook import rota_refusals
from tallybook.core.errors import TallybookError
from tallybook.core.marking import N_
from tallybook.triage.types import Kind, Rotation, WhenAbsent, Why

from .inbox_automation_words import weekdays
from .times import Clock

WHY = {
    Why.SLOT: N_("whose turn it is"),
    Why.OVERRIDE: N_("stands in"),
    Why.SWAP: N_("exchanged turns"),
    Why.SUBSTITUTE: N_("substitute"),
    Why.NO_ROSTER: N_("Nobody is on the roster yet"),
    Why.NO_SPRINT: N_("No sprint is planned"),
    Why.OFF: N_("The rotation rests"),
    Why.NOBODY_LEFT: N_("Nobody is left on the roster"),
    Why.UNASSIGNED: N_("It was set so"),
    Why.OUT_OF_USE: N_("The discipline is out of use"),
}
KINDS = {Kind.SPRINT: N_("by sprints"), Kind.WEEKLY: N_("by weeks"), Kind.DAILY: N_("by days")}
ABSENCES = {"leave": N_("Leave"), "sick": N_("Sick"), "training": N_("Training"), "other": N_("Something else")}
SOURCES = {"calendar": N_("by a calendar"), "slack": N_("by their status in Slack")}
# Why a calendar cannot be read.
UNREAD = {
    "late": N_("it is not answered in time"), "internal": N_("it is at an internal address"),
    "nobody": N_("nobody answers there"), "broken": N_("the line breaks"), "open": N_("it leads to an open line"),
    "wanders": N_("it leads from one address to the next"), "large": N_("it is larger than 1 MB"),
    "slow": N_("it takes too long to be worked out"), "strange": N_("what stands there is no calendar"),
    "sealed": N_("its address cannot be opened any more, give it again"),
    "answers": N_("it is answered with %(status)s"),
}  # fmt: skip
CHANGED = N_("The rota was changed meanwhile. Look at what this would change now.")
# What the rota refuses, marked here so that it is translated. Each stands as its source says it.
REFUSALS = (
    N_("There is no such team."), N_("A team needs a name of at most 60 characters."), CHANGED,
    N_("There is a team of this name already."), N_("The rota was changed meanwhile."),
    N_("A discipline needs a name, and a code of at most 20 characters."),
    N_("There is no such discipline, or it is not used any more."), N_("There is no such discipline."),
    N_("Nobody leaves in the past: who was on duty then is not changed any more."),
    N_("Nobody joins in the past: who was on duty then is not changed any more."),
    N_("You may not do this. Only who leads the team may."), N_("Say why, in at most 500 characters."),
    N_("A rotation needs a day of the week at least."), N_("A rotation has turns every week, or in one of up to 52."),
    N_("A discipline goes out of use now or later: who was on duty is not changed any more."),
    N_("Only who belongs to the discipline can take turns."), N_("There is no such version."),
    N_("A roster has everybody once, and at most 100 people."),
    N_("A roster begins now or later: who was on duty is not changed any more."),
    N_("A sprint needs a name of at most 50 characters."),
    N_("A sprint ends on a later day than the one on which it begins."), N_("A sprint lasts at most a year."),
    N_("A sprint cannot be planned into the past: who was on duty then is not changed any more."),
    N_("This sprint is over. Only its name can be changed."), N_("There is no such sprint."),
    N_("This sprint has begun. Its beginning stays, and it cannot have ended before now."),
    N_("This sprint has begun, so it stays. Its end can be changed while it runs."),
    N_("This would lie over another sprint."),
    N_("An override of a part of this time is in the way. Take that away first."),
    N_("This person is not known here."), N_("An absence ends after now, and lasts at most two years."),
    N_("This was sent in before, with something else in it."), N_("There is no such absence."),
    N_("The address of a calendar begins with https:// or webcal:// and names a host."),
    N_("Somebody can have at most 5 calendars."), N_("There is no such calendar."),
    N_("This absence follows a calendar or a status in Slack. Change it there."),
    N_("Only the absent person, or who leads the team, may do this."), N_("This absence is over already."),
    N_("A holiday is planned for a day ahead: who was on duty is not changed any more."),
    N_("The public holidays of this country are not known."),
    N_("This account is somebody else's, or the person is not known here."),
    N_("This turn is none of ours."), N_("There is no such discipline in this team."),
)  # fmt: skip


def refusal(error: TallybookError, words: NullTranslations) -> str:
    """A refusal in the reader's language, with whatever it names."""
    return rota_refusals.told(error.message, words)


def unread(failed: str, words: NullTranslations) -> str:
    """Why a calendar cannot be read, by the word for it and the status behind that, if there is one."""
    known, _, status = failed.partition(" ")
    return words.gettext(UNREAD.get(known, UNREAD["broken"])).replace("%(status)s", status)


def rule(rotation: Rotation, clock: Clock, *, zoned: bool = False) -> str:
    """How turns follow each other, as people say it; with ``zoned``, or where it is not the team's, by which clocks."""
    say = clock.words.gettext
    at = f"{rotation.hand_over:%H:%M}"
    if rotation.kind is Kind.SPRINT:
        told = say(N_("A turn for each sprint"))
    else:
        known = N_("A turn for each day: {days}, from {time}") if rotation.kind is Kind.DAILY else N_(
            "A turn for each week, from {days} {time}"
        )  # fmt: skip
        told = say(known).replace("{days}", weekdays(sorted(rotation.days), clock.locale)).replace("{time}", at)
    if rotation.weeks > 1:
        told += "; " + say(N_("one week in {weeks}")).replace("{weeks}", str(rotation.weeks))
    if rotation.kind is not Kind.SPRINT and (zoned or rotation.zone != clock.business.time_zone):
        told += "; " + say(N_("times in %(zone)s")) % {"zone": rotation.zone}
    if rotation.rest:
        told += "; " + say(N_("not on holidays"))
    if rotation.when_absent is WhenAbsent.KEEP:
        told += "; " + say(N_("nobody steps in for the absent"))
    return told
