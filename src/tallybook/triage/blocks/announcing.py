"""What is announced of duty: the evening before, at the hand-over, at a change, and what will go wrong ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallybook.triage.rules_announce import Boundary, HeadsUp, Standing
from tallybook.triage.rules_overrides import Asked
from tallybook.triage.rules_roster import Change
from tallybook.triage.types import Shift

from . import words
from .elements import Ready, actions, button, context, escaped, fitted, header, sections, shortened
from .limits import Block, Message, message
from .names import Act, seconds
from .requests import outcome
from .showing import Seen
from .texts_telling import TELLING

LONGEST_TEXT = 3000
LONGEST_REASON = 300
LONGEST_TOPIC = 250
MOST_LINES = 40  # each is a block of its own at worst, of 50 in a message


def say(seen: Seen, name: str, /, **values: object) -> Ready:
    return words.said(TELLING, seen.locale, name, **values)


def title(seen: Seen, name: str, /, **values: object) -> str:
    """For a heading, in which nobody can be mentioned."""
    return words.filled(TELLING, seen.locale, name, team=shortened(seen.team.name, 60), **values)


def told(seen: Seen, heading: str, lines: Sequence[Ready], *more: Block) -> Message:
    """A heading, lines, and whose times these are. Notifications show the heading and the lines."""
    shown = seen.capped(lines, MOST_LINES)
    text = fitted(Ready("\n".join([escaped(heading), *shown])), LONGEST_TEXT)
    return message(text, [header(heading), *sections(shown), *more, seen.foot()])


def heads_up(seen: Seen, due: HeadsUp) -> Message:
    """To the channel, on the evening before turns end."""
    lines = [_will(seen, code, due.ends[code], due.begins[code]) for code in due.ends]
    return told(seen, title(seen, "heads_up", at=seen.at(due.boundary)), lines)


def _will(seen: Seen, code: str, ends: Shift, begins: Shift) -> Ready:
    name, goes = seen.discipline(code), seen.who(ends.person)
    if begins.person is None:
        return say(seen, "will_none", discipline=name, who=goes, why=seen.because(begins))
    if begins.person == ends.person:
        return say(seen, "will_stay", discipline=name, who=goes)
    return say(seen, "will", discipline=name, who=goes, comes=seen.who(begins.person))


def heads_up_to(seen: Seen, due: HeadsUp, person: str) -> Message:
    """To somebody who goes, comes or goes on then, by themselves."""
    lines: list[Ready] = []
    for code, ends in due.ends.items():
        begins, name = due.begins[code], seen.discipline(code)
        if person == ends.person == begins.person:
            lines.append(say(seen, "you_go_on", discipline=name, until=seen.at(begins.ends_at)))
        elif person == begins.person:
            times = {"at": seen.at(due.boundary), "until": seen.at(begins.ends_at)}
            lines.append(say(seen, "you_begin", discipline=name, was=seen.who(ends.person), **times))
        elif person == ends.person:
            comes = seen.who(begins.person)
            lines.append(say(seen, "you_end", discipline=name, at=seen.at(due.boundary), comes=comes))
    theirs = [shift for shift in due.begins.values() if shift.person == person]
    return told(seen, title(seen, "dm_heads_up", at=seen.at(due.boundary)), lines, *_cover(seen, theirs))


def hand_over(seen: Seen, was: Mapping[str, str | None], change: Boundary, now: Standing) -> Message:
    """To the channel, when others are on duty than were told before; ``was`` is whom was told of. Late ones say so."""
    sprint = _sprint(now)
    if change.kind != "hand_over":
        heading = title(seen, "change")
    else:
        heading = title(seen, "hand_over_sprint", sprint=sprint) if sprint else title(seen, "hand_over")
    lines = [
        _comes(seen, was.get(code), now.shift(code)) if code in change.codes else _stays(seen, now.shift(code))
        for code in (*now.answers, *now.unused)
        if code in change.codes or now.shift(code).person is not None
    ]
    return told(seen, heading, lines, *_late(seen, change))


def hand_over_to(seen: Seen, was: Mapping[str, str | None], change: Boundary, now: Standing, person: str) -> Message:
    """To somebody who is on duty since then, or no longer, by themselves."""
    lines: list[Ready] = []
    theirs: list[Shift] = []
    for code in change.codes:
        shift, before, name = now.shift(code), was.get(code), seen.discipline(code)
        if shift.person == person:
            why, until = seen.because(shift), seen.at(shift.ends_at)
            known = "you_are_why" if why else "you_are"
            lines.append(say(seen, known, discipline=name, until=until, why=why, was=seen.who(before)))
            theirs.append(shift)
        elif before == person:
            lines.append(say(seen, "you_were", discipline=name, comes=seen.who(shift.person)))
    heading = "dm_both" if theirs and len(lines) > len(theirs) else "dm_on" if theirs else "dm_over"
    return told(seen, title(seen, heading), lines, *_late(seen, change), *_cover(seen, theirs))


def _comes(seen: Seen, was: str | None, shift: Shift) -> Ready:
    name, why = seen.discipline(shift.discipline), seen.because(shift)
    if shift.person is None:
        return say(seen, "none_comes", discipline=name, why=why, was=seen.who(was))
    known, until = "comes_why" if why else "comes", seen.at(shift.ends_at)
    return say(seen, known, discipline=name, who=seen.who(shift.person), until=until, why=why, was=seen.who(was))


def _stays(seen: Seen, shift: Shift) -> Ready:
    name, until = seen.discipline(shift.discipline), seen.at(shift.ends_at)
    return say(seen, "stays", discipline=name, who=seen.who(shift.person), until=until)


def _sprint(now: Standing) -> str:
    slots = [answer.shift.slot for answer in now.answers.values()]
    return next((slot.sprint.name for slot in slots if slot is not None and slot.sprint is not None), "")


def _late(seen: Seen, change: Boundary) -> list[Block]:
    return [context(say(seen, "late", at=seen.at(change.at)))] if change.late else []


def _cover(seen: Seen, theirs: Sequence[Shift]) -> list[Block]:
    """A button to ask for cover for the first of somebody's shifts."""
    if not theirs:
        return []
    shift = theirs[0]
    held = seen.held(
        discipline=shift.discipline, person=shift.person or "",
        since=seconds(shift.starts_at), until=seconds(shift.ends_at),
    )  # fmt: skip
    return [actions([button(seen.plain("ask"), Act.OPEN_COVER, held)])]


