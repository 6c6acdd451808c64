"""What was sent in by the forms of who leads: sprints, disciplines, rosters, people."""

from __future__ import annotations

from datetime import timedelta

from tallybook.triage.rules_roster import MOST_WEEKS
from tallybook.triage.rules_sprints import LONGEST_DAYS, LONGEST_NAME
from tallybook.triage.types import EVERY_DAY, Discipline, Kind, Roster, Rotation, Team

from .names import Field, Held
from .submitted import ALL, CODE, LONGEST_DISCIPLINE, LONGEST_TEXT, MOST_PEOPLE, MOST_PLACE, Errors, Form
from .wanted import Joining, Leaving, NewDiscipline, NewRoster, NewSprint, NewUse


def sprint(values: object, held: Held, locale: str) -> NewSprint | Errors:
    """A new sprint, or another form of the one that the form is about, which needs a reason."""
    form = Form(values, locale)
    name = form.text(Field.NAME, LONGEST_NAME)
    first_day, last_day = form.day(Field.FIRST_DAY), form.day(Field.LAST_DAY)
    reason = form.text(Field.REASON, LONGEST_TEXT, needed=bool(held.number))
    if form.is_right and not timedelta(0) < last_day - first_day <= timedelta(days=LONGEST_DAYS):
        form.fault(Field.LAST_DAY, "order_of_days")
    return NewSprint(name, first_day, last_day, held.number, reason) if form.is_right else form.errors


def reason(values: object, locale: str) -> str | Errors:
    """Why something is removed."""
    form = Form(values, locale)
    text = form.text(Field.REASON, LONGEST_TEXT)
    return text if form.is_right else form.errors


def discipline(values: object, held: Held, taken: frozenset[str], locale: str) -> NewDiscipline | Errors:
    """A discipline; the code is that of the form, or, in a form for a new one, one that is not ``taken``."""
    form = Form(values, locale)
    code = held.discipline
    if not code:
        code = form.text(Field.CODE, LONGEST_NAME)
        if code and not CODE.fullmatch(code):
            form.fault(Field.CODE, "code_wrong")
        elif code in taken:
            form.fault(Field.CODE, "code_taken")
    name = form.text(Field.NAME, LONGEST_DISCIPLINE)
    place = form.number(Field.PLACE, 0, MOST_PLACE)
    return NewDiscipline(Discipline(code, name, place)) if form.is_right else form.errors


def use(values: object, held: Held, locale: str, *, in_use: bool) -> NewUse | Errors:
    """From which day on the discipline that the form is about should be in use, or should not, and why."""
    form = Form(values, locale)
    first_day, reason_given = form.day(Field.FIRST_DAY), form.text(Field.REASON, LONGEST_TEXT)
    return NewUse(held.discipline, in_use, first_day, reason_given) if form.is_right else form.errors


def roster(values: object, held: Held, team: Team, before: Roster | None, locale: str) -> NewRoster | Errors:
    """Who takes turns, from which day on, by which rule. What the form does not ask for stays as it was ``before``."""
    form = Form(values, locale)
    people = form.people(Field.PEOPLE)
    if not people or len(people) > MOST_PEOPLE:
        form.fault(Field.PEOPLE, "need_one")
    first_day, reason_given = form.day(Field.FIRST_DAY), form.text(Field.REASON, LONGEST_TEXT)
    rotation = _rotation(form, team, before)
    in_order = form.is_ticked(Field.IN_ORDER)
    if not form.is_right or rotation is None:
        return form.errors
    kept = None if before is not None and rotation == before.rotation else rotation
    return NewRoster(held.discipline, people, first_day, kept, in_order, reason_given)


def _rotation(form: Form, team: Team, before: Roster | None) -> Rotation | None:
    kind = form.choice(Field.KIND)
    hand_over, weeks = form.clock(Field.HAND_OVER), form.number(Field.WEEKS, 1, MOST_WEEKS)
    days = frozenset(int(one) for one in form.choices(Field.DAYS) if one in {str(day) for day in EVERY_DAY})
    if kind not in set(Kind):
        form.fault(Field.KIND, "not_ours")
    if not days:
        form.fault(Field.DAYS, "need_one")
    if not form.is_right:
        return None
    if before is None:
        return Rotation(Kind(kind), team.zone, hand_over, days, weeks=weeks)
    was = before.rotation
    same = (was.kind, was.hand_over, was.days, was.weeks) == (kind, hand_over, days, weeks)
    if same:
        return was
    return Rotation(
        Kind(kind), team.zone, hand_over, days, was.through, weeks, None, was.rest, was.when_absent
    )  # fmt: skip


def joining(values: object, locale: str) -> Joining | Errors:
    """Who should belong to which disciplines, from which day on, and why."""
    form = Form(values, locale)
    person = form.somebody(Field.PERSON)
    disciplines = tuple(dict.fromkeys(one for one in form.choices(Field.DISCIPLINES) if one))
    if not disciplines:
        form.fault(Field.DISCIPLINES, "need_one")
    first_day, reason_given = form.day(Field.FIRST_DAY), form.text(Field.REASON, LONGEST_TEXT, needed=False)
    return Joining(person, disciplines, first_day, reason_given) if form.is_right else form.errors


def leaving(values: object, held: Held, locale: str) -> Leaving | Errors:
    """What the one whom the form is about leaves, from which day on, and why."""
    form = Form(values, locale)
    what, first_day = form.choice(Field.DISCIPLINE), form.day(Field.FIRST_DAY)
    if not what:
        form.fault(Field.DISCIPLINE, "need")
    if not held.person:
        form.fault(Field.DISCIPLINE, "not_ours")
    reason_given = form.text(Field.REASON, LONGEST_TEXT)
    wanted = Leaving(held.person, None if what == ALL else what, first_day, reason_given)
    return wanted if form.is_right else form.errors
