"""What will go wrong ahead, told to those concerned and to who leads: on duty twice, on duty while away, nobody."""

from __future__ import annotations

from tallybook.triage.rules_across import Across
from tallybook.triage.rules_cover import Clash, Double
from tallybook.triage.types import Shift

from .announcing import say, title, told
from .elements import Ready, actions, button, shortened
from .limits import Block, Message
from .names import Act, seconds
from .showing import LONGEST_NAME, Seen


def double(seen: Seen, found: Double) -> Message:
    """That somebody is on duty twice at once: to them, where they are the reader, else about them."""
    one, other = seen.discipline(found.one.discipline), seen.discipline(found.other.discipline)
    span = seen.span(found.starts_at, found.ends_at)
    if seen.reader == found.person:
        line, more = say(seen, "double_you", one=one, other=other, span=span), _ask(seen, found.one, found.other)
    else:
        line, more = say(seen, "double_says", who=seen.who(found.person), one=one, other=other, span=span), []
    return told(seen, title(seen, "double"), [line], *more)


def across(seen: Seen, elsewhere: Seen, found: Across, *, is_both: bool) -> Message:
    """That somebody is on duty in two teams at once, of which ``seen`` is one and ``elsewhere`` the other.

    A channel that is not of both (``is_both``) hears nothing of the other team.
    """
    own, others = found.seen_from(seen.team.id)
    names = {
        "one": seen.discipline(own.shift.discipline), "other": elsewhere.discipline(others.shift.discipline),
        "there": shortened(elsewhere.team.name, LONGEST_NAME), "span": seen.span(found.starts_at, found.ends_at),
    }  # fmt: skip
    if seen.reader == found.person:
        more = [*_ask(seen, own.shift), *_ask(elsewhere, others.shift)]
        return told(seen, title(seen, "across"), [say(seen, "across_you", **names)], *more)
    known = "across_says" if seen.reader or is_both else "across_here"
    return told(seen, title(seen, "across"), [say(seen, known, who=seen.who(found.person), **names)])


def clash(seen: Seen, found: Clash) -> Message:
    """That somebody's turn falls into their absence: whether another takes it, and who.

    To the absent one, to the substitute, or to who leads, by who the reader is.
    """
    if found.is_settled:
        names = {"who": seen.name(found.shift.person), "absent": seen.name(found.absent)}
        return told(seen, title(seen, "settled", **names), [_settled(seen, found)])
    span, name = seen.span(found.shift.starts_at, found.shift.ends_at), seen.discipline(found.shift.discipline)
    if seen.reader == found.absent:
        line, more = say(seen, "clash_you", discipline=name, span=span), _ask(seen, found.shift)
    else:
        line, more = say(seen, "clash_says", who=seen.who(found.absent), discipline=name, span=span), []
    return told(seen, title(seen, "clash"), [line], *more)


def _settled(seen: Seen, found: Clash) -> Ready:
    shift = found.shift
    name, span = seen.discipline(shift.discipline), seen.span(shift.starts_at, shift.ends_at)
    if shift.person is None:
        return say(seen, "gap_says", discipline=name, span=span, why=seen.because(shift))
    who, absent = seen.who(shift.person), seen.who(found.absent)
    known = {shift.person: "settled_you", found.absent: "settled_off"}.get(seen.reader, "settled_says")
    return say(seen, known, discipline=name, span=span, who=who, absent=absent)


def gap(seen: Seen, found: Shift) -> Message:
    """That nobody will be on duty, though somebody should be: to who leads."""
    name, span = seen.discipline(found.discipline), seen.span(found.starts_at, found.ends_at)
    return told(seen, title(seen, "gap"), [say(seen, "gap_says", discipline=name, span=span, why=seen.because(found))])


def _ask(seen: Seen, *shifts: Shift) -> list[Block]:
    """A button for each of the shifts for which the reader may ask for cover."""
    buttons: dict[str, Block] = {}
    for shift in shifts:
        held = seen.held(
            discipline=shift.discipline, person=shift.person or "",
            since=seconds(shift.starts_at), until=seconds(shift.ends_at),
        )  # fmt: skip
        text = f"{seen.plain('ask')}: {seen.discipline(shift.discipline)}"
        buttons[shift.discipline] = button(text, Act.OPEN_COVER, held)
    return [actions([one]) for one in buttons.values()]
