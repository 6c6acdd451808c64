"""The record of who changed what."""

from __future__ import annotations

import pytest

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid
from tests import world


async def test_an_entry_says_who_did_what_to_what_and_how_it_was_before(conn: Conn, business: Business) -> None:
    bia = await world.bia(conn, business)
    before, after = {"state": "open"}, {"state": "done"}
    await audit.record(conn, business.id, bia.name, bia.account_id, "review.saved", "review", "7", before, after)
    entry = (await audit.recent(conn, business.id, "review"))[0]
    assert (entry.who, entry.action, entry.subject_id) == ("Bia Dlamini", "review.saved", "7")
    assert (entry.before, entry.after) == (before, after)


async def test_no_secret_gets_into_the_record(conn: Conn, business: Business) -> None:
    with pytest.raises(Invalid):
        await audit.record(conn, business.id, "x", None, "account.added", "account", "1", None, {"password": "p"})
    await world.root(conn, business)
    for entry in await audit.recent(conn, business.id):
        assert world.PASSWORD not in str(entry)
        assert "argon2" not in str(entry)


async def test_there_is_no_entry_for_a_change_that_was_rolled_back(db: Database, business: Business) -> None:
    async def add_and_fail(conn: Conn) -> None:
        await world.ana(conn, business)
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await db.run("add", add_and_fail)
    async with db.transaction() as conn:
        assert await audit.recent(conn, business.id) == []


async def test_a_business_reads_its_own_entries_alone_newest_first(conn: Conn, business: Business) -> None:
    await world.caio(conn)
    for number in range(5):
        await audit.record(conn, business.id, "x", None, "thing.done", "thing", str(number))
    page = await audit.recent(conn, business.id, limit=3)
    assert [entry.subject_id for entry in page] == ["4", "3", "2"]
    rest = await audit.recent(conn, business.id, below=page[-1].id)
    assert [entry.subject_id for entry in rest] == ["1", "0"]
