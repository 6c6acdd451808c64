"""The rows of which periods lie over each other are shown, whatever the rule compares."""

from __future__ import annotations

import msgspec
import psycopg
import pytest

from tallybook.core.keys import PERIODS_APART
from tallybook.doctor.contract import Apart
from tallybook.doctor.periods import Periods, taken_apart
from tests.doctor.tables import Patient

TABLE = "create table t (id int, team int, since timestamptz, until timestamptz, state text);"
RULE = "exclude using gist (team with =, tstzrange(since, until, '[)') with &&) where (state = 'approved')"
ROWS = """
insert into t values
    (1, 7, '2025-12-01', '2025-12-08', 'approved'), (2, 7, '2025-12-05', '2025-12-09', 'approved'),
    (3, 7, '2025-12-08', '2025-12-15', 'declined'), (4, 8, '2025-12-01', '2025-12-08', 'approved'),
    (5, 7, '2025-12-09', null, 'approved'), (6, 7, '2026-01-01', null, 'approved');
"""


async def test_rows_that_lie_over_each_other_are_shown(ill: Patient) -> None:
    await ill.make(TABLE + ROWS)
    (found,) = await ill.told(Apart(table="t", name="t_apart", rule=RULE))
    assert found.evidence.groups == 2
    assert [row["id"] for row in found.evidence.rows] == [1, 2, 5, 6]


async def test_a_rule_that_cannot_be_read_is_shown_without_rows(ill: Patient) -> None:
    await ill.make(TABLE + ROWS)
    for rule in (
        "exclude using gist (team with =) deferrable initially deferred",
        "exclude (team with operator(pg_catalog.=))",
        "exclude using gist (pg_cancel_backend(team) with =)",
        "unheard of",
    ):
        (found,) = await ill.told(Apart(table="t", name="t_apart", rule=rule))
        assert (found.evidence.groups, found.evidence.rows) == (None, ()), rule


TEMPORAL = "create table t (id int, room int, during int4range);"
STAYS = """
create table rooms (room int, during int4range, primary key (room, during without overlaps));
insert into rooms values (7, '[1,5)'), (7, '[5,9)'), (8, '[1,5)');
"""
BOOKED = """
insert into t values (1, 7, '[2,8)'), (2, 7, '[2,3)'), (3, 8, '[4,6)'), (4, 9, '[1,2)'), (5, null, '[1,2)'),
    (6, 8, null), (7, null, null);
"""


async def only_on_18(ill: Patient) -> None:
    if ill.conn.info.server_version < 18_00_00:
        pytest.skip("keys of periods are new in PostgreSQL 18")


async def test_rows_that_a_key_of_periods_would_refuse_are_shown_and_with_the_key_all_is_well(ill: Patient) -> None:
    await only_on_18(ill)
    await ill.make(TEMPORAL + BOOKED)
    rule = "unique (room, during without overlaps)"
    declared = Apart(table="t", name="t_apart", rule=rule)
    (found,) = await ill.told(declared)
    assert [row["id"] for row in found.evidence.rows] == [1, 2]
    await ill.make("delete from t where id = 1")
    await ill.make(found.do)
    assert await ill.told(declared) == []
    assert await ill.told(msgspec.structs.replace(declared, rule="exclude (room with =, during with &&)")) == []


async def test_rows_whose_period_is_not_covered_by_those_that_they_refer_to_are_shown(ill: Patient) -> None:
    await only_on_18(ill)
    points = "add constraint {} foreign key (room, period during) references rooms (room, period during) {} not valid"
    await ill.make(f"{STAYS}{TEMPORAL}{BOOKED}alter table t {points.format('t_room', '')}")
    await ill.make(f"alter table t {points.format('t_full', 'match full')}")
    shown = {one.name: (one.evidence.groups, [row["id"] for row in one.evidence.rows]) for one in await ill.told()}
    assert shown == {"t_room": (2, [3, 4]), "t_full": (4, [3, 4, 5, 6])}
    await ill.make("alter table t drop constraint t_full")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        async with ill.conn.transaction():
            await ill.make("alter table t validate constraint t_room")
    await ill.make("delete from t where id in (3, 4)")
    (found,) = await ill.told()
    assert found.evidence.groups == 0
    await ill.make(found.do)


def test_each_of_our_own_rules_is_read() -> None:
    assert taken_apart(RULE) == Periods((("team", "="), ("tstzrange(since, until, '[)')", "&&")), "state = 'approved'")
    of_key = Periods((("room", "="), ('"Of, day"', "&&")), None)
    assert taken_apart('PRIMARY KEY (room, "Of, day" WITHOUT OVERLAPS)') == of_key
    for one in PERIODS_APART:
        read = taken_apart(one.rule)
        assert read is not None
        assert {operator for _, operator in read.elements} == {"=", "&&"}
