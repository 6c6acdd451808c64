"""What nobody can file is kept in the best form there is; what a rule of the database refused is recorded and told."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone

import msgspec
import psycopg
import pytest

from tallybook.core import deliveries, ingest, receive, sources
from tallybook.core.businesses import Business
from tallybook.core.channel import Position, Reading
from tallybook.core.db import Database
from tallybook.core.health import report
from tallybook.core.messages import Identity, Incoming, Media
from tallybook.core.receive import Received
from tallybook.core.refusals import LARGEST
from tallybook.core.sources import Intake
from tests.core.held import Once
from tests.core.worked import rows
from tests.fakes import NOON, Clerk, an_entry, body_of, said

GOOD = ("one", "three")
LONG = secrets.token_hex(2000)


def message(external_id: str, text: str, /, **overrides: object) -> Incoming:
    known = Incoming(
        "bridge", "velo", "group", external_id, "group", Identity("27820000001"), NOON, text, text.encode()
    )
    return msgspec.structs.replace(known, **overrides)


async def catch_up(db: Database, business: Business, *held: Incoming) -> Clerk:
    clerk = Clerk()
    intake = Intake(business, Once(list(held)), clerk, "clerk")
    await sources.catch_up(db, intake, lambda _, absorbed: clerk.hear(absorbed))
    return clerk


HOSTILE = {
    "a size beyond all counting": {"media": Media("image", "x.jpg", None, LARGEST + 1)},
    "a size below nothing": {"media": Media("image", "x.jpg", None, -(2**70))},
    "a NUL in a file's name": {"media": Media("image", "x\0.jpg")},
    "half a character in a file's type": {"media": Media("\ud83d")},
    "a NUL in the sender": {"sender": Identity("2782\0")},
    "a NUL in the chat": {"chat": "gro\0up"},
    "a NUL in the content": {"content": '{"type": "text\\u0000"}'},
    "no JSON in the content": {"content": "{"},
    "no zone": {"said_at": datetime(2025, 12, 2)},
    "before the calendar": {"said_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
    "an id that is too long": {"external_id": LONG},
    "a chat that is too long": {"chat": LONG, "scope": LONG},
    "a sender that is too long": {"sender": Identity("x", None, f"{LONG}@lid")},
    "a kind that is too long, with a NUL": {"kind": f"\0{LONG}"},
}


@pytest.mark.parametrize("odd", HOSTILE.values(), ids=HOSTILE.keys())
async def test_whatever_is_wrong_with_one_message_it_is_kept_and_its_neighbours_are_filed(
    db: Database, business: Business, odd: dict[str, object]
) -> None:
    batch = [message("1", "one"), message("2", "two", **odd), message("3", "three")]
    for _ in range(2):
        await catch_up(db, business, *batch)
    filed = {text for (text,) in await rows(db, "select text from messages where parked_reason is null")}
    assert set(GOOD) <= filed
    assert await rows(db, "select count(*) from messages") == [(3,)], "it is known when it comes again"
    assert await rows(db, "select count(*) from messages where text = 'two'") == [(1,)]


async def test_what_is_too_long_for_a_key_is_kept_under_a_hash_and_says_why(db: Database, business: Business) -> None:
    await catch_up(db, business, message("1", "one"), message(LONG, "two" * 100_000))
    ((number, reason, length),) = await rows(
        db, "select external_id, parked_reason, length(text) from messages where parked_reason is not null"
    )
    assert (number[:10], length) == ("unfilable ", 100_000)
    assert reason.startswith("the database refused it: ProgramLimitExceeded")


async def test_a_message_is_said_to_be_parked_only_once_it_is(
    db: Database, business: Business, superuser_url: str, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Where not even a stub can be kept, the batch waits, and nobody says otherwise."""
    with psycopg.connect(superuser_url, autocommit=True) as owner:
        owner.execute("alter table messages add constraint none_at_all check (text <> 'two')")
        try:
            with caplog.at_level(logging.INFO), pytest.raises(Exception, match="none_at_all"):
                await catch_up(db, business, message("1", "one"), message("2", "two"))
        finally:
            owner.execute("alter table messages drop constraint none_at_all")
    assert "is parked" not in caplog.text
    assert await rows(db, "select count(*) from messages") == [(0,)]
    assert await rows(db, "select constraint_name from constraint_violations") == [("none_at_all",)]


RULE = "alter table audit_log add constraint one_of_each unique (subject_id)"
FORGET = "alter table audit_log drop constraint one_of_each"
RECORDED = "select constraint_name, table_name, place from constraint_violations"
REASON = "the database refused it: UniqueViolation one_of_each on audit_log"


@pytest.fixture
def a_rule_nobody_knows(superuser_url: str, clean_database: None) -> object:
    """A rule of the database that the code was never told of."""
    with psycopg.connect(superuser_url, autocommit=True) as owner:
        owner.execute(RULE.encode())
        yield
        owner.execute(FORGET.encode())


async def check_it_is_told(db: Database) -> None:
    ((number, reason),) = await rows(db, "select id, parked_reason from messages where parked_reason is not null")
    assert reason == REASON
    assert await rows(db, RECORDED) == [("one_of_each", "audit_log", f"messages {number}")]
    judged = {check.name: check.state for check in (await report(db, NOON)).checks}
    assert (judged["constraints"], judged["parked"]) == ("wrong", "wrong")


@pytest.mark.usefixtures("a_rule_nobody_knows")
async def test_what_a_rule_refuses_of_a_source_s_batch_is_recorded_and_named(db: Database, business: Business) -> None:
    clerk = await catch_up(db, business, message("1", "one"), message("2", "one"), message("3", "three"))
    assert sorted(clerk.told) == ["one", "three"]
    await check_it_is_told(db)


@pytest.mark.usefixtures("a_rule_nobody_knows")
async def test_what_a_rule_refuses_of_a_delivery_is_recorded_and_named(db: Database, business: Business) -> None:
    clerk = Clerk()
    body = body_of(said("1", "one"), said("2", "one"), said("3", "three"))
    await db.run("store", lambda conn: receive.store(conn, [Received("fake", body, NOON)]))
    await deliveries.process(db, {"fake": an_entry(clerk)}, asyncio.Event())
    assert sorted(clerk.told) == ["one", "three"]
    await check_it_is_told(db)


async def test_a_batch_that_was_stored_is_told_of_also_where_telling_the_one_before_has_failed(
    db: Database, business: Business
) -> None:
    class Twice(Once):
        async def read(self, _: Position, *, full: bool = False) -> AsyncIterator[Reading]:
            for number, one in enumerate(self.held, 1):
                yield Reading(ingest.Batch([one]), Position(identity="file", seen=number), 2, number)

    told: list[str] = []

    def tell(_: Reading, absorbed: ingest.Absorbed[str]) -> None:
        told.extend(absorbed.facts)
        raise RuntimeError("a stop")

    source = Twice([message("1", "one"), message("2", "two"), message("3", "three")])
    with pytest.raises(RuntimeError, match="a stop"):
        await sources.catch_up(db, Intake(business, source, Clerk(), "clerk"), tell)
    stored = [text for (text,) in await rows(db, "select text from messages order by id")]
    assert told == stored == ["one", "two"]
