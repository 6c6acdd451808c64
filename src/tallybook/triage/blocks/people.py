"""``/admin-users``: who belongs to which disciplines, and the forms by which somebody joins or leaves."""

from __future__ import annotations

from .changes import Shown, difference, plain, say, submit
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
from .wanted import Leaving, mark_of

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
        names = ", ".join(seen.discipline(code) for code in codes)
        line = say(seen, "person_line" if codes else "person_none", who=seen.who(person), disciplines=names)
        held = seen.held(person=person)
        act, text = (Act.LEAVE, "leave") if codes else (Act.JOIN, "join")
        blocks.append(section(line, button(plain(seen, text), act, held)))
    if not listed:
        blocks.append(section(say(seen, "person_in")))
    held = seen.held(page=page, hidden=hidden)
    blocks += turning(seen, page, count, held)
    return view(modal(View.PEOPLE, plain(seen, "people"), blocks, held, close=plain(seen, "close")))


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


def join_form(seen: Seen, person: str = "") -> Block:
    """Adds somebody of the workspace to disciplines."""
    options = [option(seen.discipline(one.code), one.code) for one in seen.disciplines][: MOST["options"]]
    if not options:
        body = modal(
            View.NOTICE, plain(seen, "join_title"), [section(say(seen, "none"))], seen.held(),
            close=plain(seen, "close"),
        )  # fmt: skip
        return view(body)
    blocks = [
        asking(Field.PERSON, plain(seen, "person"), somebody(Field.PERSON, person)),
        asking(Field.DISCIPLINES, plain(seen, "to"), several(Field.DISCIPLINES, options)),
        context(say(seen, "join_hint")),
    ]
    body = modal(
        View.JOIN, plain(seen, "join_title"), blocks, seen.held(person=person),
        submit=plain(seen, "save"), close=plain(seen, "cancel"),
    )  # fmt: skip
    return view(body)


def leave_form(seen: Seen, person: str, wanted: Leaving | None = None, shown: Shown | None = None) -> Block:
    """Has somebody leave a discipline or all; with what is ``wanted`` and ``shown`` it is the preview."""
    names = [option(seen.discipline(code), code) for code in belongs_to(seen, person)]
    options = [option(plain(seen, "leave_all"), ALL), *names][: MOST["options"]]
    chosen = ALL if wanted is None or wanted.discipline is None else wanted.discipline
    first_day = wanted.first_day if wanted is not None else seen.now.astimezone(seen.zone).date()
    blocks = [
        section(say(seen, "person_line", who=seen.who(person), disciplines=", ".join(
            seen.discipline(code) for code in belongs_to(seen, person)
        ))),
        *difference(seen, shown),
        asking(Field.DISCIPLINE, plain(seen, "leave_what"), select(Field.DISCIPLINE, options, chosen)),
        asking(
            Field.FIRST_DAY, plain(seen, "leave_from"), day(Field.FIRST_DAY, first_day), hint=plain(seen, "leave_hint")
        ),
    ]  # fmt: skip
    held = seen.held(
        person=person,
        version=shown.version if shown is not None else None,
        shown=mark_of(wanted) if wanted is not None and shown is not None else "",
    )
    title = plain(seen, "leave_title")
    return view(modal(View.LEAVE, title, blocks, held, submit=submit(seen, shown), close=plain(seen, "cancel")))
