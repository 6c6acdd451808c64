"""Each story is mended: the doctor says nothing then, the code runs, no row is gone, and all of it can be undone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from tallybook.doctor.catalog_reading import read
from tallybook.doctor.contract import Contract
from tallybook.doctor.drift import drift
from tallybook.doctor.examining import examine
from tallybook.doctor.repair.choosing import Choice, choose, subjects
from tallybook.doctor.repair.running import repair
from tallybook.doctor.repair.types import Plan, Rule
from tallybook.doctor.repair.undoing import undo
from tallybook.doctor.types import Finding, Severity
from tests.doctor.repairing import PATIENT, Conn, checksum
from tests.doctor.stories import Home, State

STATES = (
    State("drop_numbers", "before"), State("drop_numbers", "after"),
    State("two_schemas", "before"), State("two_schemas", "after"),
    State("rota", "before"), State("rota", "after"), State("rota", "after_as_meant"),
    State("session_upsert", "before"), State("session_upsert", "after"),
    State("read_marks", "before"), State("read_marks", "after"),
)  # fmt: skip
# Which row stays, and what it takes of the others.
RULES = {
    "overrides_approved_key": Rule("newest:approval_timestamp"),
    "overrides_pending_key": Rule("oldest:id"),
    "current_state": Rule("oldest:id", (("sprint_index", "max"), ("last_updated", "max"))),  # the code says id 1
    "whatsapp_conversation": Rule("newest:last_message_at", (("started_at", "min"),)),
}
# For each story, what was doubled and what becomes of it: a query, and its only value before and after.
DOUBLED = {
    "rota": ("select count(*) from overrides where approved and sprint_index = 11 and role = 'uiEng'", 2, 1),
    "read_marks": ("select count(*) from whatsapp_message where provider_message_id = 'wamid.A2'", 2, 1),
}
# A table that one schema lacks is made by a migration, not by a repair.
APART = {"two_schemas-before": {"drift"}}
VALUES: dict[str, tuple[Any, ...]] = {
    "repositories/users.js:31": ("U0000001", "Ana", "po"),
    "repositories/sprints.js:24": ("Sprint", "2025-10-15", "2025-10-29", 13),
    "repositories/state.js:18": (12,),
    "repositories/overrides.js:40": (12, "account", "U0000004", "U0000005"),
    "server/services/whatsapp_session_service.py:88": (1, "phone:1:+972500000002", "2025-12-09"),
    "server/routes_whatsapp.py:140": (1, 3, "wamid.A9", "Hello"),
}


async def one(conn: Conn, statement: str) -> Any:
    row = await (await conn.execute(statement.encode())).fetchone()
    assert row is not None
    return row[0]


async def image(conn: Conn, schemas: Sequence[str]) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a checksum of them all."""
    named = "select format('%%I.%%I', schemaname, tablename) from pg_tables where schemaname = any(%(schemas)s::text[])"
    tables = [row[0] for row in await (await conn.execute(named, {"schemas": [*schemas]})).fetchall()]
    return {table: await checksum(conn, table) for table in tables}


async def keys(conn: Conn, schemas: Sequence[str]) -> set[tuple[str, ...]]:
    """Every index and constraint, as the server writes it."""
    named = """
        select indexname, indexdef from pg_indexes where schemaname = any(%(schemas)s::text[])
        union all select conname, pg_get_constraintdef(oid) from pg_constraint
        where connamespace::regnamespace::text = any(%(schemas)s::text[])"""
    return {*await (await conn.execute(named, {"schemas": [*schemas]})).fetchall()}


async def differ(conn: Conn, state: State) -> set[str]:
    """In what its schemas differ, by the codes of the findings."""
    here, *others = [(name, await read(conn, [name])) for name in state.schemas]
    return {one.code for name, other in others for one in drift(here[1], other, names=(here[0], name))}


def perhaps_meant(finding: Finding) -> bool:
    """A rule in rows that no declared key is about: only a person can say that it is not meant."""
    return finding.severity is Severity.WARNING and finding.code == "too-strict"


async def mended(conn: Conn, state: State) -> list[Plan]:
    """Whatever can be repaired is, one thing after another, and last what is perhaps meant, as somebody names it."""
    contract, plans = state.contract, list[Plan]()
    while left := subjects([one for one in (await examine(conn, contract, state.schemas)).findings
                            if not perhaps_meant(one)]):  # fmt: skip
        plans.append(
            await repaired(conn, state, left[0].schema, left[0].table, left[0].of, f"r{len(plans)}{state.story}")
        )
        assert len(plans) < 10, left
    for finding in (await examine(conn, contract, state.schemas)).findings:
        assert perhaps_meant(finding), finding
        plans.append(
            await repaired(conn, state, finding.schema, finding.table, str(finding.name), f"r{len(plans)}{state.story}")
        )
    return plans


async def repaired(conn: Conn, state: State, schema: str, table: str, called: str, run: str) -> Plan:
    choice = Choice(schema, table, called, RULES.get(called) or RULES.get(table) or Rule("oldest:id"))
    plan = await choose(conn, state.contract, state.schemas, choice, run)
    outcome = await repair(conn, plan, PATIENT, lambda *_: None)
    if outcome.state == "waiting":  # for the code, which names the new key already
        outcome = await repair(conn, plan, PATIENT, lambda *_: None)
    assert outcome.state == "done", outcome
    return plan


async def run_seven_times(conn: Conn, contract: Contract) -> None:
    """The code's statements, prepared, as often as it takes for their plans to be made for all values."""
    conn.prepare_threshold = 0
    async with conn.transaction(force_rollback=True):
        for upsert in contract.upserts:
            values = VALUES[upsert.place]
            numbers = [int(number) for number in re.findall(r"\$(\d+)", upsert.statement)]
            text = re.sub(r"\$\d+", "%s", upsert.statement)
            for _ in range(7):
                await conn.execute(text.encode(), [values[number - 1] for number in numbers])


@pytest.mark.parametrize("state", STATES, ids=str)
async def test_what_was_wrong_is_mended_and_can_be_taken_back_to_the_last_row(stories: Home, state: State) -> None:
    query, doubled, single = DOUBLED.get(state.story, ("select 1", 1, 1))
    async with stories.opened(state) as conn:
        before, held = await image(conn, state.schemas), await keys(conn, state.schemas)
        assert await one(conn, query) == doubled
        plans = await mended(conn, state)
        assert plans
        assert (await examine(conn, state.contract, state.schemas)).findings == ()
        assert await differ(conn, state) == APART.get(str(state), set())
        assert await one(conn, query) == single
        assert state.story in DOUBLED or await image(conn, state.schemas) == before
        await run_seven_times(conn, state.contract)
        for plan in reversed(plans):
            outcome = await undo(conn, plan.run, PATIENT, lambda *_: None)
            assert outcome.state == "undone", outcome
            assert outcome.same is (True if plan.sums else None)
        assert await image(conn, state.schemas) == before
        assert await keys(conn, state.schemas) == held
