"""Killed with -9 at any point, a repair goes on where it was, and an undoing too: the rows are exactly right."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import uuid
from collections.abc import Sequence

import pytest

from tallybook.doctor.contract import NaturalKey
from tallybook.doctor.repair import store as repair_store
from tallybook.doctor.repair.planning import plan_redundant
from tallybook.doctor.repair.reading import read_family
from tallybook.doctor.repair.types import Plan, Rule
from tests.doctor.repairing import DOUBLES, Conn, image, make, planned, rows

FORWARD = ("merge#2", "attach#2")
BACK = ("undo unbuild#2", "undo restore#3")


TOO_STRICT = """
create schema {0};
set search_path to {0};
create table places (id serial primary key, spot text, kind text not null,
    constraint places_spot_key unique (spot), constraint places_late unique (spot, kind) deferrable);
create table visits (spot text, kind text);
insert into places (spot, kind) values ('a', 'x'), ('b', 'x');
"""
TWO_ALIKE = """
create schema {0};
set search_path to {0};
create table places (id serial primary key, spot text, kind text not null,
    constraint places_twin unique (spot, kind));
create table visits (spot text, kind text, foreign key (spot, kind) references places (spot, kind));
alter table places add constraint places_key unique (spot, kind);
insert into places (spot, kind) values ('a', 'x'), ('b', 'x');
"""
PLACES = NaturalKey(table="places", columns=("spot", "kind"), name="places_key")
UNIQUE = """select conname, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = '{}'::regnamespace and contype = 'u'"""


async def of_places(owner: Conn, schema: str, made: str) -> Plan:
    """A table with a key that is to go, and what other tables rely on."""
    await owner.execute(made.format(schema).encode())
    if made is TOO_STRICT:
        plan = await planned(owner, schema, PLACES, Rule("oldest:id"))
    else:
        plan = plan_redundant(
            f"r{uuid.uuid4().hex[:10]}", await read_family(owner, schema, "places"), "places_twin", ()
        )
    await repair_store.begin(owner, plan)
    return plan


async def run(url: str, plan: Plan, point: str, deed: str, seconds: float | None = None) -> tuple[int, list[str]]:
    """How the process ended, killed at a point or after some seconds, and what it told on its way."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.doctor.repair_program", url, plan.run, point, deed, stdout=asyncio.subprocess.PIPE
    )
    if seconds is not None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode().split("\n")[:-1]


async def begun(owner: Conn, schema: str) -> Plan:
    await make(owner, schema, 60, 3)
    plan = await planned(owner, schema)
    await repair_store.begin(owner, plan)
    return plan


async def through(url: str, plan: Plan, deed: str, points: Sequence[str]) -> None:
    """To the end, killed at each of the points."""
    for point in points:
        assert (await run(url, plan, point, deed))[0] == -signal.SIGKILL, point
    assert (await run(url, plan, "none", deed))[0] == 0


async def test_killed_on_the_way_there_and_back_the_rows_are_exactly_right(
    owner: Conn, owner_url: str, schema: str
) -> None:
    plan = await begun(owner, schema)
    before = await image(owner, schema)
    await through(owner_url, plan, "repair", FORWARD)
    assert await rows(owner, DOUBLES.format(schema)) == []
    await through(owner_url, plan, "undo", BACK)
    assert await image(owner, schema) == before


@pytest.mark.parametrize(
    ("made", "forward", "back"),
    [
        (TOO_STRICT, ("drop#2", "drop#3"), ("undo rebuild#2", "undo unbuild#1")),
        (TWO_ALIKE, ("drop#2",), ("undo rebuild#2",)),
    ],
    ids=["what is too strict", "one of two alike"],
)
async def test_killed_as_a_key_is_dropped_or_built_again_the_keys_are_exactly_right(
    owner: Conn, owner_url: str, schema: str, made: str, forward: Sequence[str], back: Sequence[str]
) -> None:
    plan = await of_places(owner, schema, made)
    before = await image(owner, schema, ("places", "visits"))
    await through(owner_url, plan, "repair", forward)
    await owner.execute(f"insert into {schema}.visits values ('a', 'x')".encode())
    assert await rows(owner, UNIQUE.format(schema)) == [("places_key", "UNIQUE (spot, kind)")]
    await owner.execute(f"delete from {schema}.visits".encode())
    await through(owner_url, plan, "undo", back)
    assert await image(owner, schema, ("places", "visits")) == before


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("made", [TOO_STRICT, TWO_ALIKE], ids=["what is too strict", "one of two alike"])
async def test_killed_at_every_point_the_keys_are_exactly_right(
    owner: Conn, owner_url: str, schema: str, made: str
) -> None:
    plan = await of_places(owner, schema, made)
    ways = [(await run(owner_url, plan, "none", deed))[1] for deed in ("repair", "undo")]
    for at in range(max(map(len, ways))):
        await owner.execute(f"drop schema {schema} cascade".encode())
        plan = await of_places(owner, schema, made)
        before = await image(owner, schema, ("places", "visits"))
        for deed, points in zip(("repair", "undo"), ways, strict=True):
            await through(owner_url, plan, deed, points[at : at + 1])
        assert await image(owner, schema, ("places", "visits")) == before, at


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_killed_at_every_point_the_rows_are_exactly_right(owner: Conn, owner_url: str, schema: str) -> None:
    plan = await begun(owner, schema)
    before = await image(owner, schema)
    forward = (await run(owner_url, plan, "none", "repair"))[1]
    back = (await run(owner_url, plan, "none", "undo"))[1]
    assert len(forward) + len(back) > 30
    for point in forward:
        await owner.execute(f"drop schema {schema} cascade".encode())
        plan = await begun(owner, schema)
        before = await image(owner, schema)
        await through(owner_url, plan, "repair", [point])
        assert await rows(owner, DOUBLES.format(schema)) == [], point
        # Another point of the way back each time, until all were had.
        await through(owner_url, plan, "undo", [back.pop()] if back else [])
        assert await image(owner, schema) == before, point
    assert back == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_killed_at_any_moment_the_rows_are_exactly_right(owner: Conn, owner_url: str, schema: str) -> None:
    dice = random.Random(13)
    for _ in range(5):
        plan = await begun(owner, schema)
        before = await image(owner, schema)
        for deed in ("repair", "undo"):
            while (await run(owner_url, plan, "none", deed, dice.uniform(0.4, 2.0)))[0] != 0:
                pass
        assert await image(owner, schema) == before
        await owner.execute(f"drop schema {schema} cascade".encode())
