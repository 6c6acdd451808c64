"""An older rota comes over once, whole or not at all, with every row kept; and goes again as if it had not been."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, TypeVar

import msgspec
import psycopg
import pytest

from tallybook.core import older_rows
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound, WrongSetup
from tallybook.core.key_check import check
from tallybook.triage.rules import prepare, who
from tallybook.triage.service import absences, importing, manners, members, people
from tallybook.triage.service.doing import Actor, seen
from tallybook.triage.service.importing import Found, OldRota
from tallybook.triage.store.importing import READ, SIGN
from tallybook.triage.types import Manner, Person, Team
from tests.core.worked import rows
from tests.triage.facts import ZONE
from tests.triage.test_legacy_rules import NOW, SPRINTS, USERS, asked

T = TypeVar("T")
OVERRIDES = [asked(5, "UANA", id=2), asked(5, "UANA", id=3), asked(5, "UBEN", id=4), asked(6, "UZED", id=5),
             asked(7, "UCHEN", approved=False, id=6), asked(99, "UANA", id=7)]  # fmt: skip
STATE = [{"id": 1, "sprint_index": 6, "ui_eng_slack_id": "UBEN"}]
TABLES = {"users": USERS, "sprints": SPRINTS, "overrides": OVERRIDES, "current_state": STATE,
          "audit_logs": [{"id": 1, "operation": "UPSERT", "new_values": {"a": "b"}}]}  # fmt: skip
OLD = OldRota(TABLES, "tables", Team(0, "Web", ZONE))
COUNTS = """
select (select count(*) from sprints), (select count(*) from triage_rosters), (select count(*) from overrides),
    (select count(*) from triage_memberships), (select count(*) from triage_people), (select count(*) from audit_log)
