"""Asking that somebody else be on duty, in two steps: which turn, then who instead, when and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from tallybook.triage.rules_cover import Proposal, Refusal, proposals
from tallybook.triage.rules_spans import Span
from tallybook.triage.types import FOR_EVER, Shift

from .elements import (
    Ready,
    asking,
    at_once,
    boxes,
    context,
    modal,
    moment,
    option,
    section,
    sections,
    select,
    somebody,
    written_in,
)
from .limits import MOST, Block, view
from .names import YES, Field, Turn, View, seconds, turn_value
from .requests import plain, say
from .showing import Seen, whole

AHEAD = timedelta(days=366)
LONGEST_REASON = 500
BEST = 3
MOST_REFUSED = 20


def turn_view(seen: Seen, person: str = "") -> Block:
    """Which turn: one of the reader's, or, for who leads, of anybody (``person``, where one was chosen)."""
    person = person if seen.leads and person else seen.reader
    blocks: list[Block] = []
    if seen.leads:
        chosen = somebody(Field.PERSON, person)
        blocks.append(
            at_once(asking(Field.PERSON, plain(seen, "on_behalf"), chosen, hint=plain(seen, "on_behalf_hint")))
        )
    options = [turn_option(seen, one) for one in turns(seen, person)[: MOST["options"]]]
    if options:
        choice = select(Field.TURN, options, options[0]["value"], plain(seen, "pick_turn"))
        blocks.append(asking(Field.TURN, plain(seen, "turn"), choice))
    else:
        blocks.append(section(say(seen, "no_turns", who=seen.who(person or None))))
    submit = plain(seen, "next") if seen.leads or options else ""
    close = plain(seen, "cancel")
    body = modal(
        View.COVER_TURN, plain(seen, "title"), [*seen.aged(), *blocks, seen.foot()], seen.held(person=person),
        submit=submit, close=close,
    )  # fmt: skip
    return view(body)


def turns(seen: Seen, person: str) -> list[Shift]:
    """Somebody's shifts of the year ahead, the one that runs first."""
    if not person:
        return []
    return seen.coming(person, AHEAD)


def turn_option(seen: Seen, shift: Shift) -> Block:
    """A shift as it is chosen: its time, and beneath that its discipline."""
    return option(seen.span(shift.starts_at, shift.ends_at), turn_value(shift), seen.discipline(shift.discipline))


def cover_view(seen: Seen, turn: Turn, span: Span | None = None, substitute: str = "") -> Block:
    """Who instead, and when: all of the turn, or ``span`` where the reader has chosen a part of it.

    Raises NotFound where there is no such discipline.
    """
    since, until = _within(turn, span)
    fit, refused = proposals(seen.schedule, turn.discipline, max(since, min(seen.now, until)), until)
    name = seen.discipline(turn.discipline)
    asks = say(seen, "asks", discipline=name, who=seen.who(turn.person), span=seen.span(turn.starts_at, turn.ends_at))
    blocks = [*seen.aged(), section(asks), *_proposed(seen, fit, refused)]
    if fit:
        choice = _choice(seen, fit, substitute)
        # Slack insists on each input that is not optional, and who leads may choose nobody.
        blocks.append(asking(Field.SUBSTITUTE, plain(seen, "substitute"), choice, optional=seen.leads))
    if seen.leads:
        alone = boxes(Field.NOBODY, [option(plain(seen, "nobody_box"), YES)])
        hint = plain(seen, "nobody_hint")
        blocks.append(asking(Field.NOBODY, plain(seen, "nobody"), alone, hint=hint, optional=True))
    clock = plain(seen, "clock", zone=seen.team.zone)
    blocks += [
        at_once(asking(Field.SINCE, plain(seen, "since"), moment(Field.SINCE, since), hint=clock)),
        at_once(asking(Field.UNTIL, plain(seen, "until"), moment(Field.UNTIL, until))),
        *_exchange(seen, turn),
        asking(
            Field.REASON, plain(seen, "reason"), written_in(Field.REASON, LONGEST_REASON, lines=True), optional=True
        ),
    ]
    if seen.leads:
        box = boxes(Field.AT_ONCE, [option(plain(seen, "at_once_box"), YES)])
        blocks.append(asking(Field.AT_ONCE, plain(seen, "at_once"), box, optional=True))
    held = seen.held(
        discipline=turn.discipline, person=turn.person, since=seconds(turn.starts_at), until=seconds(turn.ends_at)
    )
    body = modal(
        View.COVER, plain(seen, "title"), [*blocks, seen.foot()], held,
        submit=plain(seen, "send"), close=plain(seen, "cancel"),
    )  # fmt: skip
    return view(body)


