"""Whoever production forgot is forgotten in readable copies too: at the owner's word, or with the next copy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tallybook import customer_files, forgotten_copies
from tallybook.core import environment, environment_copying
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.environment_copying import Request
from tallybook.core.environment_masking import Masks
from tallybook.core.errors import WrongSetup
from tallybook.forgotten_copies import Forgot
from tallybook.inbox.service import copies, erasing, threads
from tallybook.inbox.service.copies import Behind
from tallybook.settings import Settings
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import CUSTOMER, OTHER
from tests.channels.whatsapp.test_received import add, come
from tests.inbox import world
from tests.postgres import DEV, Server

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'dev' and c.relkind in ('r', 'p') order by 1
"""
# Two customers of one business, one of whom is to be forgotten.
THEIRS = bodies.text("I like pears", 2) | {"from": OTHER}


@pytest.fixture
async def lead(fresh_db: Database, business: Business) -> Caller:
    await add(fresh_db, business)
    both = [bodies.contact(), bodies.contact(OTHER, None)]
    await come(
        fresh_db, bodies.body(bodies.change("messages", bodies.text("An aubergine"), THEIRS, contacts=both)),
        bodies.said(bodies.text("An aubergine again", 3)),
    )  # fmt: skip
    return Caller(None, "Zanele", business, Role.LEAD)


@pytest.fixture
def settings(fresh_url: str, tmp_path: Path) -> Settings:
    return Settings.load({"TALLYBOOK_DATABASE_URL": fresh_url}, tmp_path)


async def copy(url: str, masks: Masks | None = None) -> None:
    await environment_copying.copy(url, Request("dev", LONG_AGO, masks))


async def forget(db: Database, lead: Caller, settings: Settings) -> None:
    """Production forgets the customer."""
    places = customer_files.erased(settings)

    async def work(conn: Conn) -> int:
        thread = await threads.thread(conn, lead, CUSTOMER)
        return await erasing.erase(conn, lead, thread.id, f"+{CUSTOMER}", places)

    assert await erasing.finish(db, places, lead.business_id, await db.run("forget", work))


async def naming(url: str, needle: str) -> set[str]:
    """The tables of dev in which the needle stands anywhere."""
    found = set()
    async with await psycopg.AsyncConnection.connect(url) as conn:
        for (table,) in await (await conn.execute(TABLES)).fetchall():
            statement = f"select exists (select from dev.{table} t where t::text like '%{needle}%')"
            if await (await conn.execute(statement.encode())).fetchone() == (True,):
                found.add(table)
    return found


async def behind(db: Database, lead: Caller) -> list[Behind]:
    return await db.run("behind", lambda conn: copies.behind(conn, lead.business_id))


async def state(db: Database, lead: Caller) -> list[str]:
    found = await db.run("look", lambda conn: copies.checks(conn, lead.business, datetime.now(UTC)))
    return [one.state for one in found]


async def test_a_readable_copy_is_behind_until_it_forgets_and_then_nothing_there_names_them(
    fresh_db: Database, fresh_owner_url: str, lead: Caller, settings: Settings
) -> None:
    await copy(fresh_owner_url)
    others = await naming(fresh_owner_url, OTHER)
    assert {"contact_identities", "whatsapp_message", "messages"} <= await naming(fresh_owner_url, "aubergine") | others
    assert (await behind(fresh_db, lead), await state(fresh_db, lead)) == ([Behind("dev", 0)], ["ok"])
    await forget(fresh_db, lead, settings)
    assert (await behind(fresh_db, lead), await state(fresh_db, lead)) == ([Behind("dev", 1)], ["late"])
    assert await naming(fresh_owner_url, CUSTOMER) != set()
    done = await forgotten_copies.apply_everywhere(fresh_owner_url, settings)
    assert done == [Forgot("dev", 1, ended=True)]
    for needle in (CUSTOMER, bodies.BSUID, "aubergine"):
        assert await naming(fresh_owner_url, needle) == set()
    assert await naming(fresh_owner_url, OTHER) == others, "nobody else loses anything"
    assert (await behind(fresh_db, lead), await state(fresh_db, lead)) == ([Behind("dev", 0)], ["ok"])
    assert await forgotten_copies.apply(fresh_owner_url, settings, "dev") == Forgot("dev", 0, ended=True)


async def test_what_a_later_copy_left_of_them_is_found_by_what_was_said(
    fresh_db: Database, fresh_owner_url: str, lead: Caller, settings: Settings
) -> None:
    await copy(fresh_owner_url)
    await forget(fresh_db, lead, settings)
    await copy(fresh_owner_url)
    assert await naming(fresh_owner_url, "aubergine") == {"messages"}, "their thread is gone, by which they were known"
    await forgotten_copies.apply(fresh_owner_url, settings, "dev")
    assert await naming(fresh_owner_url, "aubergine") == set()
    assert await naming(fresh_owner_url, "pears") >= {"messages", "whatsapp_message"}


async def test_a_masked_copy_waits_for_nothing_and_an_environment_without_a_copy_loses_nobody(
    fresh_db: Database, fresh_owner_url: str, postgres: Server, fresh_name: str, lead: Caller, settings: Settings
) -> None:
    await environment.create(fresh_owner_url, "dev", {})
    async with open_database(postgres.url(DEV, fresh_name), "dev", size=1) as dev:
        # Of dev's own, under the number that is Naledi's in production.
        await dev.run("own", lambda conn: world.customer(conn, lead.business, world.LIOR))
    await forget(fresh_db, lead, settings)
    assert await forgotten_copies.apply(fresh_owner_url, settings, "dev") == Forgot("dev", 0, ended=True)
    assert "contacts" in await naming(fresh_owner_url, world.LIOR[1:])
    await copy(fresh_owner_url, Masks(b"production's own key"))
    assert (await behind(fresh_db, lead), await state(fresh_db, lead)) == ([], [])


async def test_production_is_no_copy(fresh_owner_url: str, lead: Caller, settings: Settings) -> None:
    with pytest.raises(WrongSetup):
        await forgotten_copies.apply(fresh_owner_url, settings, "prod")
