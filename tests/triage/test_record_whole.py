"""Whatever changes a fact of a rota stands in the record: each order is given, and each row that it changed is found.

Which functions of the store write facts is read from their sources. One that no order here reaches fails the test, so
that whoever adds one adds its order.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date, time, timedelta
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tallybook.core.db import Conn
from tallybook.core.sealing import Seal
from tallybook.triage import store
from tallybook.triage.calendar_spans import Span
from tallybook.triage.rules import prepare, shifts
from tallybook.triage.rules_overrides import Part
from tallybook.triage.rules_use import Use
from tallybook.triage.service import (
    absences,
    actors,
    calendars,
    disciplines,
    feeds,
    manners,
    members,
    overrides,
    people,
    rosters,
    sprints,
)
from tallybook.triage.service.doing import seen
from tallybook.triage.store.feeds import Scope
from tallybook.triage.types import Absence, Discipline, Holiday, Manner, Person, Team
from tests import world
from tests.triage.facts import ANA, BEN, CHEN, DINA, ZONE
from tests.triage.rota import NOW, SECOND, SPRINTS, Web

# What each fact stands in the record as. What only says when something was last looked at or changed is none.
FACTS = """
select 'triage team', id::text, to_jsonb(t) - 'version' from triage_teams t
union all select 'triage team', team_id::text, to_jsonb(t) from triage_holidays t
union all select 'discipline', code, to_jsonb(t) from triage_disciplines t
union all select 'triage person', slack_id, to_jsonb(t) - 'updated_at' from triage_people t
union all select 'triage person', slack_id, to_jsonb(t) - 'updated_at' from triage_memberships t
union all select 'roster', discipline, to_jsonb(t) from triage_rosters t
union all select 'sprint', id::text, to_jsonb(t) - 'updated_at' from sprints t
union all select 'absence', id::text, to_jsonb(t) from triage_absences t
union all select 'override', id::text, to_jsonb(t) - 'updated_at' from overrides t
union all select 'calendar', id::text, to_jsonb(t) - '{read_at,fed}'::text[] from triage_feeds t
union all select 'followed calendar', id::text, to_jsonb(t) - '{next_at,read_at,failed,failing_since}'::text[]
    from triage_calendars t