def _within(turn: Turn, span: Span | None) -> Span:
    if span is None:
        return turn.starts_at, turn.ends_at
    since, until = max(span[0], turn.starts_at), min(span[1], turn.ends_at)
    return (since, until) if since < until else (turn.starts_at, turn.ends_at)


def _proposed(seen: Seen, fit: Sequence[Proposal], refused: Sequence[Refusal]) -> list[Block]:
    """The three best with their reasons, and who could not."""
    if fit:
        lines = [say(seen, "best")]
        for place, one in enumerate(fit[:BEST], 1):
            lines.append(say(seen, "proposal", place=place, who=seen.who(one.person), because=because(seen, one)))
    else:
        lines = [say(seen, "nobody_fits")]
    blocks = sections(lines)
    if refused:
        names = [
            say(seen, "refused", who=seen.name(one.person), because=plain(seen, one.because))
            for one in refused[:MOST_REFUSED]
        ]
        names += [seen.say("more", n=len(refused) - MOST_REFUSED)] if len(refused) > MOST_REFUSED else []
        blocks.append(context(say(seen, "cannot", who=Ready(", ".join(names)))))
    return blocks


def because(seen: Seen, proposal: Proposal) -> str:
    """What speaks for somebody: how much they carried, covered, and how far away their nearest shifts are."""
    reason = proposal.reason
    name = {0: "days_none", 1: "days_one"}.get(reason.days, "days")
    parts = [plain(seen, name, n=reason.days)]
    if reason.covered:
        parts.append(plain(seen, "covered", n=reason.covered))
    if reason.last_ended is not None:
        parts.append(plain(seen, "ended", at=seen.day(reason.last_ended)))
    if reason.next_starts is not None and reason.next_starts < FOR_EVER:
        parts.append(plain(seen, "starts", at=seen.day(reason.next_starts)))
    return ", ".join(parts)


def _choice(seen: Seen, fit: Sequence[Proposal], substitute: str) -> Block:
    """All of them as far as Slack takes so many; else whoever is typed."""
    placeholder = plain(seen, "pick_person")
    if len(fit) <= MOST["options"]:
        return select(Field.SUBSTITUTE, _options(seen, fit), substitute, placeholder)
    found = select(Field.SUBSTITUTE, _options(seen, fit), substitute, placeholder)
    del found["options"]
    return found | {"type": "external_select", "min_query_length": 0}


def _options(seen: Seen, fit: Sequence[Proposal]) -> list[Block]:
    return [option(seen.name(one.person), one.person, because(seen, one)) for one in fit]


def found_by(seen: Seen, turn: Turn, typed: str) -> list[Block]:
    """The options of those who could take a turn and whose name holds what was typed, the fairest first."""
    since, until = turn.starts_at, turn.ends_at
    fit, _ = proposals(seen.schedule, turn.discipline, max(since, min(seen.now, until)), until)
    sought = typed.strip().casefold()
    return _options(seen, [one for one in fit if sought in seen.name(one.person).casefold()][: MOST["options"]])


def _exchange(seen: Seen, turn: Turn) -> list[Block]:
    """The coming turns of others in the discipline, for one of which this one may be exchanged."""
    theirs = [
        one
        for one in whole(seen.schedule, turn.discipline, seen.now, max(seen.now, turn.starts_at) + AHEAD)
        if one.person != turn.person
        and one.starts_at > seen.now
        and (one.ends_at <= turn.starts_at or one.starts_at >= turn.ends_at)
    ]
    options = [
        option(seen.span(one.starts_at, one.ends_at), turn_value(one), seen.name(one.person))
        for one in theirs[: MOST["options"]]
    ]
    if not options:
        return []
    choice = select(Field.EXCHANGE, options, placeholder=plain(seen, "pick_turn"))
    hint = plain(seen, "exchange_hint")
    return [asking(Field.EXCHANGE, plain(seen, "exchange"), choice, hint=hint, optional=True)]
