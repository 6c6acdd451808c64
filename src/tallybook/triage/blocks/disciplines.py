"""``/admin-disciplines``: the disciplines, the form of one, and the form of who takes turns in it."""

from __future__ import annotations

from babel.dates import get_day_names

from tallybook.triage.rules_roster import MOST_WEEKS
from tallybook.triage.rules_use import planned_end
from tallybook.triage.types import Discipline, Kind, Roster, Rotation

from .changes import Shown, difference, plain, say, submit, why
from .elements import (
    Ready,
    actions,
    asking,
    boxes,
    button,
    clock,
    day,
    divider,
    modal,
    numbered,
    option,
    pages,
    section,
    select,
    several,
    shortened,
    written_in,
)
from .limits import MOST, Block, view
from .names import YES, Act, Field, View
from .requests import turning
from .showing import LONGEST_NAME, Seen
from .submitted import LONGEST_DISCIPLINE, MOST_PLACE
from .wanted import NewDiscipline, NewRoster, NewUse, mark_of

ON_PAGE = 40
LONGEST_CODE = 20


def listing(seen: Seen, page: int = 0, *, hidden: bool = False) -> Block:
    """The disciplines, forty on a page, with ``hidden`` also those that are not in use; who leads may change them."""
    listed = seen.all_disciplines if hidden else seen.disciplines
    shown, page, count = pages(len(listed), page, ON_PAGE)
    other = seen.held(hidden=not hidden)
    blocks: list[Block] = [
        *seen.aged(),
        actions(
            [
                button(plain(seen, "discipline_new"), Act.DISCIPLINE_ADD, seen.held(), style="primary"),
                button(plain(seen, "hide_hidden" if hidden else "show_hidden"), Act.OPEN_DISCIPLINES, other),
            ]
        ),
    ]
    for place in shown:
        blocks += _listed(seen, listed[place])
    if not listed:
        blocks.append(section(say(seen, "none")))
    held = seen.held(page=page, hidden=hidden)
    blocks += turning(seen, page, count, held)
    return view(modal(View.DISCIPLINES, plain(seen, "disciplines"), blocks, held, close=plain(seen, "close")))


def _listed(seen: Seen, one: Discipline) -> list[Block]:
    held = seen.held(discipline=one.code)
    ends = planned_end(seen.schedule.facts, one.code, seen.now)
    buttons = [
        button(plain(seen, "change"), Act.DISCIPLINE_CHANGE, held),
        button(plain(seen, "take_out" if ends is None else "bring_back"), Act.DISCIPLINE_USE, held),
    ]
    if not one.in_use(seen.now):
        line = say(seen, "discipline_off", name=shortened(one.name, LONGEST_NAME), code=one.code)
        return [section(line), actions(buttons)]
    buttons.insert(0, button(plain(seen, "roster"), Act.ROSTER_CHANGE, held))
    line = say(seen, "discipline_line", **_counts(seen, one.code))
    if ends is not None:
        line = Ready(f"{line}. {say(seen, 'discipline_ends', at=seen.at(ends))}")
    return [section(line), actions(buttons)]


def use_form(seen: Seen, code: str, wanted: NewUse | None = None, shown: Shown | None = None) -> Block:
    """Takes a discipline out of use, or brings it back; with what is ``wanted`` and ``shown`` it is the preview.

    Raises NotFound.
    """
    is_out = planned_end(seen.schedule.facts, code, seen.now) is not None
    first_day = wanted.first_day if wanted is not None else seen.now.astimezone(seen.zone).date()
    blocks = [
        section(say(seen, "discipline_line", **_counts(seen, code))),
        *difference(seen, shown),
        asking(
            Field.FIRST_DAY, plain(seen, "use_from"), day(Field.FIRST_DAY, first_day), hint=plain(seen, "from_hint")
        ),
        why(seen, wanted.reason if wanted is not None else ""),
    ]
    held = seen.held(
        discipline=code,
        version=shown.version if shown is not None else None,
        shown=mark_of(wanted) if wanted is not None and shown is not None else "",
    )
    title = plain(seen, "bring_back" if is_out else "take_out")
    return view(modal(View.USE, title, blocks, held, submit=submit(seen, shown), close=plain(seen, "cancel")))


def members(seen: Seen, code: str) -> list[str]:
    """Who belongs to a discipline now, by name."""
    rota = seen.schedule.rota(code)
    return sorted((one for one in rota.members if rota.is_member(one, seen.now)), key=lambda one: (seen.name(one), one))


