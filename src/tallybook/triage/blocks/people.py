"""``/admin-users``: who belongs to which disciplines, and the forms by which somebody joins or leaves."""

from __future__ import annotations

from datetime import date, datetime

from tallybook.triage.rules_members import belonging, next_sprint, takes_turns

from .changes import Shown, difference, plain, say, submit, why
from .elements import (
    actions,
    asking,
    button,
    context,
    day,
    modal,
    option,
    pages,
    section,
    select,
    several,
    somebody,
)
from .limits import MOST, Block, view
from .names import Act, Field, View
from .requests import turning
from .showing import Seen
from .submitted import ALL
from .wanted import Joining, Leaving, mark_of

ON_PAGE = 30


def listing(seen: Seen, page: int = 0, *, hidden: bool = False) -> Block:
    """Everybody who belongs to a discipline, thirty on a page; with ``hidden`` also who belongs to none any more."""
    listed = _listed(seen, hidden=hidden)
    shown, page, count = pages(len(listed), page, ON_PAGE)
    other = seen.held(hidden=not hidden)
    blocks: list[Block] = [
        *seen.aged(),
        actions(
            [
                button(plain(seen, "join_title"), Act.JOIN, seen.held(), style="primary"),
                button(plain(seen, "hide_hidden" if hidden else "show_hidden"), Act.OPEN_PEOPLE, other),
            ]
        ),
    ]
    for place in shown:
        person, codes = listed[place]
        names = ", ".join(_called(seen, person, code) for code in codes)
        line = say(seen, "person_line" if codes else "person_none", who=seen.who(person), disciplines=names)
        held = seen.held(person=person)
        act, text = (Act.LEAVE, "leave") if codes else (Act.JOIN, "join")
        blocks.append(section(line, button(plain(seen, text), act, held)))
    if not listed:
        blocks.append(section(say(seen, "person_in")))
    held = seen.held(page=page, hidden=hidden)
    blocks += turning(seen, page, count, held)
    return view(modal(View.PEOPLE, plain(seen, "people"), blocks, held, close=plain(seen, "close")))


def _called(seen: Seen, person: str, code: str) -> str:
    """A discipline, with the day on which they leave it."""
    until, name = _leaves(seen, person).get(code), seen.discipline(code)
    return name if until is None else plain(seen, "until_day", discipline=name, day=seen.day(until))


def _listed(seen: Seen, *, hidden: bool) -> list[tuple[str, list[str]]]:
    """Everybody by name, with the disciplines to which they belong now."""
    found: list[tuple[str, list[str]]] = []
    for person in sorted(seen.schedule.facts.people, key=lambda one: (one.name.casefold(), one.slack_id)):
        codes = belongs_to(seen, person.slack_id)
        if codes or hidden:
            found.append((person.slack_id, codes))
    return found


def belongs_to(seen: Seen, person: str) -> list[str]:
    """The disciplines in use to which somebody belongs now."""
    return [one.code for one in seen.disciplines if seen.schedule.rota(one.code).is_member(person, seen.now)]


def join_form(seen: Seen, person: str = "", wanted: Joining | None = None, shown: Shown | None = None) -> Block:
    """Adds somebody of the workspace to disciplines; with what is ``wanted`` and ``shown`` it is the preview.

    Who leaves one of them later stays in it by that.
    """
    options = [option(seen.discipline(one.code), one.code) for one in seen.disciplines][: MOST["options"]]
    if not options:
        body = modal(
            View.NOTICE, plain(seen, "join_title"), [section(say(seen, "none"))], seen.held(),
            close=plain(seen, "close"),
        )  # fmt: skip
        return view(body)
    person = wanted.person if wanted is not None else person
    codes = wanted.disciplines if wanted is not None else tuple(_leaves(seen, person))
    blocks = [
        *difference(seen, shown),
        asking(Field.PERSON, plain(seen, "person"), somebody(Field.PERSON, person)),
        asking(Field.DISCIPLINES, plain(seen, "to"), several(Field.DISCIPLINES, options, codes)),
        asking(Field.FIRST_DAY, plain(seen, "leave_from"), day(Field.FIRST_DAY, _first(seen, person, wanted)),
               hint=_next_sprint(seen)),
        context(say(seen, "join_hint")),
        why(seen, wanted.reason if wanted is not None else "", needed=False),
    ]  # fmt: skip
    held = seen.held(
        person=person,
        version=shown.version if shown is not None else None,
        shown=mark_of(wanted) if wanted is not None and shown is not None else "",
    )
    title = plain(seen, "join_title")
    return view(modal(View.JOIN, title, blocks, held, submit=submit(seen, shown), close=plain(seen, "cancel")))


def _first(seen: Seen, person: str, wanted: Joining | None) -> date:
    """Today; for who would be on duty in the midst of a sprint, as they stand on a roster, the next one's first day."""
    if wanted is not None:
        return wanted.first_day
    facts, sprint = seen.schedule.facts, next_sprint(seen.schedule.facts, seen.now)
    on_roster = any(takes_turns(facts, one.code, person) for one in seen.disciplines)
    is_gone = person and not belongs_to(seen, person)
    return sprint.first_day if sprint and on_roster and is_gone else seen.now.astimezone(seen.zone).date()


def _next_sprint(seen: Seen) -> str:
    sprint = next_sprint(seen.schedule.facts, seen.now)
    return plain(seen, "next_sprint", name=sprint.name, at=seen.at(sprint.starts_at)) if sprint else ""


def _leaves(seen: Seen, person: str) -> dict[str, datetime]:
    """The disciplines that somebody will leave, and when."""
    found: dict[str, datetime] = {}
    for one in seen.disciplines:
        last = belonging(seen.schedule.facts, one.code, person, seen.now)[-1:]
        if last and last[0].until is not None:
            found[one.code] = last[0].until
    return found


def leave_form(seen: Seen, person: str, wanted: Leaving | None = None, shown: Shown | None = None) -> Block:
    """Has somebody leave a discipline or all; with what is ``wanted`` and ``shown`` it is the preview."""
    names = [option(seen.discipline(code), code) for code in belongs_to(seen, person)]
    options = [option(plain(seen, "leave_all"), ALL), *names][: MOST["options"]]
    chosen = ALL if wanted is None or wanted.discipline is None else wanted.discipline
    first_day = wanted.first_day if wanted is not None else seen.now.astimezone(seen.zone).date()
    leaves = _leaves(seen, person)
    stays = button(plain(seen, "stay"), Act.JOIN, seen.held(person=person)) if leaves else None
    blocks = [
        section(say(seen, "person_line", who=seen.who(person), disciplines=", ".join(
            _called(seen, person, code) for code in belongs_to(seen, person)
        )), stays),
        *difference(seen, shown),
        asking(Field.DISCIPLINE, plain(seen, "leave_what"), select(Field.DISCIPLINE, options, chosen)),
        asking(
            Field.FIRST_DAY, plain(seen, "leave_from"), day(Field.FIRST_DAY, first_day), hint=plain(seen, "leave_hint")
        ),
        why(seen, wanted.reason if wanted is not None else ""),
    ]  # fmt: skip
    held = seen.held(
        person=person,
        version=shown.version if shown is not None else None,
        shown=mark_of(wanted) if wanted is not None and shown is not None else "",
    )
    title = plain(seen, "leave_title")
    return view(modal(View.LEAVE, title, blocks, held, submit=submit(seen, shown), close=plain(seen, "cancel")))
