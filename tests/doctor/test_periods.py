"""The rows of which periods lie over each other are shown, whatever the rule compares."""

from __future__ import annotations

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


def test_each_of_our_own_rules_is_read() -> None:
    assert taken_apart(RULE) == Periods((("team", "="), ("tstzrange(since, until, '[)')", "&&")), "state = 'approved'")
    for one in PERIODS_APART:
        read = taken_apart(one.rule)
        assert read is not None
        assert {operator for _, operator in read.elements} == {"=", "&&"}