def plan_changed(seen: Seen, changes: Sequence[Change], person: str, by: str = "", reason: str = "") -> Message:
    """To somebody whose coming shifts a change of the rota has changed, by themselves."""
    lines = [_concerns(seen, one, person) for one in changes if person in one.concerned]
    if by and reason:
        why = say(seen, "plan_by", by=shortened(by, 100), reason=shortened(reason, LONGEST_REASON))
    else:
        why = say(seen, "plan_short")
    return told(seen, title(seen, "plan"), lines, context(why))


def _concerns(seen: Seen, change: Change, person: str) -> Ready:
    name, span = seen.discipline(change.discipline), seen.span(change.starts_at, change.ends_at)
    if change.becomes.person == person:
        return say(seen, "gets", discipline=name, span=span, was=seen.who(change.was.person))
    return say(seen, "loses", discipline=name, span=span, becomes=seen.who(change.becomes.person))


def undelivered(seen: Seen, person: str, what: str) -> Message:
    """To the channel of who leads: that somebody could not be written to, and why, or what they should have read."""
    line = say(seen, "undelivered_says", who=seen.who(person), what=shortened(what, LONGEST_REASON))
    return told(seen, title(seen, "undelivered"), [line])


def expired(seen: Seen, asked: Asked) -> Message:
    """To who asked: that nobody decided in time."""
    return outcome(seen, [asked], asked.requested_by)


def topic(text: str, seen: Seen, people: Sequence[str | None]) -> str:
    """A channel's topic with who is on duty in the place of ``{people}``; cut to what Slack takes."""
    names = list(dict.fromkeys(f"@{seen.name(one)}" for one in people if one is not None))
    found = text.replace("{people}", ", ".join(names) or words.filled(TELLING, seen.locale, "topic_nobody"))
    return shortened(found, LONGEST_TOPIC)