"""


class Office:
    """A business, and its lead."""

    def __init__(self, db: Database, business: Business) -> None:
        self.db, self.lead = db, Actor(business.id, "Lena", leads=True)

    async def run(self, work: Callable[[Conn], Awaitable[T]]) -> T:
        return await self.db.run("test", work)

    async def bring_in(self, old: OldRota = OLD) -> Found:
        return await self.run(lambda conn: importing.bring_in(conn, self.lead, old, NOW, lambda *_: None))

    async def duties(self, team: int = 1) -> list[str | None]:
        facts = await self.run(lambda conn: seen(conn, self.lead, team))
        return [who(prepare(facts), "uiEng", one.starts_at).person for one in facts.sprints]


@pytest.fixture
async def office(db: Database, business: Business) -> Office:
    return Office(db, business)


async def test_the_past_is_told_as_it_was_and_every_row_is_kept(office: Office) -> None:
    found = await office.bring_in()
    assert (found.compared, found.unlike) == (5, [])
    assert await office.duties() == ["UBEN", "UANA", "UBEN", "UBEN", "UCHEN"]
    told = await rows(office.db, "select replacement_slack_id, state, sprint_index from overrides order by state, 1")
    assert told == [
        ("UANA", "approved", 5), ("UBEN", "approved", 6), ("UCHEN", "pending", 7), ("UBEN", "withdrawn", 5),
        ("UZED", "withdrawn", 6),
    ]  # fmt: skip
    kept = await rows(
        office.db, "select source, becomes, count(*)::int from triage_import_rows group by 1, 2 order by 1, 2"
    )
    assert kept == [
        ("audit_logs", "left out", 1), ("current_state", "added", 1), ("overrides", "added", 4),
        ("overrides", "left out", 1), ("overrides", "merged", 1), ("sprints", "added", 5), ("users", "added", 3),
    ]  # fmt: skip
    content = await rows(office.db, "select content from triage_import_rows where source = 'overrides' order by place")
    assert [row[0] for row in content] == OVERRIDES
    assert await rows(office.db, "select count(*) from users where discipline = 'uiEng' and active") == [(3,)]
    await office.run(check)


async def test_a_look_changes_nothing_and_says_what_would_come_of_it(office: Office) -> None:
    looked = await office.run(lambda conn: importing.look(conn, office.lead, OLD, NOW))
    assert await rows(office.db, COUNTS) == [(0, 0, 0, 0, 0, 0)]
    done = await office.bring_in()
    assert looked.outcome.dry_run
    assert msgspec.structs.replace(looked.outcome, dry_run=False) == done.outcome
    assert {remark.table for remark in done.outcome.remarks} >= {"overrides", "audit_logs"}


async def test_the_same_again_or_eight_at_once_is_one_import(office: Office) -> None:
    found = await asyncio.gather(*(office.bring_in() for _ in range(8)), return_exceptions=True)
    # Whoever made the team at the same time is told so by its name; nobody wrote a second rota.
    done = [one for one in found if isinstance(one, Found)]
    assert sum(not one.was_there for one in done) == 1
    assert all(isinstance(one, Found | Conflict) for one in found)
    assert (await office.bring_in()).was_there
    assert await rows(office.db, "select count(*), max(number) from triage_imports") == [(1, 1)]
    assert (await rows(office.db, COUNTS))[0][:3] == (5, 1, 5)


async def test_a_team_that_has_a_rota_is_left_alone(office: Office) -> None:
    await office.bring_in()
    with pytest.raises(Conflict, match="Web has a rota already"):
        await office.bring_in(OldRota(TABLES | {"users": USERS[:2]}, "tables", OLD.team))
    with pytest.raises(NotAllowed):
        await office.run(lambda conn: importing.bring_in(conn, Actor(1, "Ana"), OLD, NOW, lambda *_: None))


async def test_what_was_brought_in_goes_whole_and_may_come_again(office: Office) -> None:
    await office.run(lambda conn: people.put_people(conn, office.lead, [Person("UBEN", "Benjamin")]))
    await office.bring_in()
    done = await office.run(lambda conn: importing.undo(conn, office.lead, "web", NOW))
    assert set(done.people) == {"UANA", "UCHEN", "UZED"}
    assert (await rows(office.db, COUNTS))[0][:5] == (0, 0, 0, 0, 1)
    assert await rows(office.db, "select name from triage_people") == [("Benjamin",)]
    assert await rows(office.db, "select count(*) from triage_import_rows") == [(16,)]
    with pytest.raises(NotFound):
        await office.run(lambda conn: importing.undo(conn, office.lead, "Web", NOW))
    assert not (await office.bring_in()).was_there
    assert await office.duties() == ["UBEN", "UANA", "UBEN", "UBEN", "UCHEN"]
    assert await rows(office.db, "select max(number) from triage_imports") == [(2,)]


async def test_nothing_is_taken_back_once_somebody_built_on_it(office: Office) -> None:
    await office.bring_in()
    await office.run(lambda conn: members.join(conn, office.lead, 1, "uiEng", Person("UEVA", "Eva"), NOW))
    with pytest.raises(Conflict, match="changed since"):
        await office.run(lambda conn: importing.undo(conn, office.lead, "Web", NOW))
    assert await office.duties() == ["UBEN", "UANA", "UBEN", "UBEN", "UCHEN"]


async def test_an_import_goes_also_behind_saves_that_changed_nothing_and_how_a_team_is_told(office: Office) -> None:
    await office.bring_in()
    before = await office.run(lambda conn: seen(conn, office.lead, 1))
    ana = before.people[0]

    async def saved(conn: Conn) -> None:
        await people.change_team(conn, office.lead, before.team)
        for one in before.disciplines:
            assert not await people.put_discipline(conn, office.lead, 1, one)
        assert not await members.join(conn, office.lead, 1, "uiEng", ana, NOW)
        assert await members.leave(conn, office.lead, 1, "uiEng", "U0NOBODY", NOW, now=NOW) == []
        assert await absences.put_holidays(conn, office.lead, 1, [], NOW.date()) == 0
        assert await absences.drop_holidays(conn, office.lead, 1, [date(2099, 1, 1)], NOW.date()) == 0
        await manners.change(conn, office.lead, 1, Manner("C012AB3CD"))

    await office.run(saved)
    assert (await office.run(lambda conn: seen(conn, office.lead, 1))).version == before.version
    await office.run(lambda conn: importing.undo(conn, office.lead, "Web", NOW))
    assert (await rows(office.db, COUNTS))[0][:4] == (0, 0, 0, 0)


async def test_a_fault_on_the_way_leaves_nothing(office: Office) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == total:
            raise Stopped

    with pytest.raises(Stopped):
        await office.run(lambda conn: importing.bring_in(conn, office.lead, OLD, NOW, stop))
    assert await rows(office.db, COUNTS) == [(0, 0, 0, 0, 0, 0)]
    assert not (await office.bring_in()).was_there


async def test_requests_of_one_id_are_all_written(office: Office) -> None:
    twice = [asked(5, "UANA", id=2), asked(6, "UZED", id=2), asked(7, "UCHEN", id="x" * 300)]
    found = await office.bring_in(OldRota(TABLES | {"overrides": twice}, "tables", OLD.team))
    added = {table.name: table.added for table in found.outcome.tables}["overrides"]
    assert added == len(twice)
    assert await rows(office.db, "select count(*) from overrides where decided_by is distinct from 'legacy'") == [(3,)]


@pytest.mark.parametrize("team", [Team(0, "Web", "Europe/Nowhere"), Team(0, "x" * 61, ZONE), Team(0, " ", ZONE)])
async def test_a_look_refuses_a_team_that_could_not_be_made(office: Office, team: Team) -> None:
    old = OldRota(TABLES, "tables", team)
    for doing in (office.run(lambda conn: importing.look(conn, office.lead, old, NOW)), office.bring_in(old)):
        with pytest.raises(Invalid):
            await doing


LOOKED = """
insert into triage_looks (team_id, facts_version, next_at, plan, planned_until)
values (1, 1, now(), '{}', now()); insert into triage_states (team_id, version, on_duty, at) values (1, 1, '{}', now())
"""
LOOKS = "select (select count(*) from triage_looks), (select count(*) from triage_states)"


async def test_nobody_is_told_of_an_import_nor_of_its_end_as_if_turns_were_new(office: Office) -> None:
    async def looked_at(conn: Conn) -> None:
        for statement in LOOKED.split(";"):
            await conn.execute(statement.encode())

    await office.run(lambda conn: people.add_team(conn, office.lead, OLD.team))
    await office.run(looked_at)
    await office.bring_in()
    assert await rows(office.db, LOOKS) == [(0, 0)]
    await office.run(looked_at)
    await office.run(lambda conn: importing.undo(conn, office.lead, "Web", NOW))
    assert await rows(office.db, LOOKS) == [(0, 0)]


SCHEMA = """
create schema old;
create table old.users (id serial primary key, slack_id varchar(50) not null, name varchar(100) not null,
    discipline varchar(20) not null, updated_at timestamp default now(){users});
