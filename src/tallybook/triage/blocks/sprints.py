"""``/admin-sprints`` and the list that everybody sees: sprints, and the forms that plan, change and remove one."""

from __future__ import annotations

from datetime import date, timedelta

from tallybook.triage.rules_sprints import LONGEST_NAME
from tallybook.triage.types import Sprint

from .changes import Shown, difference, plain, say, submit, why
from .elements import actions, asking, button, context, day, modal, pages, section, sections, shortened, written_in
from .limits import Block, view
from .names import Act, Field, View
from .requests import turning
from .showing import Seen
from .wanted import NewSprint, mark_of

ON_PAGE = 12
USUAL = timedelta(days=14)


def listing(seen: Seen, page: int | None = None) -> Block:
    """All sprints, twelve on a page, counted from 1; without a page that with the one that runs.

    Who leads may change them.
    """
    sprints = seen.sprints
    over = sum(one.ends_at <= seen.now for one in sprints)
    shown, page, count = pages(len(sprints), over // ON_PAGE if not page else page - 1, ON_PAGE)
    held = seen.held(page=page + 1)
    blocks: list[Block] = [*seen.aged()]
    if seen.leads:
        blocks.append(actions([button(plain(seen, "sprint_new"), Act.SPRINT_ADD, held, style="primary")]))
    for place in shown:
        blocks.append(section(_line(seen, sprints[place])))
        blocks += _buttons(seen, sprints[place]) if seen.leads else []
    if not sprints:
        blocks.append(section(say(seen, "no_sprints")))
    blocks += [*turning(seen, page, count, held, first=1), seen.foot()]
    return view(modal(View.SPRINTS, plain(seen, "sprints"), blocks, held, close=plain(seen, "close")))


def _line(seen: Seen, one: Sprint) -> str:
    name = "sprint_runs" if one.starts_at <= seen.now < one.ends_at else "sprint_line"
    return seen.say(name, name=shortened(one.name, 60), first=seen.at(one.starts_at), last=seen.at(one.ends_at))


def _buttons(seen: Seen, one: Sprint) -> list[Block]:
    held = seen.held(number=one.id)
    buttons = [button(plain(seen, "change"), Act.SPRINT_CHANGE, held)]
    if one.starts_at > seen.now:
        buttons.append(button(plain(seen, "remove"), Act.SPRINT_REMOVE, held, style="danger"))
    return [actions(buttons)]


def form(seen: Seen, number: int = 0, wanted: NewSprint | None = None, shown: Shown | None = None) -> Block:
    """Plans a sprint, or changes the one of this id; with what is ``wanted`` and ``shown`` it is the preview."""
    known = next((one for one in seen.sprints if one.id == number), None)
    name, first_day, last_day = _initial(seen, known, wanted)
    blocks = [
        *difference(seen, shown),
        asking(Field.NAME, plain(seen, "name"), written_in(Field.NAME, LONGEST_NAME, name)),
        asking(Field.FIRST_DAY, plain(seen, "first_day"), day(Field.FIRST_DAY, first_day)),
        asking(Field.LAST_DAY, plain(seen, "last_day"), day(Field.LAST_DAY, last_day), hint=plain(seen, "last_hint")),
    ]
    blocks.append(why(seen, wanted.reason if wanted is not None else "", needed=known is not None))
    clock = seen.team.hand_over.strftime("%H:%M")
    blocks.append(context(say(seen, "begins", clock=clock, zone=seen.team.zone)))
    held = seen.held(
        number=known.id if known is not None else 0,
        version=shown.version if shown is not None else None,
        shown=mark_of(wanted) if wanted is not None and shown is not None else "",
    )
    title = plain(seen, "sprint_change" if known is not None else "sprint_new")
    return view(modal(View.SPRINT, title, blocks, held, submit=submit(seen, shown), close=plain(seen, "cancel")))


def _initial(seen: Seen, known: Sprint | None, wanted: NewSprint | None) -> tuple[str, date, date]:
    if wanted is not None:
        return wanted.name, wanted.first_day, wanted.last_day
    if known is not None:
        return known.name, known.first_day, known.last_day
    last = max(seen.sprints, key=lambda one: one.ends_at, default=None)
    if last is None:
        first_day = seen.now.astimezone(seen.zone).date()
        return "", first_day, first_day + USUAL
    return "", last.last_day, last.last_day + (last.last_day - last.first_day)


def removal(seen: Seen, sprint: Sprint, shown: Shown) -> Block:
    """Removes a sprint that has not begun, with what that would change."""
    blocks = [*sections([_line(seen, sprint)]), *difference(seen, shown), why(seen)]
    held = seen.held(number=sprint.id, version=shown.version)
    body = modal(
        View.SPRINT_REMOVE, plain(seen, "sprint_remove"), blocks, held,
        submit=plain(seen, "remove"), close=plain(seen, "cancel"),
    )  # fmt: skip
    return view(body)
