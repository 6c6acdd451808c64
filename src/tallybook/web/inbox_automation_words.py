"""What the pages of automation say: a rule as a sentence, and why one did nothing. Marked here for translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from gettext import NullTranslations

from babel.dates import get_day_names

from tallybook.core.marking import N_
from tallybook.inbox.automation_types import (
    AnyMessage,
    Conditions,
    Daily,
    Draft,
    FirstMessage,
    InsideHours,
    Keyword,
    LabelPut,
    Outcome,
    OutsideHours,
    Reminder,
    Rule,
    Silence,
    StatusEntered,
)

STARTS = {
    "any": N_("a customer writes"),
    "first": N_("a customer writes for the first time"),
    "keyword": N_("a customer writes certain words"),
    "closed": N_("a customer writes while we are closed"),
    "open": N_("a customer writes while we are open"),
    "silence": N_("somebody is silent for a while"),
    "label": N_("a label is put on a thread"),
    "status": N_("a lead comes to a status"),
    "daily": N_("a time of day has come"),
    "appointment": N_("an appointment is near"),
}
OUTCOMES = {Outcome.DONE: N_("Done"), Outcome.SKIPPED: N_("Not done"), Outcome.FAILED: N_("Failed")}
MARKS = {Outcome.DONE: "ok", Outcome.SKIPPED: "dash", Outcome.FAILED: "wrong"}
COLOURS = {Outcome.DONE: "ok", Outcome.SKIPPED: "plain", Outcome.FAILED: "wrong"}
MINUTES = (30, 60, 120, 240, 1440, 2880, 10080)
HOUR, DAY = 60, 1440
FIRST_DAYS = {"he": 6}  # of the week, Monday being 0
REASONS = (
    N_("it happened too long ago"), N_("it came late: what was said after it was there before"),
    N_("it happened before the rule was switched on"), N_("it is a group"), N_("the customer is blocked"),
    N_("the thread is closed"), N_("the thread has none of the labels"),
    N_("the thread has a label that it must not have"), N_("the customer is at another status"),
    N_("it came to another number"), N_("the business is closed"), N_("the business is open"),
    N_("somebody has written since"), N_("automation wrote here often enough within the hour"),
    N_("only a template may be sent, and the rule has none"), N_("the appointment was moved"),
    N_("the appointment does not take place"), N_("the appointment has begun"),
    N_("something failed inside the program"), N_("There is no such label any more."),
)  # fmt: skip
MISTAKES = (
    N_("Something is missing or not as it should be. Look at each part of the sentence."), N_("A rule needs a name."),
    N_("Say what is to be done."), N_("Only what is said of an appointment can have buttons to confirm it."),
    N_("Say which threads are meant: choose a label or a status."), N_("Say which words are meant."),
    N_("There is no such label."), N_("A week has seven days."),
    N_("There are too many days of your own. Take out those that are over."),
    N_("The public holidays of this country are not known."),
    N_("A day is written as year-month-day, for example 2026-12-24."),
    N_("A day has at most four times at which it opens."),
    N_("A day closes after it opens. What goes over midnight is written on both days."),
    N_("Two opening times of one day lie over each other."),
    N_("A time is written as 09:00-17:00."),
)  # fmt: skip
EXAMPLES = (
    N_("Outside hours"), N_("Thank you for your message. We are closed now and answer as soon as we open."),
    N_("Prices"), N_("price, prices, how much"), N_("Our price list is on our website. Shall we make you an offer?"),
    N_("After silence"), N_("Hello {name}, do you still need us? Just answer here."),
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """What labels, statuses and people are called, by their numbers."""

    labels: Mapping[int, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[int, str] = field(default_factory=dict)


def span(minutes: int, words: NullTranslations) -> str:
    """A time before an appointment, as “2 hours”."""
    if minutes % DAY == 0:
        count = minutes // DAY
        return words.ngettext("%(num)s day", "%(num)s days", count) % {"num": count}
    if minutes % HOUR == 0:
        count = minutes // HOUR
        return words.ngettext("%(num)s hour", "%(num)s hours", count) % {"num": count}
    return words.ngettext("%(num)s minute", "%(num)s minutes", minutes) % {"num": minutes}


def week(locale: str) -> list[int]:
    """The days of the week in the order in which a language has them, Monday being 0."""
    return [(FIRST_DAYS.get(locale, 0) + number) % 7 for number in range(7)]


def weekdays(numbers: Sequence[int], locale: str) -> str:
    """Days of the week, Monday being 0, in their order."""
    names = get_day_names("abbreviated", locale=locale)
    return ", ".join(names[one] for one in sorted(set(numbers)))


def sentence(rule: Rule | Draft, names: Names, words: NullTranslations, locale: str) -> str:
    """A rule as people say it: when, and if, then. Pure."""
    parts = [_when(rule, names, words, locale), *_and(rule.conditions, names, words)]
    say = words.gettext
    when = say(N_("When {what}")).replace("{what}", say(N_(" and ")).join(parts))
    then = say(N_("then {what}")).replace("{what}", say(N_(" and ")).join(_then(rule, names, words)))
    return f"{when}, {then}"


def _when(rule: Rule | Draft, names: Names, words: NullTranslations, locale: str) -> str:
    say = words.gettext
    match rule.trigger:
        case AnyMessage() | FirstMessage() | InsideHours() | OutsideHours():
            kinds = {AnyMessage: "any", FirstMessage: "first", InsideHours: "open", OutsideHours: "closed"}
            return say(STARTS[kinds[type(rule.trigger)]])
        case Keyword(words=wanted):
            return say(N_("a customer writes {words}")).replace("{words}", _any(wanted, words))
        case Daily(at=at, weekdays=days):
            text = say(N_("it is {time} on {days}")).replace("{time}", at)
            return text.replace("{days}", weekdays(days, locale))
        case LabelPut(label=label):
            return say(N_("the label {label} is put on")).replace("{label}", f"“{names.labels.get(label, '?')}”")
        case StatusEntered(status=status):
            told = f"“{names.statuses.get(status, status)}”"
            return say(N_("a lead comes to {status}")).replace("{status}", told)
        case _:
            return _when_time(rule.trigger, words)


def _when_time(trigger: Silence | Reminder, words: NullTranslations) -> str:
    say = words.gettext
    if isinstance(trigger, Silence):
        us, them = N_("nobody answered the customer for {time}"), N_("the customer has not answered for {time}")
        text = say(us if trigger.of == "us" else them)
        return text.replace("{time}", span(trigger.hours * HOUR, words))
    spans = say(N_(" and ")).join(span(one, words) for one in sorted(set(trigger.minutes), reverse=True))
    return say(N_("an appointment is {time} away")).replace("{time}", spans)


def _any(wanted: Sequence[str], words: NullTranslations) -> str:
    return words.gettext(N_(" or ")).join(f"“{one}”" for one in wanted)


def _and(conditions: Conditions, names: Names, words: NullTranslations) -> list[str]:
    say = words.gettext
    found = []
    if conditions.labels:
        told = _any([names.labels.get(one, "?") for one in conditions.labels], words)
        found.append(say(N_("the thread has the label {label}")).replace("{label}", told))
    if conditions.without:
        told = _any([names.labels.get(one, "?") for one in conditions.without], words)
        found.append(say(N_("it has not the label {label}")).replace("{label}", told))
    if conditions.statuses:
        told = _any([names.statuses.get(one, one) for one in conditions.statuses], words)
        found.append(say(N_("the lead is at {status}")).replace("{status}", told))
    if conditions.accounts:
        found.append(say(N_("it came to {number}")).replace("{number}", _any(conditions.accounts, words)))
    if conditions.hours:
        found.append(say(N_("we are open")) if conditions.hours == "open" else say(N_("we are closed")))
    return found


def _then(rule: Rule | Draft, names: Names, words: NullTranslations) -> list[str]:
    say, actions = words.gettext, rule.actions
    found = []
    if actions.text:
        found.append(say(N_("send {text}")).replace("{text}", f"“{actions.text}”"))
    if actions.template:
        alone, instead = N_("send the template {name}"), N_("send the template {name} where a text may not be sent")
        told = say(instead if actions.text else alone)
        found.append(told.replace("{name}", f"“{actions.template.name}”"))
    if actions.label is not None:
        told = f"“{names.labels.get(actions.label, '?')}”"
        found.append(say(N_("put the label {label} on it")).replace("{label}", told))
    if actions.assign_to is not None:
        found.append(say(N_("give it to {name}")).replace("{name}", names.people.get(actions.assign_to, "?")))
    if actions.hand_over:
        found.append(say(N_("hand it over to a person")))
    if actions.webhook:
        found.append(say(N_("tell other programs")))
    return found