def form(seen: Seen, code: str = "", wanted: NewDiscipline | None = None) -> Block:
    """Adds a discipline, or changes that of a code, which stays."""
    known = next((one for one in seen.all_disciplines if one.code == code), None)
    last = max((one.place for one in seen.all_disciplines), default=-1)
    usual = known or Discipline("", "", min(last + 1, MOST_PLACE))
    shown = wanted.discipline if wanted is not None else usual
    blocks = [
        asking(Field.NAME, plain(seen, "name"), written_in(Field.NAME, LONGEST_DISCIPLINE, shown.name)),
        asking(Field.PLACE, plain(seen, "place"), numbered(Field.PLACE, 0, MOST_PLACE, min(shown.place, MOST_PLACE))),
        why(seen, needed=False),
    ]
    if known is None:
        field = written_in(Field.CODE, LONGEST_CODE, shown.code)
        blocks.insert(0, asking(Field.CODE, plain(seen, "code"), field, hint=plain(seen, "code_hint")))
    held = seen.held(discipline=known.code if known is not None else "")
    title = plain(seen, "discipline_change" if known is not None else "discipline_new")
    body = modal(View.DISCIPLINE, title, blocks, held, submit=plain(seen, "save"), close=plain(seen, "cancel"))
    return view(body)


def newest(seen: Seen, code: str) -> Roster | None:
    """The last version of a discipline's roster, on which the next one rests."""
    versions = [one for one in seen.schedule.facts.rosters if one.discipline == code]
    return max(versions, key=lambda one: one.number, default=None)


def roster_form(seen: Seen, code: str, wanted: NewRoster | None = None, shown: Shown | None = None) -> Block:
    """Who takes turns in a discipline; with what is ``wanted`` and ``shown`` it is the preview. Raises NotFound."""
    before = newest(seen, code)
    usual = before.rotation if before is not None else Rotation(Kind.SPRINT, seen.team.zone, seen.team.hand_over)
    rotation = usual if wanted is None or wanted.rotation is None else wanted.rotation
    people = wanted.people if wanted is not None else before.people if before is not None else ()
    blocks = [section(say(seen, "discipline_line", **_counts(seen, code))), *difference(seen, shown)]
    choice = _people(seen, code, people)
    if not choice:
        blocks.append(section(say(seen, "no_members")))
        body = modal(View.NOTICE, plain(seen, "roster"), blocks, seen.held(), close=plain(seen, "close"))
        return view(body)
    first_day = wanted.first_day if wanted is not None else seen.now.astimezone(seen.zone).date()
    blocks += [
        asking(Field.PEOPLE, plain(seen, "people_in"), choice[0]),
        _in_order(seen, wanted),
        asking(
            Field.FIRST_DAY, plain(seen, "from_day"), day(Field.FIRST_DAY, first_day), hint=plain(seen, "from_hint")
        ),
        *_rule(seen, rotation),
        divider(),
        why(seen, wanted.reason if wanted is not None else ""),
    ]
    held = seen.held(
        discipline=code,
        version=shown.version if shown is not None else None,
        shown=mark_of(wanted) if wanted is not None and shown is not None else "",
    )
    return view(
        modal(View.ROSTER, plain(seen, "roster"), blocks, held, submit=submit(seen, shown), close=plain(seen, "cancel"))
    )


def _counts(seen: Seen, code: str) -> dict[str, object]:
    reign = seen.schedule.rota(code).reign_at(seen.now)
    turns = len(reign.roster.people) if reign is not None else 0
    return {"name": seen.discipline(code), "code": code, "turns": turns, "members": len(members(seen, code))}


def _people(seen: Seen, code: str, people: tuple[str, ...]) -> list[Block]:
    """A choice among those who belong to the discipline, with whom is chosen already in their order."""
    belong = members(seen, code)
    chosen = [one for one in people if one in belong]
    listed = [*chosen, *(one for one in belong if one not in chosen)][: MOST["options"]]
    if not listed:
        return []
    options = [option(seen.name(one), one) for one in listed]
    return [several(Field.PEOPLE, options, chosen, plain(seen, "pick_people"))]


def _in_order(seen: Seen, wanted: NewRoster | None) -> Block:
    box = boxes(
        Field.IN_ORDER, [option(plain(seen, "in_order"), YES)], [YES] if wanted is not None and wanted.in_order else []
    )
    return asking(Field.IN_ORDER, plain(seen, "order"), box, hint=plain(seen, "in_order_hint"), optional=True)


def _rule(seen: Seen, rule: Rotation) -> list[Block]:
    """By which rule turns follow each other; the days are those of the reader's language."""
    kinds = [option(plain(seen, kind), kind.value) for kind in Kind]
    names = get_day_names("wide", locale=seen.locale)
    days = [option(names[number], str(number)) for number in range(7)]
    return [
        asking(Field.KIND, plain(seen, "kind"), select(Field.KIND, kinds, rule.kind.value)),
        asking(Field.HAND_OVER, plain(seen, "hand_over"), clock(Field.HAND_OVER, rule.hand_over)),
        asking(
            Field.DAYS, plain(seen, "days"), boxes(Field.DAYS, days, [str(one) for one in sorted(rule.days)]),
            hint=plain(seen, "days_hint"),
        ),
        asking(Field.WEEKS, plain(seen, "weeks"), numbered(Field.WEEKS, 1, MOST_WEEKS, rule.weeks)),
    ]  # fmt: skip