create table old.sprints (id serial primary key, sprint_name varchar(50), start_date date, end_date date,
    sprint_index int{sprints});
create table old.current_state (id int, sprint_index int, account_slack_id text, ui_eng_slack_id text);
create table old.overrides (id serial primary key, sprint_index int, role varchar(20), original_slack_id text,
    replacement_slack_id text, replacement_name text, requested_by text, approved boolean, approved_by text,
    approval_timestamp timestamp, created_at timestamp default clock_timestamp(){overrides});
create table old.audit_logs (id serial, operation text);
insert into old.sprints (sprint_name, start_date, end_date, sprint_index)
    select 'Sp' || n, date '2026-01-05' + 14 * n, date '2026-01-19' + 14 * n, n + 4 from generate_series(0, 4) n;
insert into old.users (slack_id, name, discipline) values ('UCHEN', 'Chen', 'uiEng'), ('UANA', 'Ana', 'uiEng'),
    ('UBEN', 'Ben', 'uiEng');
insert into old.current_state values (1, 6, null, null);
insert into old.overrides (sprint_index, role, replacement_slack_id, requested_by, approved)
    values (5, 'uiEng', 'UBEN', 'UANA', true);
insert into old.overrides (sprint_index, role, replacement_slack_id, requested_by, approved)
    values (5, 'uiEng', 'UANA', 'UCHEN', true);
"""
FIRST = {"users": ", unique (slack_id)", "sprints": ", unique (sprint_index)", "overrides": ""}
MENDED = {
    "users": ", active boolean default true, unique (slack_id, discipline)", "sprints": "",
    "overrides": ", unique (sprint_index, role, requested_by, replacement_slack_id)",
}  # fmt: skip
ORDERED = {"users": ", rotation_order int not null default 0", "sprints": "", "overrides": ""}


@pytest.mark.parametrize("history", [FIRST, MENDED, ORDERED, dict.fromkeys(FIRST, "")])
async def test_the_old_tables_are_read_whatever_their_constraints(
    office: Office, owner_url: str, history: dict[str, str]
) -> None:
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as conn:
        await conn.execute(SCHEMA.format(**history).encode())
        try:
            tables, beside = await older_rows.rows_of(owner_url, "old", READ, SIGN)
            with pytest.raises(WrongSetup, match="tables of this product"):
                await older_rows.rows_of(owner_url, "public", READ, SIGN)
        finally:
            await conn.execute("drop schema old cascade")
    assert beside == []
    assert [row["name"] for row in tables["users"]] == ["Ana", "Ben", "Chen"]
    found = await office.bring_in(OldRota(tables, "tables", OLD.team))
    assert found.unlike == []
    # Of two approved ones the newer was found first.
    assert await office.duties() == ["UBEN", "UANA", "UANA", "UBEN", "UCHEN"]


def test_the_same_rows_are_the_same_import_and_others_are_not() -> None:
    again: dict[str, Any] = {table: [dict(reversed(row.items())) for row in some] for table, some in TABLES.items()}
    assert OldRota(again, "tables", OLD.team).fingerprint == OLD.fingerprint
    assert OldRota(TABLES | {"users": USERS[:2]}, "tables", OLD.team).fingerprint != OLD.fingerprint
