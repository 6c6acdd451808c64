"""The promise: a canned answer says what is known of the customer, and never leaves with a place in it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.core.sheet_cells import csv_file
from tallybook.inbox import canned_rules
from tallybook.inbox.canned_rules import Filled, Kept, Line
from tallybook.inbox.service import canned, sending, threads
from tests import world
from tests.core.worked import rows
from tests.inbox.people import NALEDI, said, write
from tests.world import Someone

HELLO = Line("en", "hello", "Hello {customer name}, I am {my name}.")


@pytest.fixture
async def duma(db: Database, business: Business) -> Someone:
    changes = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **changes))


async def do(db: Database, what: Any, *asked: Any) -> Any:
    return await db.run("do", lambda conn: what(conn, *asked))


@pytest.mark.parametrize(
    ("body", "filled"),
    [
        ("Hello {customer name}", Filled("Hello Naledi", [])),
        ("Hello { Customer  Name }", Filled("Hello Naledi", [])),
        ("שלום {שם הלקוח}", Filled("שלום Naledi", [])),
        ("{lead name} and {lead name}", Filled("{lead name} and {lead name}", ["lead name"])),
        ("{my name}", Filled("(customer name)", [])),
        ("A {b} c", Filled("A {b} c", [])),
    ],
)
def test_each_place_is_filled_once_and_what_is_missing_stays_to_be_seen(body: str, filled: Filled) -> None:
    values = {"customer name": "Naledi", "my name": "{customer name}", "lead name": None}
    assert canned_rules.filled(body, values) == filled


def test_nobody_is_called_by_a_number() -> None:
    assert canned_rules.first_name("+27820000001") is None
    assert canned_rules.first_name("Naledi Khumalo") == "Naledi"


@pytest.mark.parametrize(
    ("language", "shortcut", "body"),
    [("fr", "a", "b"), ("en", " / ", "b"), ("en", "a", " "), ("en", "a" * 41, "b"), ("en", "a", "{cutsomer name}")],
)
def test_what_could_never_be_used_is_not_kept(language: str, shortcut: str, body: str) -> None:
    with pytest.raises(Invalid):
        canned_rules.line(language, shortcut, body)


def test_shortcuts_that_begin_with_what_was_typed_come_first_and_the_reader_s_language_before() -> None:
    kept = [
        Kept(1, "en", "Bye", "hello again"), Kept(2, "he", "hello", "שלום"), Kept(3, "en", "Hello", "Hi"),
        Kept(4, "en", "Price", "10"),
    ]  # fmt: skip
    assert [one.id for one in canned_rules.found(kept, "HEL", "en")] == [3, 2, 1]
    assert next(one.id for one in canned_rules.found(kept, "", "he")) == 2


def test_a_list_that_was_taken_out_can_be_taken_in_again() -> None:
    lines = [Line("en", "a", "=1+1 is not run"), Line("he", "שלום", "שורה\nעוד אחת"), Line("en", "-b", "'quoted'")]
    table = csv_file(canned_rules.COLUMNS, [(one.shortcut, one.language, one.body) for one in lines])
    read = canned_rules.read(table)
    assert (read.lines, read.wrong) == (lines, [])
    bad = csv_file(canned_rules.COLUMNS, [("a", "en", "1"), ("A", "en", "2"), ("b", "xx", "1"), ("", "", "")])
    read = canned_rules.read(bad)
    assert ([one.shortcut for one in read.lines], [one.row for one in read.wrong]) == (["a"], [3, 4])


async def test_it_is_kept_once_by_its_shortcut_and_the_same_list_twice_changes_nothing(
    db: Database, ana: Someone, duma: Someone
) -> None:
    outcomes = await asyncio.gather(*(do(db, canned.add, duma.caller, HELLO) for _ in range(6)), return_exceptions=True)
    (number,) = [one for one in outcomes if isinstance(one, int)]
    assert sum(isinstance(one, Conflict) for one in outcomes) == 5
    other = await do(db, canned.add, duma.caller, Line("he", "hello", "שלום"))
    with pytest.raises(Conflict):
        await do(db, canned.change, duma.caller, other, Line("en", "HELLO", "x"))
    lines = [HELLO, Line("en", "bye", "Bye"), Line("he", "hello", "היי")]
    assert await do(db, canned.take_in, duma.caller, lines) == (1, 1)
    assert await do(db, canned.take_in, duma.caller, lines) == (0, 0)
    await do(db, canned.remove, duma.caller, number)
    with pytest.raises(NotFound):
        await do(db, canned.remove, duma.caller, number)
    with pytest.raises(NotAllowed):
        await do(db, canned.add, ana.caller, HELLO)
    caio = (await db.run("add", world.caio)).caller
    with pytest.raises(NotFound):
        await do(db, canned.change, caio, other, HELLO)
    assert await do(db, canned.listed, caio) == []


async def test_it_is_filled_for_its_thread_and_does_not_leave_unfilled(
    db: Database, business: Business, duma: Someone
) -> None:
    await write(db, business, said(NALEDI, 1))
    await do(db, canned.add, duma.caller, HELLO)
    await do(db, canned.add, duma.caller, Line("en", "lead", "Dear {lead name}"))
    thread = await do(db, threads.thread, duma.caller, NALEDI.phone)
    ready = await do(db, canned.found, duma.caller, thread, "", "en")
    assert [(one.filled.text, one.filled.missing) for one in ready] == [
        ("Hello Naledi, I am Duma Nkosi.", []), ("Dear {lead name}", ["lead name"]),
    ]  # fmt: skip
    with pytest.raises(Conflict, match="place for a name"):
        await do(db, sending.send_text, duma.caller, thread.id, "Dear {Lead Name}", "k")
    assert await rows(db, "select count(*)::int from outbox") == [(0,)]
