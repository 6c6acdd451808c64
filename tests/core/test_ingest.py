"""A message has its effect once, however often it comes and whoever brings it; what cannot be filed is put aside."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from psycopg import errors as pg
from structlog.testing import capture_logs

from tallybook.core import ingest
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.ingest import Absorbed, Batch
from tallybook.core.messages import Incoming, Stored
from tests import world
from tests.core.worked import rows
from tests.fakes import Clerk, FakeChannel, Files, body_of, said

READ = "select subject_id from audit_log order by subject_id"
PARKED = "select external_id, parked_reason from messages where parked_reason is not null order by id"
REVISIONS = "select revision, text from message_revisions order by message_id, revision"


def incomings(*updates: dict) -> list[Incoming]:
    return FakeChannel().parse(body_of(*updates))


async def absorb(db: Database, business: Business, clerk: Clerk, *updates: dict) -> Absorbed[str]:
    batch = incomings(*updates)
    return await db.run("absorb", lambda conn: ingest.absorb(conn, business, batch, clerk))


async def read(db: Database) -> list[str]:
    return [text for (text,) in await rows(db, READ)]


async def test_a_message_that_comes_again_has_no_second_effect(db: Database, business: Business) -> None:
    clerk = Clerk()
    first = await absorb(db, business, clerk, said("1", "one"), said("2", "two"))
    again = await absorb(db, business, clerk, said("2", "two"), said("1", "one"), said("3", "three"))
    assert (first.new, first.known, again.new, again.known) == (2, 0, 1, 2)
    assert again.facts == ["three"]
    assert await read(db) == ["one", "three", "two"]


async def test_a_message_that_stands_twice_in_one_batch_is_one(db: Database, business: Business) -> None:
    absorbed = await absorb(db, business, Clerk(), said("1", "one"), said("1", "one"))
    assert (absorbed.new, absorbed.known) == (1, 1)
    assert await read(db) == ["one"]


async def test_an_edit_keeps_what_was_said_before(db: Database, business: Business) -> None:
    clerk = Clerk()
    for text in ("first", "second", "second", "third"):
        absorbed = await absorb(db, business, clerk, said("1", text))
    assert absorbed.edited == 1
    assert await rows(db, REVISIONS) == [(0, "first"), (1, "second")]
    assert await rows(db, "select text, revision from messages") == [("third", 2)]
    assert await read(db) == ["first", "second", "third"]


async def test_a_poison_message_is_parked_alone_and_leaves_nothing_behind(db: Database, business: Business) -> None:
    clerk = Clerk(poison={"poison"})
    absorbed = await absorb(db, business, clerk, said("1", "one"), said("2", "poison"), said("3", "three"))
    assert (absorbed.new, absorbed.parked) == (2, 1)
    assert await rows(db, PARKED) == [("2", "ValueError in Clerk.file")]
    assert await read(db) == ["one", "three"]
    again = await absorb(db, business, clerk, said("2", "poison"), said("4", "four"))
    assert (again.new, again.known, again.parked) == (1, 1, 0), "it stays parked, and bothers nobody"


@dataclass
class Chokes:
    """A module that cannot file the messages of these numbers, and keeps how large each batch was that it was given."""

    poison: Collection[str]
    sizes: list[int] = field(default_factory=list)

    async def file(self, _: Conn, __: Business, stored: list[Stored]) -> list[str]:
        self.sizes.append(len(stored))
        if any(one.incoming.external_id in self.poison for one in stored):
            raise ValueError("nobody can read it")
        return [one.incoming.external_id for one in stored]


THOUSAND = [f"{n:04}" for n in range(1000)]


async def choke(db: Database, business: Business, poison: Collection[str], numbers: Sequence[str]) -> list[int]:
    """Absorbs messages of which some are poisoned, and checks what became of each; how large each tried batch was."""
    desk, batch = Chokes(poison), incomings(*(said(number) for number in reversed(numbers)))
    absorbed = await db.run("absorb", lambda conn: ingest.absorb(conn, business, batch, Files(desk.file)))
    parked = [number for number, _ in await rows(db, PARKED)]
    assert parked == sorted(poison)
    assert len(absorbed.refused) == absorbed.parked == len(parked)
    assert absorbed.facts == [number for number in numbers if number not in poison], "neighbours keep their order"
    assert (absorbed.new, absorbed.edited, absorbed.known) == (len(numbers) - len(parked), 0, 0)
    assert await rows(db, "select count(*) from messages") == [(len(numbers),)]
    return desk.sizes


@pytest.mark.parametrize("number", ["0000", "0618", "0999"])
async def test_one_poisoned_of_a_thousand_costs_its_neighbours_a_few_batches(
    db: Database, business: Business, number: str
) -> None:
    with capture_logs() as lines:
        sizes = await choke(db, business, {number}, THOUSAND)
    assert len(sizes) <= 1 + 2 * math.ceil(math.log2(1000))
    assert [line["log_level"] for line in lines] == ["warning"], "said once for the batch, not for each half"


async def test_a_few_poisoned_cost_a_few_batches_each(db: Database, business: Business) -> None:
    sizes = await choke(db, business, set(THOUSAND[7::100]), THOUSAND)
    assert len(sizes) <= 10 * 2 * math.ceil(math.log2(1000))


async def test_where_all_are_poisoned_all_are_parked_and_soon_tried_one_by_one(
    db: Database, business: Business
) -> None:
    numbers = THOUSAND[:300]
    with capture_logs() as lines:
        sizes = await choke(db, business, set(numbers), numbers)
    assert sizes.count(1) == 300, "each alone once"
    assert len(sizes) < 300 * 1.2
    assert sum(sizes) < 300 * 6
    assert len(lines) == 1


async def test_a_passing_fault_in_a_half_is_raised_and_parks_nothing(db: Database, business: Business) -> None:
    async def handler(_: Conn, __: Business, stored: list[Stored]) -> list[str]:
        raise ValueError if len(stored) > 2 else pg.DeadlockDetected

    batch = incomings(*(said(str(n)) for n in range(8)))
    with pytest.raises(pg.DeadlockDetected):
        async with db.transaction() as conn:  # not retried
            await ingest.absorb(conn, business, batch, Files(handler))
    assert await rows(db, "select count(*) from messages") == [(0,)]


async def test_a_second_bridge_that_hears_of_no_edits_sets_no_text_back(db: Database, business: Business) -> None:
    """The first bridge alone saw the edit; the second goes on telling what was said before it."""
    clerk = Clerk()
    before, after = incomings(said("1", "before")), incomings(said("1", "after"))
    other = [msgspec.structs.replace(message, account="second") for message in before]

    async def heard(messages: list[Incoming]) -> int:
        absorbed = await db.run("absorb", lambda conn: ingest.absorb(conn, business, messages, clerk))
        return absorbed.edited

    assert [await heard(messages) for messages in (before, other, after, other, other)] == [0, 0, 1, 0, 0]
    assert await rows(db, "select text, revision from messages") == [("after", 1)]


async def test_a_text_that_is_edited_back_is_an_edit(db: Database, business: Business) -> None:
    for text in ("before", "after", "before"):
        await absorb(db, business, Clerk(), said("1", text))
    assert await rows(db, "select text, revision from messages") == [("before", 2)]


async def test_an_edit_that_cannot_be_filed_is_kept_and_parked(db: Database, business: Business) -> None:
    clerk = Clerk(poison={"poison"})
    await absorb(db, business, clerk, said("1", "one"))
    absorbed = await absorb(db, business, clerk, said("1", "poison"))
    assert absorbed.parked == 1
    assert await rows(db, "select text, parked_reason from messages") == [("poison", "ValueError in Clerk.file")]
    assert await rows(db, REVISIONS) == [(0, "one")]


async def test_an_edit_that_can_be_filed_ends_the_parking(db: Database, business: Business) -> None:
    clerk = Clerk(poison={"poison"})
    await absorb(db, business, clerk, said("1", "poison"))
    await absorb(db, business, clerk, said("1", "mended"))
    assert await rows(db, PARKED) == []
    assert await read(db) == ["mended"]


@pytest.mark.parametrize("text", ["a NUL \x00 in it", "half a \ud83d character"])
async def test_what_no_database_can_hold_is_parked_and_its_neighbours_are_filed(
    db: Database, business: Business, text: str
) -> None:
    clerk = Clerk()
    absorbed = await absorb(db, business, clerk, said("1", "one"), said("2", text), said("3", "three"))
    assert (absorbed.new, absorbed.parked) == (2, 1)
    assert [number for number, _ in await rows(db, PARKED)] == ["2"]
    assert await read(db) == ["one", "three"]
    again = await absorb(db, business, clerk, said("2", text))
    assert (again.parked, again.known) == (0, 1)


async def test_eight_that_absorb_the_same_at_once_have_one_effect(db: Database, business: Business) -> None:
    updates = [said(str(n), f"text {n:03}") for n in range(100)]

    async def one() -> Absorbed[str]:
        return await absorb(db, business, Clerk(), *random.sample(updates, len(updates)))

    results = await asyncio.gather(*(one() for _ in range(8)))
    assert sum(result.new for result in results) == 100
    assert await read(db) == [f"text {n:03}" for n in range(100)]


async def test_batches_that_cross_each_other_never_deadlock(db: Database, business: Business) -> None:
    """New messages and edits of the same ones, in any order, eight at a time: nobody's transaction is ever undone."""
    clerk = Clerk()
    await absorb(db, business, clerk, *(said(str(n), "before") for n in range(30)))

    async def one(number: int) -> None:
        updates = [said(str(n), f"edit {number}") for n in range(30)] + [said(f"new {n}") for n in range(30)]
        batch = incomings(*random.sample(updates, len(updates)))
        async with db.transaction() as conn:  # not retried
            await ingest.absorb(conn, business, batch, clerk)

    await asyncio.gather(*(one(number) for number in range(8)))
    assert await rows(db, "select count(*) from messages") == [(60,)]
    assert await rows(db, "select count(*) from message_revisions") == [(240,)]


