"""An environment is emptied by its own role; production by nobody."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from tallybook.core import environment, environment_resetting
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.environment_turns import alone
from tallybook.core.errors import Conflict, WrongSetup
from tests import world
from tests.monitor import desk as monitor
from tests.monitor.desk import LAWLEY, said
from tests.postgres import APP, DEV, OWNER

COUNTS = """
select
    (select count(*) from {0}.messages), (select count(*) from {0}.qa_photo_reviews),
    (select count(*) from {0}.jobs), (select count(*) from {0}.source_positions),
    (select count(*) from {0}.accounts), (select count(*) from {0}.businesses)
"""


def counts(url: str, schema: str) -> tuple[int, ...]:
    with psycopg.connect(url) as conn:
        return conn.execute(COUNTS.format(schema).encode()).fetchone() or ()


READERS_RIGHTS = """
select has_table_privilege('tallybook_reader', 'dev.messages', 'select'),
    has_table_privilege('tallybook_reader', 'dev.messages', 'insert, update, delete, truncate'),
    has_sequence_privilege('tallybook_reader', 'dev.messages_id_seq', 'select'),
    has_sequence_privilege('tallybook_reader', 'dev.messages_id_seq', 'usage, update')
"""


@pytest.fixture
async def filled(fresh_db: Database, fresh_owner_url: str, business: Business) -> str:
    """The owner's address of a database with the same few rows in both environments."""
    await environment.create(fresh_owner_url, "dev", {})
    for name in ("prod", "dev"):
        async with open_database(fresh_owner_url, name, size=1) as database:

            async def fill(conn: Conn) -> None:
                at_desk = await monitor.open_for(conn, business)
                await monitor.file(conn, business, [said(LAWLEY, "DR1752104")], at_desk)
                await world.ana(conn, business)
                await conn.execute("insert into jobs (kind) values ('monitor.reconcile')")
                await conn.execute(
                    "insert into source_positions (business_id, channel, account, position) "
                    "values (1, 'bridge', 'primary', '{}')"
                )

            await database.run("fill", fill)
    return fresh_owner_url


async def test_everything_goes_but_businesses_and_log_ins(filled: str) -> None:
    told = {one.table: one.rows for one in await environment_resetting.preview(filled, "dev")}
    assert (told["messages"], told["jobs"], told["source_positions"]) == (1, 1, 1)
    assert counts(filled, "dev") == (1, 1, 1, 1, 1, 1)
    done = {one.table: one.rows for one in await environment_resetting.reset(filled, "dev")}
    assert done == told
    assert counts(filled, "dev") == (0, 0, 0, 0, 1, 1)
    assert counts(filled, "public") == (1, 1, 1, 1, 1, 1)
    assert await environment_resetting.reset(filled, "dev") == []


async def test_people_go_too_when_that_is_asked_for(filled: str) -> None:
    await environment_resetting.reset(filled, "dev", people=True)
    assert counts(filled, "dev") == (0, 0, 0, 0, 0, 1)


async def test_numbers_go_on_so_that_no_row_is_ever_taken_for_another(filled: str, business: Business) -> None:
    await environment_resetting.reset(filled, "dev")
    async with open_database(filled, "dev", size=1) as database:

        async def file(conn: Conn) -> object:
            await monitor.file(conn, business, [said(LAWLEY, "DR1752105")])
            return await (await conn.execute("select min(id) from messages")).fetchone()

        assert await database.run("file", file) == (2,)


async def test_production_is_refused_in_a_sentence(filled: str) -> None:
    for ask in (environment_resetting.reset, environment_resetting.preview):
        with pytest.raises(WrongSetup, match="Production is not emptied by any command"):
            await ask(filled, "prod")


async def test_the_database_refuses_production_where_no_sentence_did(filled: str) -> None:
    """The emptying itself, asked for production, ends at the role and not at an if."""
    async with open_database(filled, "prod", size=1) as production:
        with pytest.raises(errors.InsufficientPrivilege):
            await production.run("reset", lambda conn: environment_resetting.empty(conn, "prod"))
        with pytest.raises(WrongSetup, match="The role of dev may empty nothing here"):
            await production.run("reset", lambda conn: environment_resetting.empty(conn, "dev"))
    for role in (APP, DEV):
        with psycopg.connect(filled.replace(OWNER, role)) as conn, pytest.raises(errors.InsufficientPrivilege):
            conn.execute("truncate public.jobs")
    assert counts(filled, "public") == (1, 1, 1, 1, 1, 1)


async def test_a_dropped_schema_is_told_and_made_anew_by_create_with_its_rights(filled: str) -> None:
    with psycopg.connect(filled) as owner:
        owner.execute("drop schema dev cascade")
    with pytest.raises(WrongSetup, match="tallybook env create dev"):
        await environment_resetting.reset(filled, "dev")
    await environment.create(filled, "dev", {})
    with psycopg.connect(filled.replace(OWNER, DEV)) as conn:
        assert conn.execute("select count(*) from messages").fetchone() == (0,)
    assert counts(filled, "dev")[-1] == 1
    with psycopg.connect(filled) as owner:
        assert owner.execute(READERS_RIGHTS).fetchone() == (True, False, True, False), "who may only look looks again"


async def test_a_reset_while_somebody_copies_is_told_to_wait(filled: str) -> None:
    async with alone(filled, "dev"):
        with pytest.raises(Conflict):
            await environment_resetting.reset(filled, "dev")