"""
WRITES = re.compile(
    r"(?:insert into|update|delete from) (triage_(?:teams|holidays|disciplines|people|memberships|rosters|absences"
    r"|feeds|calendars)|sprints|overrides)\b"
)
# These write, and no fact: a version that moves with one, when something was read or is due, what a link had told.
NO_FACTS = {
    "facts.turn", "facts.turn_all", "feeds.note_read", "feeds.tell", "calendars.claim", "calendars.was_read",
    "calendars.was_not", "statuses.heard",
}  # fmt: skip
# An import is one entry for all that it brought, with the number by which each of its rows is known.
AS_ONE = "importing"
DAY, SEAL, LATER = timedelta(days=1), Seal([b"k" * 32]), SPRINTS[0].starts_at + timedelta(hours=1)
Order = Callable[[Conn], Awaitable[Any]]


def writers() -> set[str]:
    """The functions of the store that run a statement which writes a fact, each with its module."""
    found = set()
    for path in Path(*store.__path__).glob("*.py"):
        tree = ast.parse(path.read_text())
        texts = {
            one.targets[0].id: ast.unparse(one.value)
            for one in tree.body
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)
        }
        for one in tree.body:
            if isinstance(one, ast.AsyncFunctionDef):
                named = {name.id for name in ast.walk(one) if isinstance(name, ast.Name)}
                if any(WRITES.search(texts[name]) for name in named & texts.keys()):
                    found.add(f"{path.stem}.{one.name}")
    return found


@contextmanager
def reached() -> Iterator[set[str]]:
    """Which functions of the store run meanwhile."""
    found: set[str] = set()
    folder = str(Path(*store.__path__))

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(folder):
            found.add(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(before)


async def facts(web: Web) -> dict[tuple[str, str], Counter[str]]:
    found: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for subject, number, row in await web.rows(FACTS):
        found[subject, number][repr(row)] += 1
    return found


def of_people(web: Web, root: world.Someone) -> Iterator[tuple[str, Order]]:
    """Teams, disciplines, and who belongs to them, one order after the other."""
    lead, team = web.lead, web.team
    yield "a team", lambda conn: people.add_team(conn, lead, Team(0, "Data", ZONE))
    yield "its clock", lambda conn: people.change_team(conn, lead, Team(team, "Web", ZONE, time(9)))
    yield "how it is told", lambda conn: manners.change(conn, lead, team, Manner("C0TEAM"))
    yield "a discipline", lambda conn: people.put_discipline(conn, lead, team, Discipline("po", "Product"))
    yield "its name", lambda conn: people.put_discipline(conn, lead, team, Discipline("po", "Owners"))
    for in_use in (False, True):
        use = Use("po", in_use, LATER)
        yield "its use", lambda conn, use=use: disciplines.change(conn, lead, team, use, NOW, reason="x")
    yield "a name", lambda conn: people.put_people(conn, lead, [Person(ANA, "Ana B"), Person("UNEW", "New")])
    yield "an account", lambda conn: actors.link(conn, root.caller, ANA, root.account_id)
    new = Person("UNEW", "New")
    yield "who joins later", lambda conn: members.join(conn, lead, team, "uiEng", new, NOW, at=LATER)
    yield "who joins now", lambda conn: members.join(conn, lead, team, "uiEng", new, NOW)
    yield "who leaves", lambda conn: members.leave(conn, lead, team, None, "UNEW", LATER, now=NOW)
    yield "who stays", lambda conn: members.join(conn, lead, team, "uiEng", new, NOW)
    yield "who never comes", lambda conn: members.leave(conn, lead, team, None, "UNEW", NOW, now=NOW)
    for ahead in (0, 30):
        away = Absence(0, CHEN, NOW + ahead * DAY, NOW + (ahead + 5) * DAY)
        yield "an absence", lambda conn, one=away: absences.record(conn, lead, one, NOW, key=f"{one.starts_at}")
    yield (
        "holidays",
        lambda conn: absences.put_holidays(
            conn, lead, team, [Holiday(date(2026, 6, 1), "One"), Holiday(date(2026, 6, 2), "Two")], NOW.date()
        ),
    )
    yield "one less", lambda conn: absences.drop_holidays(conn, lead, team, [date(2026, 6, 1)], NOW.date())


def of_turns(web: Web) -> Iterator[tuple[str, Order]]:
    """Rosters, sprints, overrides, links and calendars."""
    lead, team, business = web.lead, web.team, web.lead.business_id
    ask = partial(Part, "uiEng")
    third, last = SPRINTS[2], SPRINTS[5]
    plan = rosters.Plan("uiEng", (ANA, BEN, CHEN, DINA), last.starts_at)
    yield "a roster", lambda conn: rosters.apply(conn, lead, team, plan, NOW, reason="x")
    yield (
        "the one before",
        lambda conn: rosters.restore(conn, lead, team, "uiEng", 1, NOW, reason="x", since=last.starts_at),
    )
    days = (last.last_day, last.last_day + 14 * DAY)
    yield "a sprint", lambda conn: sprints.plan(conn, lead, team, "Sp7", days, NOW)
    yield (
        "a request",
        lambda conn: overrides.request(conn, lead, team, ask(DINA, SECOND.starts_at, SECOND.ends_at), NOW, key="k1"),
    )
    yield "that is approved", numbered(web, overrides.approve, lead, now=NOW)
    shorter = (SECOND.first_day, SECOND.last_day - 2 * DAY)
    yield "its sprint's days", lambda conn: sprints.change(conn, lead, team, SECOND.id, "S", shorter, NOW, reason="x")
    yield "its sprint's end", lambda conn: sprints.remove(conn, lead, team, SECOND.id, NOW, reason="x")
    span = (third.starts_at, third.ends_at)
    yield "another", lambda conn: overrides.request(conn, lead, team, ask(DINA, *span), NOW, key="k2")
    yield "that is declined", numbered(web, overrides.decline, lead, now=NOW)
    yield "one more", lambda conn: overrides.request(conn, lead, team, ask(DINA, *span), NOW, key="k3")
    yield "whose time passes", lambda conn: overrides.expire(conn, business, span[1] + DAY)
    yield "nobody", lambda conn: overrides.unassign(conn, lead, team, ask(None, *span), NOW, key="k4", reason="x")
    yield "for a while", numbered(web, overrides.withdraw, lead, now=span[0] + DAY)
    yield "an exchange", lambda conn: exchange(conn, web)
    scope = Scope("team", team)
    yield "a link", lambda conn: feeds.make(conn, lead, scope, NOW)
    yield "taken back", lambda conn: feeds.revoke(conn, lead, 1, NOW)
    followed = calendars.New(DINA, "https://calendars.example/dina.ics")
    yield "a calendar", lambda conn: calendars.add(conn, lead, SEAL, followed, NOW)
    for length in (3, 4):
        yield "what it says", lambda conn, length=length: follow(conn, length)
    yield "followed no longer", lambda conn: calendars.remove(conn, lead, 1, NOW + DAY, DINA)
    yield "an absence that is over sooner", lambda conn: absences.end(conn, lead, 1, NOW + DAY)
    yield "an absence that is none", lambda conn: absences.end(conn, lead, 2, NOW + DAY)


def numbered(web: Web, decide: Callable[..., Awaitable[Any]], *who: Any, **more: Any) -> Order:
    """A decision of the newest request."""

    async def work(conn: Conn) -> None:
        row = await (await conn.execute("select max(id) from overrides")).fetchone()
        assert row is not None
        await decide(conn, *who, row[0], **more)

    return work


async def exchange(conn: Conn, web: Web) -> None:
    """Two give each other their turns, whoever has them by then."""
    schedule = prepare(await seen(conn, web.lead, web.team))
    one, other = shifts(schedule, "uiEng", SPRINTS[3].starts_at, SPRINTS[4].ends_at)
    parts = (
        Part("uiEng", other.person, one.starts_at, one.ends_at),
        Part("uiEng", one.person, other.starts_at, other.ends_at),
    )  # fmt: skip
    await overrides.request_swap(conn, web.lead, web.team, parts, NOW, key="k5")


async def follow(conn: Conn, days: int) -> None:
    """A calendar of a leave of so many days, read as it begins, and a day later."""
    now = NOW + (days - 3) * DAY
    await conn.execute("update triage_calendars set next_at = %s", (now,))
    due = await calendars.claim(conn, now)
    assert due is not None
    asked = await calendars.asked_of(conn, due, now)
    await calendars.follow(conn, due, asked, [Span(NOW, NOW + days * DAY, days=True)], now)


async def test_every_order_leaves_an_entry_for_each_fact_that_it_changed(web: Web, root: world.Someone) -> None:
    ran: set[str] = set()
    for what, order in (*of_people(web, root), *of_turns(web)):
        before = await facts(web)
        ((last,),) = await web.rows("select coalesce(max(id), 0) from audit_log")
        with reached() as now_reached:
            await web.run(order)
        ran |= now_reached
        after = await facts(web)
        changed = {key for key in before | after if before[key] != after[key]}
        told = await web.rows(f"select subject, subject_id, before, after from audit_log where id > {last}")
        assert changed, what
        assert changed <= {(row[0], row[1]) for row in told}, what
        for key in changed:
            entry = next(row for row in told if (row[0], row[1]) == key)
            assert entry[2] or entry[3], what
    expected = {one for one in writers() if one.partition(".")[0] != AS_ONE} - NO_FACTS
    assert expected - ran == set(), "these write facts, and no order here shows what they leave in the record"


def test_what_writes_no_fact_is_there() -> None:
    """A name that is gone would excuse another one later."""
    assert writers() >= NO_FACTS


@pytest.mark.parametrize("text", ["update overrides o set", "insert into sprints (", "delete from triage_memberships"])
def test_a_statement_that_writes_a_fact_is_known_as_one(text: str) -> None:
    assert WRITES.search(text)
