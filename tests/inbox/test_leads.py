"""The promise: a lead is at a status that its business keeps, and each change of it is written down once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.inbox import lead_rules
from tallybook.inbox.lead_rules import FIRST, Status
from tallybook.inbox.service import contacts, leads, merging
from tallybook.inbox.service.leads import Sought
from tests import world
from tests.core.worked import rows
from tests.inbox.people import LERATO, NALEDI, THABO, everything, said, write
from tests.world import Someone

CHANGES = "select was, became from lead_changes order by id"


@pytest.fixture
async def bia(db: Database, business: Business) -> Someone:
    return await db.run("add", lambda conn: world.bia(conn, business))


@pytest.fixture
async def duma(db: Database, business: Business) -> Someone:
    changes = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **changes))


async def do(db: Database, what: Any, *asked: Any) -> Any:
    return await db.run("do", lambda conn: what(conn, *asked))


@pytest.fixture
async def three(db: Database, business: Business, bia: Someone) -> list[int]:
    """Naledi, Thabo and Lerato, each a lead."""
    await write(db, business, said(NALEDI, 1), said(THABO, 2), said(LERATO, 3))
    return [await do(db, contacts.make_lead, bia.caller, number) for number in (1, 2, 3)]


async def test_a_change_is_written_down_once_for_its_key_whatever_came_since(
    db: Database, duma: Someone, three: list[int]
) -> None:
    one = three[0]
    same = [do(db, leads.change, duma.caller, one, "contacted", "k1") for _ in range(8)]
    assert {lead.status for lead in await asyncio.gather(*same)} == {"contacted"}
    await do(db, leads.change, duma.caller, one, "won", "k2")
    assert (await do(db, leads.change, duma.caller, one, "contacted", "k1")).status == "won"
    with pytest.raises(Conflict):
        await do(db, leads.change, duma.caller, one, "lost", "k1")
    await do(db, leads.change, duma.caller, one, "won", "k3")
    assert await rows(db, CHANGES) == [("new", "contacted"), ("contacted", "won")]
    told = await rows(
        db, "select who, after ->> 'status' from audit_log where action = 'lead.status_changed' order by id"
    )
    assert told == [(duma.name, "contacted"), (duma.name, "won")]
    history = await do(db, leads.history, duma.caller, one)
    assert [(step.who, step.was, step.became) for step in history] == [
        (duma.name, "contacted", "won"), (duma.name, "new", "contacted"),
    ]  # fmt: skip
    for status in ("nothing", ""):
        with pytest.raises(Invalid):
            await do(db, leads.change, duma.caller, one, status, "k4")


async def test_of_two_changes_at_once_each_is_written_down_from_what_it_found(
    db: Database, duma: Someone, three: list[int]
) -> None:
    await asyncio.gather(
        *(do(db, leads.change, duma.caller, three[0], status, status) for status in ("contacted", "won", "lost"))
    )
    found = await rows(db, CHANGES)
    assert [was for was, _ in found] == ["new", *(became for _, became in found[:-1])]
    assert (await do(db, leads.one, duma.caller, three[0])).status == found[-1][1]


async def test_leads_are_counted_and_found_by_status_name_address_and_phone(
    db: Database, duma: Someone, three: list[int]
) -> None:
    facts = lead_rules.facts(" Naledi  K ", "naledi@example.com", "Pays 100% on Fridays")
    edited = await do(db, leads.edit, duma.caller, three[0], facts)
    assert (edited.given, edited.email, edited.notes) == ("Naledi K", "naledi@example.com", "Pays 100% on Fridays")
    await do(db, leads.change, duma.caller, three[1], "won", "k")
    assert await do(db, leads.counts, duma.caller) == {"new": 2, "won": 1}

    async def found(search: str = "", status: str | None = None) -> list[int]:
        return [one.id for one in await do(db, leads.listed, duma.caller, Sought(status, search), None, 50)]

    assert await found() == [three[1], *sorted(await found(status="new"), reverse=True)]
    assert await found(status="won") == await found("Thabo") == [three[1]]
    assert await found("@EXAMPLE") == await found("naledi") == await found("082 000 0001") == [three[0]]
    assert await found("%") == []
    (first,) = await do(db, leads.listed, duma.caller, Sought(), None, 1)
    rest = await do(db, leads.listed, duma.caller, Sought(), (first.status_entered_at, first.id), 50)
    assert [first.id, *(one.id for one in rest)] == await found()
    for email in ("x", "a@b", "a b@c.d", "a" * 320 + "@b.cd"):
        with pytest.raises(Invalid):
            lead_rules.facts("", email, "")


async def test_a_business_keeps_its_own_statuses_and_no_lead_is_left_behind(
    db: Database, bia: Someone, duma: Someone, three: list[int]
) -> None:
    own = [*FIRST[:2], Status("offer", "Offer sent", "teal"), *FIRST[2:]]
    await asyncio.gather(*(do(db, leads.keep_statuses, bia.caller, own) for _ in range(3)))
    assert await do(db, leads.statuses, bia.caller.business_id) == own
    await do(db, leads.change, duma.caller, three[0], "offer", "k")
    with pytest.raises(Conflict):
        await do(db, leads.keep_statuses, bia.caller, list(FIRST))
    assert await do(db, leads.remove_status, bia.caller, "offer", "won") == 1
    assert await do(db, leads.statuses, bia.caller.business_id) == list(FIRST)
    assert (await do(db, leads.one, bia.caller, three[0])).status == "won"
    assert (await rows(db, CHANGES))[-1] == ("offer", "won")
    for wrong in ([], [FIRST[0], Status("x", "NEW", "red")], [Status("x", None, "red")], [Status("x", "X", "black")]):
        with pytest.raises(Invalid):
            await do(db, leads.keep_statuses, bia.caller, wrong)
    with pytest.raises(NotAllowed):
        await do(db, leads.keep_statuses, duma.caller, own)


async def test_a_lead_s_history_follows_it_through_a_joining_and_back(
    db: Database, business: Business, bia: Someone, three: list[int]
) -> None:
    await do(db, leads.change, bia.caller, three[1], "won", "k")
    before = await everything(db)
    merge = await do(db, merging.join, business, 1, 2)
    # The one who is kept is a lead too: the other's is told of no more, and nothing of it is lost.
    assert await do(db, leads.counts, bia.caller) == {"new": 2}
    await do(db, merging.undo, bia.caller, merge)
    assert await everything(db) == before
    assert await do(db, leads.counts, bia.caller) == {"new": 2, "won": 1}
    assert len(await do(db, leads.history, bia.caller, three[1])) == 1


async def test_nothing_of_another_business_is_within_reach(db: Database, ana: Someone, three: list[int]) -> None:
    caio = (await db.run("add", world.caio)).caller
    facts = lead_rules.facts("x", "", "")
    for what, *asked in ((leads.change, "won", "k"), (leads.edit, facts), (leads.history,), (leads.one,)):
        with pytest.raises(NotFound):
            await do(db, what, caio, three[0], *asked)
    assert await do(db, leads.listed, caio, Sought(), None, 50) == []
    assert await do(db, leads.of_thread, caio, 1) is None
    with pytest.raises(NotAllowed):
        await do(db, leads.change, ana.caller, three[0], "won", "k")


def test_a_new_status_has_a_key_of_its_own() -> None:
    assert lead_rules.key_of("Offer sent!", ["new"]) == "offer_sent"
    assert lead_rules.key_of("New", ["new", "new_2"]) == "new_3"
    assert lead_rules.key_of("הצעה נשלחה", []) == "הצעה_נשלחה"
    assert lead_rules.key_of("!", []) == "status"
