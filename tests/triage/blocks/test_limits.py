"""Whatever is said in Slack keeps to Slack's limits, however long the names and however many there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.core.errors import TooLarge
from tallybook.triage.blocks import (
    announcing,
    cover,
    disciplines,
    elements,
    home,
    limits,
    notices,
    people,
    requests,
    schedule,
    sprints,
    troubles,
)
from tallybook.triage.blocks.changes import Shown
from tallybook.triage.blocks.names import Act, Choice, Field, Held, Turn
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.blocks.wanted import Joining, Leaving, NewDiscipline, NewRoster, NewSprint, NewUse
from tallybook.triage.rules import gaps, prepare, who
from tallybook.triage.rules_across import across
from tallybook.triage.rules_announce import boundary, heads_up, standing
from tallybook.triage.rules_cover import clashes, doubles
from tallybook.triage.rules_overrides import Asked, State
from tallybook.triage.rules_roster import difference, with_roster
from tallybook.triage.types import (
    Absence,
    Discipline,
    Facts,
    Kind,
    Membership,
    Override,
    Person,
    Roster,
    Rotation,
    Sprint,
    Team,
    Unused,
)
from tests.triage.facts import LONG_AGO, at
from tests.triage.facts import sprints as some_sprints

NOW = at("2026-01-19T18:00")
OUT = (Unused(LONG_AGO),)
AWKWARD = ("&" * 60, "<" * 60, "😀" * 60, "א" * 60, "*_~`>" * 12, "<!channel>" * 6, "{name}{" * 8)


def crowd(count: int, teams: int, name: str, zone: str = "America/Argentina/ComodRivadavia") -> Facts:
    """As many disciplines, and half as many people more, who all are in the first one, all with one awkward name."""
    codes = [f"{number:x}".rjust(20, "&") for number in range(count)]
    everybody = [f"U{number:09}" + "X" * 40 for number in range(count + count // 2)]
    theirs = {code: everybody[place : place + 3] for place, code in enumerate(codes)}
    if codes:
        theirs[codes[0]] = everybody
    listed = some_sprints(count % 40 + 2)
    return Facts(
        team=Team(2**40, name[:60], zone),
        disciplines=tuple(
            Discipline(code, name[:60], place, () if place % 7 != 6 else OUT) for place, code in enumerate(codes)
        ),
        people=tuple(Person(one, (name * 2)[:100]) for one in everybody),
        memberships=tuple(Membership(code, one, LONG_AGO) for code in codes for one in theirs[code]),
        rosters=tuple(
            Roster(code, 1, LONG_AGO, tuple(theirs[code][:100]), Rotation((Kind.SPRINT, Kind.WEEKLY)[place % 2], zone))
            for place, code in enumerate(codes)
        ),
        sprints=tuple(Sprint(one.id, one.number, name[:50], *(getattr(one, part) for part in (
            "first_day", "last_day", "starts_at", "ends_at"))) for one in listed),
        absences=tuple(
            Absence(place, one, NOW, NOW + timedelta(days=90)) for place, one in enumerate(everybody[: count // 4])
        ),
        overrides=tuple(
            Override(place, code, theirs[code][-1], NOW, NOW + timedelta(days=2), theirs[code][0])
            for place, code in enumerate(codes[:3])
        ),
        version=2**40,
    )  # fmt: skip


def asked(facts: Facts, name: str, count: int, state: State) -> list[Asked]:
    """Requests by account and by people, every third of an exchange."""
    code, someone = facts.disciplines[0].code, facts.people[0].slack_id
    return [
        Asked(2**40 + number, facts.team.id, code, someone, facts.people[-1].slack_id,
              (someone, "account 1234567", f"by {name[:40]}")[number % 3], state, NOW, NOW + timedelta(days=400),
              7, True,
              2**40 + number - number % 3 if number % 3 else None,
              (name * 2)[:100] if state is not State.PENDING else None,
              NOW if state is not State.PENDING else None, (name * 9)[:500])
        for number in range(count)
    ]  # fmt: skip


def all_views(seen: Seen, name: str, page: int) -> Iterator[Any]:
    """Every view there is, of this rota and this reader."""
    facts, code = seen.schedule.facts, seen.disciplines[0].code
    shift = who(seen.schedule, code, NOW).shift
    turn = Turn(code, seen.reader, shift.starts_at, shift.ends_at)
    waiting, decided = asked(facts, name, 30, State.PENDING), asked(facts, name, 30, State.APPROVED)
    roster = Roster(code, 2, NOW, tuple(one.slack_id for one in facts.people[50:]), facts.rosters[0].rotation)
    found = difference(seen.schedule, prepare(with_roster(facts, roster)), NOW, NOW + timedelta(days=182))
    shown = Shown(2**40, found, facts.overrides * 30, 100, 100, anew=True)
    first, last = facts.sprints[0].first_day, facts.sprints[0].last_day
    everybody = tuple(one.slack_id for one in facts.people[:100])
    yield schedule.schedule_view(seen, page=page, picture="https://x.example/" + "p" * 2900)
    yield schedule.schedule_view(seen, first, page)
    yield schedule.mine_view(seen, page)
    yield schedule.rosters_view(seen, page)
    yield sprints.listing(seen)
    yield sprints.listing(seen, page)
    yield sprints.form(seen)
    yield sprints.form(seen, facts.sprints[0].id, NewSprint(name[:50], first, last, 1, (name * 9)[:500]), shown)
    yield sprints.removal(seen, facts.sprints[0], shown)
    yield disciplines.listing(seen, page, hidden=seen.leads)
    yield disciplines.form(seen)
    yield disciplines.form(seen, code, NewDiscipline(facts.disciplines[0]))
    yield disciplines.use_form(seen, code)
    yield disciplines.use_form(seen, code, NewUse(code, False, first, (name * 9)[:500]), shown)
    yield disciplines.roster_form(seen, code)
    yield disciplines.roster_form(seen, code, NewRoster(code, everybody, first, None, True, (name * 9)[:500]), shown)
    yield people.listing(seen, page, hidden=seen.leads)
    yield people.join_form(seen, seen.reader)
    joining = Joining(seen.reader, tuple(one.code for one in seen.disciplines), first, (name * 9)[:500])
    yield people.join_form(seen, seen.reader, joining, shown)
    yield people.leave_form(seen, seen.reader)
    yield people.leave_form(seen, seen.reader, Leaving(seen.reader, code, first), shown)
    yield home.home_view(
        seen,
        home.Around(
            waiting, "https://x.example/" + "p" * 2900, "https://x.example/", [(name, "https://y.example/")] * 9
        ),
    )
    yield home.hub_view(seen)
    yield cover.turn_view(seen, seen.reader)
    yield cover.cover_view(seen, turn)
    yield cover.cover_view(seen, turn, (NOW, NOW + timedelta(hours=1)), everybody[-1])
    yield requests.listing(seen, waiting, decided, page)
    yield requests.note_view(seen, waiting[:2], Choice.DECLINE)
    yield notices.kept_view(seen.locale, name)
    yield notices.notice(seen.locale, name, name * 100)


def all_messages(seen: Seen, name: str) -> Iterator[limits.Message]:
    """Every message there is, of this rota and this reader."""
    facts, schedule_, someone = seen.schedule.facts, seen.schedule, seen.schedule.facts.people[0].slack_id
    later = standing(schedule_, NOW + timedelta(minutes=20))
    was = dict.fromkeys(later.on_duty, "UBEFORE")
    change = boundary(was, later)
    assert change is not None
    yield schedule.who_is_on(seen)
    yield schedule.who_is_on(seen, [])
    yield announcing.hand_over(seen, was, change, later)
    yield announcing.hand_over_to(seen, was, change, later, someone)
    due = heads_up(schedule_, facts.sprints[0].ends_at - timedelta(hours=1))
    if due is not None:
        yield announcing.heads_up(seen, due)
        yield announcing.heads_up_to(seen, due, someone)
    code = facts.disciplines[0].code
    roster = Roster(code, 2, NOW, tuple(one.slack_id for one in facts.people[1:40]), facts.rosters[0].rotation)
    found = difference(schedule_, prepare(with_roster(facts, roster)), NOW, NOW + timedelta(days=182))
    yield announcing.plan_changed(seen, found, someone, name, (name * 9)[:500])
    yield announcing.undelivered(seen, someone, name * 10)
    for state in State:
        group = asked(facts, name, 3, state)
        yield announcing.expired(seen, group[0])
        yield requests.request(seen, group[:2], (name * 9)[:500])
        yield requests.outcome(seen, group[:2], someone, (name * 9)[:500])
    until = NOW + timedelta(days=42)
    yield from (troubles.double(seen, one) for one in doubles(schedule_, NOW, until)[:3])
    there = prepare(msgspec.structs.replace(facts, team=msgspec.structs.replace(facts.team, id=facts.team.id + 1)))
    elsewhere = msgspec.structs.replace(seen, schedule=there)
    for both in across(schedule_, [there], NOW, until)[:3]:
        yield troubles.across(seen, elsewhere, both, is_both=False)
        yield troubles.across(elsewhere, seen, both, is_both=True)
    yield from (troubles.clash(seen, one) for one in clashes(schedule_, code, NOW, until)[:3])
    yield from (troubles.gap(seen, one) for one in gaps(schedule_, code, NOW, NOW + timedelta(days=1000))[:3])
    yield notices.kept(seen.locale)
    yield notices.away(seen.locale)
    yield notices.replayed(seen, NOW, name * 20)
    yield notices.report(seen, 7, [notices.Refused(someone, NOW, name * 20)] * 300)
    yield notices.entered(seen, NOW)
    yield notices.left(seen, timedelta(hours=30), 2**40)


SIZES = [(0, 60, 3, "he", True), (2, 60, 0, "en", True), *((place, 3, 1, "en", False) for place in range(len(AWKWARD)))]


@pytest.mark.parametrize(("place", "count", "page", "locale", "leads"), SIZES)
def test_nothing_that_is_ever_said_is_over_a_limit(place: int, count: int, page: int, locale: str, leads: bool) -> None:
    """The builders themselves raise where anything is; a crowd of the longest names is what they are given here."""
    name = AWKWARD[place]
    facts = crowd(count, 3, name)
    teams = tuple(Team(number, name[:60], "UTC") for number in range(1, 140))
    seen = Seen(prepare(facts), NOW, locale, facts.people[0].slack_id, leads, teams if leads else (), NOW)
    for view in all_views(seen, name, page):
        json.dumps(limits.view(view))
    for one in all_messages(seen, name):
        json.dumps(limits.message(one.text, one.blocks).blocks)
        assert "<!channel>" not in one.text


@pytest.mark.parametrize("leads", [False, True])
def test_a_team_in_which_there_is_nothing_yet_can_be_shown(leads: bool) -> None:
    seen = Seen(prepare(Facts(Team(1, "New", "UTC"))), NOW, reader="UANA", leads=leads)
    for view in (
        schedule.schedule_view(seen), schedule.mine_view(seen), schedule.rosters_view(seen), sprints.listing(seen),
        sprints.form(seen), disciplines.listing(seen), disciplines.form(seen), people.listing(seen),
        people.join_form(seen), home.home_view(seen), home.hub_view(seen), cover.turn_view(seen),
        requests.listing(seen, [], []), home.no_team("he"),
    ):  # fmt: skip
        limits.view(view)
    assert schedule.who_is_on(seen).text


def section(text: str) -> limits.Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def row(*found: limits.Block) -> limits.Block:
    return {"type": "actions", "elements": list(found)}


def press(**values: Any) -> limits.Block:
    return elements.button("Go", Act.JOIN, Held(1)) | values


def text(value: str) -> limits.Block:
    return {"type": "plain_text", "text": value}


def choice(count: int, **values: Any) -> limits.Block:
    options = [{"text": text("x"), "value": str(number)} for number in range(count)]
    return {"type": "static_select", "action_id": "a", "options": options} | values


OVER: dict[str, Callable[[], limits.Block]] = {
    "the text of a section": lambda: section("x" * 3001),
    "a section counted as Slack counts": lambda: section("😀" * 1501),
    "no text at all": lambda: section(""),
    "a header": lambda: {"type": "header", "text": text("x" * 151)},
    "a header that is marked up": lambda: {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
    "a button's text": lambda: row(press(text=text("x" * 76))),
    "a button's value": lambda: row(press(value="x" * 2001)),
    "an action_id": lambda: row(press(action_id="x" * 256)),
    "no action_id": lambda: row(press(action_id="")),
    "one action_id twice": lambda: row(press(), press()),
    "elements": lambda: row(*(press(action_id=str(number)) for number in range(26))),
    "no elements": row,
    "options": lambda: row(choice(101)),
    "no options": lambda: row(choice(0)),
    "one option twice": lambda: row(choice(1, options=choice(1)["options"] * 2)),
    "an option's text": lambda: row(choice(1, options=[{"text": text("x" * 76), "value": "1"}])),
    "an option's value": lambda: row(choice(1, options=[{"text": text("x"), "value": "1" * 151}])),
    "an option's description": lambda: row(
        choice(1, options=[{"text": text("x"), "value": "1", "description": text("x" * 76)}])
    ),
    "what is chosen is no option": lambda: row(choice(1, initial_option={"text": text("y"), "value": "7"})),
    "boxes": lambda: row(choice(11, type="checkboxes")),
    "a placeholder": lambda: row(choice(1, placeholder=text("x" * 151))),
    "a question before it is done": lambda: row(
        press(confirm=elements.confirm("?", "?", "y", "n") | {"title": text("x" * 101)})
    ),
    "the parts of a context": lambda: {"type": "context", "elements": [text("x")] * 11},
    "fields": lambda: {"type": "section", "fields": [text("x")] * 11},
    "a field": lambda: {"type": "section", "fields": [text("x" * 2001)]},
    "an image's address": lambda: {"type": "image", "image_url": "x" * 3001, "alt_text": "x"},
    "an image that says nothing": lambda: {"type": "image", "image_url": "x", "alt_text": ""},
    "an input's label": lambda: elements.asking(Field.NAME, "x", choice(1)) | {"label": text("x" * 2001)},
    "an input of a button": lambda: elements.asking(Field.NAME, "x", press()),
    "a block nobody knows": lambda: {"type": "carousel"},
}


@pytest.mark.parametrize("what", OVER)
def test_what_slack_would_refuse_does_not_leave(what: str) -> None:
    body = elements.modal(elements.View.HUB, "x", [OVER[what]()], Held(1), submit="Go")
    with pytest.raises(TooLarge):
        limits.view(body)


def test_neither_do_too_many_blocks_or_too_long_frames() -> None:
    whole = elements.modal(elements.View.HUB, "x", [section("x")] * 100, Held(1))
    assert limits.view(whole) is whole
    for wrong in (
        whole | {"blocks": [section("x")] * 101}, whole | {"blocks": []}, whole | {"title": text("x" * 25)},
        whole | {"submit": text("x" * 25)},
        whole | {"private_metadata": "x" * 3001}, whole | {"callback_id": "x" * 256},
        whole | {"blocks": [section("x") | {"block_id": "x"}] * 2}, whole | {"type": "message"},
        whole | {"blocks": [elements.asking(Field.NAME, "x", choice(1))]},
        {key: value for key, value in whole.items() if key != "title"},
    ):  # fmt: skip
        with pytest.raises(TooLarge):
            limits.view(wrong)
    limits.message("x" * 40_000, [section("x")] * 50)
    for words, blocks in (("x" * 40_001, 1), ("x", 51)):
        with pytest.raises(TooLarge):
            limits.message(words, [section("x")] * blocks)


@given(st.text(), st.integers(2, 80))
def test_a_text_is_cut_to_its_length_and_nothing_in_it_is_cut_through(words: str, longest: int) -> None:
    ready = f"<@UANA> {elements.escaped(words)} <@UBEN>"
    cut = elements.fitted(ready, longest)
    assert limits.size(cut) <= max(longest, 1)
    assert cut.count("<") == cut.count(">")
    assert limits.size(elements.shortened(words, longest)) <= longest
