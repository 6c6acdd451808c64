"""What went wrong in the old tables, shown on them and then on ours; and that their proposed mends do not mend it."""

from __future__ import annotations

import pytest
from psycopg import errors

from tallybook.core.db import Conn
from tallybook.triage.rules_overrides import State
from tallybook.triage.service import members, overrides, sprints
from tallybook.triage.store import states
from tallybook.triage.types import Person
from tests.triage.facts import ANA, BEN, CHEN, DINA
from tests.triage.rota import NOW, SECOND, SPRINTS, Web

OLD = """
create temp table old_users (
    id serial primary key, slack_id varchar(50) not null, name varchar(100) not null, discipline varchar(20) not null,
    constraint users_slack_id_key unique (slack_id));
create temp table old_sprints (
    id serial primary key, sprint_name varchar(50), start_date date, end_date date, sprint_index int,
    constraint sprints_sprint_index_key unique (sprint_index));
create temp table old_current_state (
    id int primary key default 1 constraint unique_current_state check (id = 1),
    sprint_index int constraint current_state_sprint_index_fkey references old_sprints (sprint_index));
create temp table old_overrides (
    id serial primary key, sprint_index int, role varchar(20), requested_by varchar(50),
    replacement_slack_id varchar(50), approved boolean default false,
    constraint overrides_unique_request unique (sprint_index, role, requested_by, replacement_slack_id));
insert into old_users (slack_id, name, discipline) values ('UANA', 'Ana', 'uiEng');
insert into old_sprints (sprint_name, start_date, end_date, sprint_index) values ('Sp1', '2026-01-05', '2026-01-19', 0);
insert into old_current_state (sprint_index) values (0);
insert into old_overrides (sprint_index, role, requested_by, replacement_slack_id) values (1, 'uiEng', 'UBEN', 'UDINA')
"""
REQUEST = "insert into old_overrides (sprint_index, role, requested_by, replacement_slack_id"


@pytest.fixture
async def old(conn: Conn) -> Conn:
    """The old tables, gone with the test's transaction."""
    await conn.execute(OLD)
    return conn


async def refused(conn: Conn, statement: str) -> str | None:
    """The SQLSTATE with which a statement is refused; None where it is done."""
    try:
        async with conn.transaction():
            await conn.execute(statement.encode())
    except errors.Error as error:
        return error.sqlstate
    return None


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("insert into old_users (slack_id, name, discipline) values ('UANA', 'Ana', 'beEng')", "23505"),
        ("insert into old_sprints (sprint_name, sprint_index) values ('Sp1 again', 0)", "23505"),
        # … and what it should have refused is taken: a sprint over the other one.
        ("insert into old_sprints (start_date, end_date, sprint_index) values ('2026-01-06', '2026-01-20', 1)", None),
        ("insert into old_current_state (id, sprint_index) values (1, 0)", "23505"),
        ("insert into old_current_state (id, sprint_index) values (2, 0)", "23514"),
        # Declined, and never to be asked again.
        (f"{REQUEST}) values (1, 'uiEng', 'UBEN', 'UDINA')", "23505"),
        # Two approved for one slot.
        (f"{REQUEST}, approved) values (1, 'uiEng', 'UBEN', 'UCHEN', true), (1, 'uiEng', 'UANA', 'UDINA', true)", None),
    ],
)  # fmt: skip
async def test_the_old_tables_refuse_what_is_right_and_take_what_is_wrong(
    old: Conn, statement: str, state: str | None
) -> None:
    assert await refused(old, statement) == state


@pytest.mark.parametrize(
    ("mend", "state"),
    [
        ("alter table old_sprints drop constraint sprints_sprint_index_key", "2BP01"),  # the state points at it
        ("alter table old_users add constraint if not exists x unique (slack_id, discipline)", "42601"),
        ("""create unique index active on old_sprints (sprint_index) where sprint_index is not null;
            insert into old_sprints (sprint_index) values (0)""", "23505"),  # as before
        ("""alter table old_current_state drop constraint unique_current_state, add unique (id);
            insert into old_current_state (id) values (2), (3)""", None),  # three states
    ],
)  # fmt: skip
async def test_the_proposed_mends_do_not_mend_it(old: Conn, mend: str, state: str | None) -> None:
    assert await refused(old, mend) == state


async def test_somebody_is_in_two_disciplines(web: Web) -> None:
    assert await web.run(lambda conn: members.join(conn, web.lead, web.team, "beEng", Person(ANA, "Ana"), NOW))
    assert await web.rows("select count(*) from triage_people where slack_id = 'UANA'") == [(1,)]


async def test_a_sprint_that_is_made_again_is_told_to_be_there(web: Web) -> None:
    first = SPRINTS[0]
    days = (first.first_day, first.last_day)
    with pytest.raises(Exception, match="would lie over the sprint Sp1"):
        await web.run(lambda conn: sprints.plan(conn, web.lead, web.team, "Sp1", days, NOW))


async def test_there_is_one_state_of_a_team_and_who_comes_second_is_told_so(web: Web) -> None:
    state = states.State(0, {"uiEng": ANA}, 0, NOW)
    for moved in (True, False):
        done = await web.run(lambda conn: states.advance(conn, web.lead.business_id, web.team, states.NONE, state))
        assert done is moved
    assert await web.rows("select count(*) from current_state") == [(1,)]


async def test_a_declined_request_is_asked_again_and_one_of_two_for_a_slot_is_approved(web: Web) -> None:
    first = await web.ask(web.somebody(BEN), DINA, "k1")
    await web.run(lambda conn: overrides.decline(conn, web.lead, first.id, NOW))
    again = await web.ask(web.somebody(BEN), DINA, "k2")
    (done,) = await web.run(lambda conn: overrides.approve(conn, web.lead, again.id, NOW))
    assert done.state is State.APPROVED
    other = await web.ask(web.somebody(CHEN), CHEN, "k3")
    with pytest.raises(Exception, match="Lena has approved another one"):
        await web.run(lambda conn: overrides.approve(conn, web.lead, other.id, NOW))
    assert await web.on_duty(SECOND.starts_at) == DINA