async def test_a_passing_fault_runs_the_whole_transaction_again_and_parks_nothing(
    db: Database, business: Business
) -> None:
    clerk, faults = Clerk(), [pg.DeadlockDetected(), pg.SerializationFailure()]

    async def handler(conn: Conn, owner: Business, stored: list[Stored]) -> list[str]:
        facts = await clerk.file(conn, owner, stored)
        if faults:
            raise faults.pop()
        return facts

    batch = incomings(said("1", "one"), said("2", "two"))
    absorbed = await db.run("absorb", lambda conn: ingest.absorb(conn, business, batch, Files(handler)))
    assert (absorbed.new, absorbed.parked) == (2, 0)
    assert await read(db) == ["one", "two"]


async def test_two_businesses_may_hear_the_same_message(db: Database, business: Business) -> None:
    other = await db.run("add business", world.kinneret_tours)
    for owner in (business, other):
        assert (await absorb(db, owner, Clerk(), said("1", "one"))).new == 1


async def test_only_a_batch_in_which_something_has_content_sends_a_column_of_it(
    db: Database, business: Business
) -> None:
    """A bridge's catch-up of a million messages has none, and must not pay for it."""
    bare, other = incomings(said("1"), said("2"))
    rich = msgspec.structs.replace(other, content='{"type": "text"}')
    assert Batch([bare, other]).contents is None
    assert Batch([bare, rich]).contents == '{NULL,"{\\"type\\": \\"text\\"}"}'
    await db.run("absorb", lambda conn: ingest.absorb(conn, business, [bare, rich], Clerk()))
    assert await rows(db, "select content from messages order by external_id") == [(None,), ({"type": "text"},)]


async def test_an_edit_without_content_leaves_what_is_there(db: Database, business: Business) -> None:
    (before,) = incomings(said("1", "one"))
    (after,) = incomings(said("1", "two"))
    for one in (msgspec.structs.replace(before, content='{"type": "text"}'), after):
        await db.run("absorb", lambda conn, one=one: ingest.absorb(conn, business, [one], Clerk()))
    assert await rows(db, "select text, content from messages") == [("two", {"type": "text"})]
    assert await rows(db, "select text, content from message_revisions") == [("one", {"type": "text"})]
