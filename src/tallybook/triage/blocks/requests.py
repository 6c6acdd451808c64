"""Requests that somebody else be on duty: the message with its buttons, the list, what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tallybook.core.errors import TallybookError
from tallybook.triage.rules_overrides import Asked, State

from . import words
from .elements import (
    Ready,
    actions,
    asking,
    button,
    confirm,
    context,
    divider,
    fitted,
    header,
    modal,
    pages,
    section,
    sections,
    shortened,
    written_in,
)
from .limits import Block, Message, message, view
from .names import Act, Choice, Field, Held, View
from .showing import Seen
from .texts_requests import REQUESTS

MOST_ON_PAGE = 10
LONGEST_SHOWN = 300  # characters of a reason or a note
LONGEST_NOTE = 500
LONGEST_TEXT = 3000
Group = Sequence[Asked]
_FIRST = frozenset({State.APPROVED.value, State.DECLINED.value, State.WITHDRAWN.value})


def say(seen: Seen, name: str, /, **values: object) -> Ready:
    return words.said(REQUESTS, seen.locale, name, **values)


def plain(seen: Seen, name: str, /, **values: object) -> str:
    return words.filled(REQUESTS, seen.locale, name, **values)


def grouped(listed: Sequence[Asked]) -> list[list[Asked]]:
    """Each request by itself, and the two of an exchange together, in the order of the list."""
    found: dict[int, list[Asked]] = {}
    for one in listed:
        found.setdefault(one.swap if one.swap is not None else -one.id, []).append(one)
    return list(found.values())


def part(seen: Seen, asked: Asked) -> Ready:
    """Who would be, or is, on duty for whom and when."""
    name, span = seen.discipline(asked.discipline), seen.span(asked.starts_at, asked.ends_at)
    who, instead_of = seen.who(asked.person), seen.who(asked.instead_of)
    return say(seen, "part", discipline=name, span=span, who=who, instead_of=instead_of)


def state(seen: Seen, asked: Asked) -> Ready:
    """What became of it, by whom and when. Who decides is kept by name, so that they are not mentioned."""
    by, at = shortened(asked.decided_by or "–", 100), seen.at(asked.decided_at or seen.now)
    return say(seen, asked.state.value, by=by, at=at)


def request(seen: Seen, group: Group, note: str = "") -> Message:
    """To whoever decides. After the decision the same message says what became of it, and has no buttons."""
    first = group[0]
    by = seen.who(first.requested_by)
    if len(group) > 1:
        heading = say(seen, "asked_swap", by=by)
    else:
        heading = say(seen, "asked", by=by, who=seen.who(first.person), instead_of=seen.who(first.instead_of))
    lines = [heading, *(part(seen, one) for one in group), *_why(seen, group, note)]
    blocks = [*sections(lines), context(state(seen, first))]
    if first.state is State.PENDING:
        blocks.append(actions([*_deciding(seen, group), _withdrawing(seen, first)]))
    return message(fitted(heading, LONGEST_TEXT), [*blocks, seen.foot()])


def _why(seen: Seen, group: Group, note: str = "") -> list[Ready]:
    first = group[0]
    lines: list[Ready] = []
    concerned = {who for one in group for who in (one.person, one.instead_of)}
    if first.requested_by not in concerned:
        lines.append(say(seen, "for_another", instead_of=seen.who(first.instead_of)))
    if first.reason:
        lines.append(say(seen, "because", reason=shortened(first.reason, LONGEST_SHOWN)))
    if note:
        by = shortened(first.decided_by or "–", 100)
        lines.append(say(seen, "said_so", by=by, note=shortened(note, LONGEST_SHOWN)))
    return lines


def _held(seen: Seen, asked: Asked) -> Held:
    return seen.held(number=asked.id)


def _deciding(seen: Seen, group: Group) -> list[Block]:
    held = _held(seen, group[0])
    names = ", ".join(seen.name(one.person) for one in group)
    sure = confirm(
        plain(seen, "approve_title"), plain(seen, "approve_text", who=names), plain(seen, "yes"), plain(seen, "no")
    )
    return [
        button(plain(seen, "approve"), Act.APPROVE, held, style="primary", confirm=sure),
        button(plain(seen, "decline"), Act.DECLINE, held, style="danger"),
    ]


def _withdrawing(seen: Seen, asked: Asked) -> Block:
    text = "remove" if asked.state is State.APPROVED else "withdraw"
    return button(plain(seen, text), Act.WITHDRAW, _held(seen, asked))


def listing(seen: Seen, waiting: Sequence[Asked], in_force: Sequence[Asked], page: int = 0) -> Block:
    """``/override-list``: what waits, then what is approved and not over, with what the reader may do about each."""
    groups = [*grouped(waiting), *grouped(in_force)]
    shown, page, count = pages(len(groups), page, MOST_ON_PAGE)
    blocks: list[Block] = []
    for place in shown:
        first = groups[place][0]
        if place == shown[0] or groups[place - 1][0].state is not first.state:
            blocks.append(header(plain(seen, "waiting" if first.state is State.PENDING else "in_force")))
        blocks += _listed(seen, groups[place])
    if not groups:
        blocks.append(section(say(seen, "none")))
    blocks += turning(seen, page, count, seen.held(page=page))
    body = modal(
        View.REQUESTS, plain(seen, "list"), [*blocks, seen.foot()], seen.held(page=page), close=plain(seen, "close")
    )
    return view(body)


def _listed(seen: Seen, group: Group) -> list[Block]:
    first = group[0]
    lines = [*(part(seen, one) for one in group), *_why(seen, group)]
    lines.append(say(seen, "asked_by", by=seen.who(first.requested_by)))
    if first.state is not State.PENDING:
        lines.append(state(seen, first))
    buttons: list[Block] = _deciding(seen, group) if seen.leads and first.state is State.PENDING else []
    if seen.leads or seen.reader == first.requested_by:
        buttons.append(_withdrawing(seen, first))
    return [*sections(lines), *([actions(buttons)] if buttons else []), divider()]


def turning(seen: Seen, page: int, count: int, held: Held, first: int = 0) -> list[Block]:
    """Buttons to the pages before and behind, where there are several. ``first`` is what the first one is called."""
    if count <= 1:
        return []

    def shown(turned: int) -> Held:
        return Held(held.team, discipline=held.discipline, hidden=held.hidden, day=held.day, page=turned + first)

    buttons = []
    if page > 0:
        buttons.append(button(seen.plain("earlier"), Act.PAGE_BACK, shown(page - 1)))
    if page + 1 < count:
        buttons.append(button(seen.plain("later"), Act.PAGE_ON, shown(page + 1)))
    return [context(seen.say("page", page=page + 1, pages=count)), actions(buttons)]


def note_view(seen: Seen, group: Group, choice: Choice) -> Block:
    """Asks what should be said of a decline or of a withdrawal; it may be sent in without words."""
    first = group[0]
    blocks = [
        *sections([part(seen, one) for one in group]),
        asking(
            Field.NOTE, plain(seen, "note"), written_in(Field.NOTE, LONGEST_NOTE, lines=True),
            hint=plain(seen, "note_hint"), optional=True,
        ),
    ]  # fmt: skip
    title = plain(seen, f"note_{choice}")
    held = seen.held(number=first.id, choice=choice)
    return view(modal(View.NOTE, title, blocks, held, submit=title, close=plain(seen, "cancel")))


def outcome(seen: Seen, group: Group, person: str, note: str = "") -> Message:
    """To whoever asked, and to those who would have been or are on duty: what became of a request, and who decided."""
    heading = _outcome(seen, group, person)
    lines = [*(part(seen, one) for one in group), state(seen, group[0]), *_why(seen, group, note)]
    text = fitted(Ready(f"{heading}. {state(seen, group[0])}"), LONGEST_TEXT)
    return message(text, [section(Ready(f"*{heading}*")), *sections(lines), seen.foot()])


def _outcome(seen: Seen, group: Group, person: str) -> Ready:
    first = group[0]
    holds = first.state is State.APPROVED
    if person == first.requested_by and first.state is not State.PENDING:
        return say(seen, f"out_{first.state}")
    if len(group) > 1:
        return say(seen, "you_swap" if holds else "you_do_not_swap")
    if first.person is None:
        return say(seen, "you_are_off" if holds else "you_are_on_again")
    if person == first.person:
        return say(seen, "you_stand_in" if holds else "you_do_not", instead_of=seen.who(first.instead_of))
    return say(seen, "you_are_freed" if holds else "nobody_for_you", who=seen.who(first.person))


def refused(seen: Seen, error: TallybookError, say_in: Callable[[str], str]) -> str:
    """Why something was not done: who was first, where somebody was, else the error's words as ``say_in`` has them."""
    was, by = error.details.get("state"), error.details.get("decided_by")
    if isinstance(by, str) and by and was in _FIRST:
        return plain(seen, "first", by=shortened(by, 100), state=plain(seen, f"was_{was}"))
    return say_in(error.message)
