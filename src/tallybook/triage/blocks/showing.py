"""By which facts, when and to whom something is shown, and how people, shifts and times are called there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from tallybook.core.errors import Invalid
from tallybook.triage.rules import Schedule, reason_of, shifts, who
from tallybook.triage.types import FOR_ANOTHER, FOR_EVER, Discipline, Shift, Sprint, Team, Why

from . import words
from .elements import Ready, context, escaped, mention, shortened
from .limits import Block
from .names import Held, person_of
from .texts_rota import ROTA

MOST_LINES = 60
LONGEST_NAME = 60
LONGEST_REASON = 200


class Seen(msgspec.Struct, frozen=True):
    """A team's rota as somebody is shown it. ``reader`` is their Slack id, "" where it is a channel.

    ``teams`` are those that they can choose from; ``as_of`` is the age of what is known, where that is a snapshot.
    """

    schedule: Schedule
    now: datetime
    locale: str = words.DEFAULT
    reader: str = ""
    leads: bool = False
    teams: tuple[Team, ...] = ()
    as_of: datetime | None = None

    @property
    def team(self) -> Team:
        return self.schedule.facts.team

    @property
    def zone(self) -> ZoneInfo:
        return self.team.tz

    @property
    def disciplines(self) -> list[Discipline]:
        """Those in use now, in their order."""
        return [one for one in self.all_disciplines if one.in_use(self.now)]

    def used_in(self, since: datetime, until: datetime) -> list[Discipline]:
        """Those in use in any part of a period, in their order."""
        return [one for one in self.all_disciplines if one.used_in(since, until)]

    @property
    def all_disciplines(self) -> list[Discipline]:
        return sorted(self.schedule.facts.disciplines, key=lambda one: (one.place, one.code))

    @property
    def sprints(self) -> list[Sprint]:
        return sorted(self.schedule.facts.sprints, key=lambda one: one.starts_at)

    def say(self, name: str, /, **values: object) -> Ready:
        return words.said(ROTA, self.locale, name, **values)

    def plain(self, name: str, /, **values: object) -> str:
        return words.filled(ROTA, self.locale, name, **values)

    def held(self, **values: object) -> Held:
        return Held(self.team.id, **values)  # type: ignore[arg-type]  # each is a field's, and checked when it is read

    def discipline(self, code: str) -> str:
        found = next((one.name for one in self.schedule.facts.disciplines if one.code == code), code)
        return shortened(found, LONGEST_NAME)

    def name(self, slack_id: str | None) -> str:
        """For where nobody can be mentioned."""
        if slack_id is None:
            return self.plain("nobody")
        found = next((one.name for one in self.schedule.facts.people if one.slack_id == slack_id), slack_id)
        return shortened(found, LONGEST_NAME)

    def who(self, slack_id: str | None) -> Ready:
        """Somebody, mentioned; or by whom something was asked who is not on Slack."""
        if slack_id is None:
            return self.say("nobody")
        if slack_id.startswith("account "):
            return self.say("unknown")
        try:
            return mention(person_of(slack_id))
        except Invalid:
            return escaped(shortened(slack_id.removeprefix("by "), LONGEST_NAME))

    def day(self, at: datetime) -> str:
        return words.day(self.locale, at.astimezone(self.zone).date(), self.now.astimezone(self.zone).date())

    def at(self, at: datetime) -> str:
        return words.moment(self.locale, at, self.zone, self.now)

    def span(self, since: datetime, until: datetime) -> str:
        return words.span(self.locale, since, until, self.zone, self.now)

    def because(self, shift: Shift) -> Ready:
        """Why it is this person and not another; nothing where it is their turn."""
        if shift.person is None:
            return self.say(shift.why, reason=shortened(reason_of(self.schedule, shift), LONGEST_REASON))
        if shift.why not in {*FOR_ANOTHER, Why.SWAP} or shift.turn_of in {None, shift.person}:
            return Ready("")
        gone = shift.why is Why.SUBSTITUTE and not self._is_away(shift)
        return self.say("why_gone" if gone else f"why_{shift.why}", turn_of=self.who(shift.turn_of))

    def _is_away(self, shift: Shift) -> bool:
        rota = self.schedule.rota(shift.discipline)
        return rota.is_away(shift.turn_of or "", shift.starts_at, shift.ends_at)

    def on_duty(self, shift: Shift) -> Ready:
        """Who has a discipline now, until when, and why."""
        name, why, until = self.discipline(shift.discipline), self.because(shift), self.at(shift.ends_at)
        for_ever = shift.ends_at >= FOR_EVER
        if shift.person is None:
            return self.say("off_now" if for_ever else "off_until", discipline=name, until=until, why=why)
        known = "on_ever" if for_ever else "on_because" if why else "on_now"
        return self.say(known, discipline=name, who=self.who(shift.person), until=until, why=why)

    def then(self, shift: Shift) -> Ready:
        """A shift of one discipline, with its time first."""
        why, span = self.because(shift), self.span(shift.starts_at, shift.ends_at)
        if shift.person is None:
            return self.say("then_nobody", span=span, why=why)
        return self.say("then_why" if why else "then", span=span, who=self.who(shift.person), why=why)

    def mine(self, shift: Shift) -> Ready:
        """A shift of somebody who knows whose it is."""
        why, span = self.because(shift), self.span(shift.starts_at, shift.ends_at)
        name = self.discipline(shift.discipline)
        return self.say("mine_why" if why else "mine", discipline=name, span=span, why=why)

    def coming(self, person: str, ahead: timedelta) -> list[Shift]:
        """Somebody's shifts that have a part in the time ahead, in order of time, each whole."""
        until = self.now + ahead
        codes = [one.code for one in self.used_in(self.now, until)]
        return coming(self.schedule, codes, person, self.now, until)

    def capped(self, lines: Sequence[Ready], most: int = MOST_LINES) -> list[Ready]:
        """The first of them, and how many more there are."""
        if len(lines) <= most:
            return list(lines)
        return [*lines[: most - 1], self.say("more", n=len(lines) - most + 1)]

    def foot(self) -> Block:
        """Whose times these are, and, where that is so, how old what is shown is."""
        return context(*self._age(), self.say("zone", zone=self.team.zone))

    def _age(self) -> list[Ready]:
        return [] if self.as_of is None else [self.say("as_of", at=self.at(self.as_of))]

    def aged(self) -> list[Block]:
        """A line on how old what is shown is; nothing where it is as of now."""
        return [context(*self._age())] if self.as_of is not None else []


def whole(schedule: Schedule, code: str, since: datetime, until: datetime) -> list[Shift]:
    """A discipline's shifts that have a part in a period, each with its own beginning and end. Raises NotFound."""
    listed = shifts(schedule, code, since, until)
    for place in {0, len(listed) - 1} if listed else ():
        listed[place] = who(schedule, code, listed[place].starts_at).shift
    return listed


def coming(schedule: Schedule, codes: Sequence[str], person: str, since: datetime, until: datetime) -> list[Shift]:
    """Somebody's shifts that have a part in a period, in order of time, each whole."""
    found = [one for code in codes for one in whole(schedule, code, since, until) if one.person == person]
    return sorted(found, key=lambda one: (one.starts_at, one.discipline))
