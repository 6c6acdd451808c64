"""A copy takes the time asked for, whole and masked, as often as one likes, and leaves production alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tallybook.core import environment, environment_copying
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.environment_copying import Request, TableCopy
from tallybook.core.environment_masking import Kind, Masks
from tallybook.core.environment_reading import one_moment
from tallybook.core.environment_rows import columns_of, kind_of_type
from tallybook.core.environment_tables import NEVER, TABLES
from tallybook.core.environment_turns import alone
from tallybook.core.errors import Conflict, WrongSetup
from tallybook.core.messages import Identity
from tests.monitor import desk as monitor
from tests.monitor.desk import ANA, BEN, LAWLEY, MARKETING, MOHADIN, VELO_TEST, at, said
from tests.postgres import APP, DEV, Server

NOW = at("2025-12-10 12:00")
MASKS = Masks(b"production's own key")
LID = "123456789012345@lid"
SINCE = NOW - timedelta(days=7)
CHECKED = monitor.project("Mohadin", space="fibre", validated=True)


async def rows(url: str, statement: str, schema: str = "dev") -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(url) as conn:
        await conn.execute(f"set search_path to {schema}; set time zone 'UTC'".encode())
        return await (await conn.execute(statement.encode())).fetchall()


async def change(url: str, statement: str, schema: str = "dev") -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute(f"set search_path to {schema}, extensions".encode())
        await conn.execute(statement.encode())


async def copy(url: str, since: datetime = SINCE, masks: Masks | None = MASKS) -> dict[str, TableCopy]:
    done = await environment_copying.copy(url, Request("dev", since, masks))
    return {one.table: one for one in done}


@pytest.fixture
async def home(fresh_db: Database, business: Business) -> Business:
    """Production with an old drop, a drop that was posted again, an activation, a refused drop and a chat."""
    posts = [
        said(LAWLEY, "DR1700000 old", "2025-11-01 08:00"),
        said(
            LAWLEY, "Piet here, DR1752104 done", "2025-11-02 08:00", sender=Identity(f"{ANA[1:]}@s.whatsapp.net", ANA)
        ),
        said(LAWLEY, "DR1752104 again, call +27820000002", "2025-12-05 08:00"),
        said(LAWLEY, "good morning all", "2025-12-06 08:00", sender=Identity(BEN, BEN)),
        said(VELO_TEST, "DR1752200", "2025-12-07 08:00", sender=Identity(LID, None, LID)),
        said(MARKETING, "DR1752300", "2025-12-07 09:00"),
        said(CHECKED, "DR1752999", "2025-12-08 09:00"),
    ]

    async def fill(conn: Conn) -> None:
        at_desk = await monitor.open_for(conn, business, LAWLEY, CHECKED, VELO_TEST, MARKETING)
        await conn.execute("insert into valid_drop_numbers (drop_number, project) values ('DR1', 'Mohadin')")
        for post in posts:
            await monitor.file(conn, business, [post], at_desk)
        # Work that waits, which no copy may take.
        await conn.execute("insert into jobs (kind) values ('monitor.reconcile')")
        await conn.execute(
            "insert into outbox (business_id, channel, account, recipient, dedup_key, body) "
            "values (1, 'bridge', 'primary', 'x', 'k', '{}')"
        )
        await conn.execute(
            "insert into audit_log (who, action, subject, subject_id, before, after) "
            "select 'Ana Mokoena', 'review.saved', 'review', id::text, "
            '\'{"comment": "Piet"}\', \'{"completed": true}\' from qa_photo_reviews'
        )

        await conn.execute(
            "insert into audit_log (who, action, subject, subject_id) values ('Ana Mokoena', 'drop.left_out', 'drop', "
            "'DR1752300'), ('Ana Mokoena', 'drop.left_out', 'drop', 'DR1700000'), "
            "('Ana Mokoena', 'token.created', 'token', '7')"
        )

    await fresh_db.run("fill", fill)
    return business


@pytest.fixture
async def dev(postgres: Server, fresh_name: str) -> AsyncIterator[Database]:
    async with open_database(postgres.url(DEV, fresh_name), "dev") as database:
        yield database


async def test_a_drop_comes_whole_when_anything_of_it_is_of_the_time_and_the_rest_stays_away(
    home: Business, fresh_owner_url: str
) -> None:
    done = await copy(fresh_owner_url)
    drops = await rows(fresh_owner_url, "select space, drop_number from drops order by 2")
    assert drops == [("fibre", "DR1752104"), ("Velo Test", "DR1752200")]
    posted = await rows(
        fresh_owner_url,
        "select s.drop_number, s.effect, s.said_at, m.external_id is not null from qa_submissions s "
        "left join messages m on m.business_id = s.business_id and m.id = s.message_id order by s.said_at",
    )
    assert posted == [
        ("DR1752104", "created", at("2025-11-02 08:00"), True),
        ("DR1752104", "resubmitted", at("2025-12-05 08:00"), True),
        ("DR1752200", "created", at("2025-12-07 08:00"), True),
    ]
    assert done["messages"].read == 6
    assert await rows(fresh_owner_url, "select drop_number from marketing_activations") == [("DR1752300",)]
    assert await rows(fresh_owner_url, "select drop_number from invalid_drop_submissions") == [("DR1752999",)]
    recorded = "select subject, count(*) from audit_log group by 1 order by 1"
    assert await rows(fresh_owner_url, recorded) == [("drop", 1), ("review", 2)]


async def test_every_reference_finds_in_dev_what_it_named_in_production(home: Business, fresh_owner_url: str) -> None:
    """Dev numbers its messages itself, so each message number in a copied row is another one."""
    await change(fresh_owner_url, "select setval('messages_id_seq', 500)")
    await copy(fresh_owner_url)
    for table in ("qa_submissions", "marketing_posts", "invalid_drop_submissions"):
        query = (
            f"select t.drop_number, m.external_id from {table} t join messages m on m.business_id = t.business_id "
            "and m.id = t.message_id where m.said_at >= '2025-12-03' order by 1"
        )
        assert await rows(fresh_owner_url, query) == await rows(fresh_owner_url, query, "public")
        assert await rows(fresh_owner_url, query) != []
    assert await rows(fresh_owner_url, "select min(id) > 500 from messages") == [(True,)]


async def test_a_second_copy_changes_nothing(home: Business, fresh_owner_url: str) -> None:
    await copy(fresh_owner_url)
    before = [await rows(fresh_owner_url, f"select * from {one.table} order by 1, 2, 3") for one in TABLES]
    again = await copy(fresh_owner_url)
    assert {one.table: one.written for one in again.values() if one.written} == {}
    assert [await rows(fresh_owner_url, f"select * from {one.table} order by 1, 2, 3") for one in TABLES] == before


async def test_what_both_have_becomes_production_s_and_what_dev_alone_has_stays(
    home: Business, fresh_owner_url: str
) -> None:
    await copy(fresh_owner_url)
    await change(
        fresh_owner_url,
        "update qa_photo_reviews set step_01_house_photo = true, comment = 'tried' where drop_number = 'DR1752104';"
        "insert into qa_photo_reviews (drop_number, project, user_name) values ('DR1', 'Lawley', 'by hand')",
    )
    done = await copy(fresh_owner_url)
    assert done["qa_photo_reviews"].written == 1
    found = await rows(
        fresh_owner_url, "select drop_number, step_01_house_photo from qa_photo_reviews order by drop_number"
    )
    assert found == [("DR1", False), ("DR1752104", False), ("DR1752200", False)]


async def test_a_drop_that_was_renamed_in_production_is_renamed_by_the_next_copy(
    home: Business, fresh_owner_url: str
) -> None:
    await copy(fresh_owner_url)
    await change(
        fresh_owner_url, "update qa_photo_reviews set drop_number = 'DR1752201' where space = 'Velo Test'", "public"
    )
    await copy(fresh_owner_url)
    query = "select drop_number from qa_photo_reviews where space = 'Velo Test'"
    assert await rows(fresh_owner_url, query) == [("DR1752201",)]


async def test_rows_that_dev_has_read_itself_are_known_and_not_doubled(
    home: Business, fresh_db: Database, fresh_owner_url: str, dev: Database
) -> None:
    """Velo Test is read by both: dev has the same message under a number of its own, in clear."""
    (found,) = await rows(fresh_owner_url, "select external_id from messages where text = 'DR1752200'", "public")
    own = said(VELO_TEST, "DR1752200", "2025-12-07 08:00", external_id=found[0])
    await environment.create(fresh_owner_url, "dev", {})

    async def read(conn: Conn) -> None:
        await monitor.file(conn, home, [own], await monitor.open_for(conn, home, VELO_TEST))

    await dev.run("read", read)
    await copy(fresh_owner_url)
    await dev.run("read again", read)
    counts = [
        await rows(fresh_owner_url, f"select count(*) from {table} where {where}")
        for table, where in (
            ("messages", f"chat = '{VELO_TEST.group}'"), ("qa_photo_reviews", "space = 'Velo Test'"),
            ("qa_submissions", "space = 'Velo Test'"), ("drops", "space = 'Velo Test'"),
        )
    ]  # fmt: skip
    assert counts == [[(1,)]] * 4


async def test_a_drop_of_which_dev_read_only_the_later_post_has_one_review_after_a_copy(
    home: Business, fresh_owner_url: str, dev: Database
) -> None:
    """A review is dated by its first post, so dev's stands under another key."""
    await environment.create(fresh_owner_url, "dev", {})

    async def read(conn: Conn) -> None:
        later = said(LAWLEY, "DR1752104 again", "2025-12-05 08:00")
        await monitor.file(conn, home, [later], await monitor.open_for(conn, home, LAWLEY))

    await dev.run("read", read)
    query = "select drop_number, review_date from qa_photo_reviews where drop_number = 'DR1752104'"
    assert await rows(fresh_owner_url, query) != await rows(fresh_owner_url, query, "public")
    for _ in range(2):
        await copy(fresh_owner_url)
        assert await rows(fresh_owner_url, query) == await rows(fresh_owner_url, query, "public")


async def test_rows_that_are_alike_come_each_wherever_a_batch_ends(
    home: Business, fresh_owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two records of one moment, and two dated reviews of one drop."""
    monkeypatch.setattr(environment_copying, "BATCH", 1)
    await change(
        fresh_owner_url,
        "insert into audit_log (business_id, at, who, action, subject, subject_id, after) "
        "select 1, '2025-12-09', 'Ana', 'review.saved', 'review', id::text, jsonb_build_object('n', n) "
        "from qa_photo_reviews, generate_series(1, 3) n where drop_number = 'DR1752104';"
        "insert into qa_photo_reviews (business_id, drop_number, project, user_name, review_date) "
        "values (1, 'DR1752104', 'Lawley', 'by hand', '2025-12-05')",
        "public",
    )
    records = "select after ->> 'n' from audit_log where at = '2025-12-09' order by 1"
    for _ in range(2):
        done = await copy(fresh_owner_url)
        assert await rows(fresh_owner_url, records) == [("1",), ("2",), ("3",)]
        assert await rows(fresh_owner_url, "select count(*) from qa_photo_reviews where drop_number = 'DR1752104'") == [
            (2,)
        ]
    assert {one.table: one.written for one in done.values() if one.written} == {}


async def test_new_rows_in_dev_do_not_collide_with_copied_ones(
    home: Business, fresh_owner_url: str, dev: Database
) -> None:
    await copy(fresh_owner_url)

    async def file(conn: Conn) -> None:
        at_desk = await monitor.open_for(conn, home, LAWLEY, CHECKED, VELO_TEST, MARKETING)
        for post in (said(LAWLEY, "DR1752105"), said(MARKETING, "DR1752106"), said(CHECKED, "DR1752998")):
            await monitor.file(conn, home, [post], at_desk)
        await conn.execute("insert into businesses (name) values ('Another')")

    await dev.run("file", file)
    assert await rows(fresh_owner_url, "select count(*) from constraint_violations") == [(0,)]


async def test_a_copied_project_is_read_only_where_dev_s_own_file_says_so(
    home: Business, fresh_owner_url: str, dev: Database
) -> None:
    await environment.create(fresh_owner_url, "dev", {})
    await dev.run("mirror", lambda conn: monitor.open_for(conn, home, VELO_TEST))
    await copy(fresh_owner_url)
    active = "select name from monitor_projects where active"
    assert await rows(fresh_owner_url, active) == [("Velo Test",)]
    assert len(await rows(fresh_owner_url, "select name from monitor_projects")) == 4


async def test_waiting_work_and_people_are_never_copied(home: Business, fresh_owner_url: str) -> None:
    await copy(fresh_owner_url, masks=None)
    left = [table for table in NEVER if table not in {"alembic_version", "audit_log"}]
    assert [table for table in left if await rows(fresh_owner_url, f"select 1 from {table} limit 1")] == []


async def test_every_table_is_copied_or_says_why_it_is_not(conn: Conn) -> None:
    found = await (
        await conn.execute("select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")
    ).fetchall()
    assert {row[0] for row in found} == {one.table for one in TABLES} | set(NEVER)
    assert {one.table for one in TABLES} & set(NEVER) == set()


@pytest.mark.parametrize("copied", TABLES, ids=lambda copied: copied.table)
async def test_every_column_that_may_hold_words_says_what_it_holds(conn: Conn, copied: Any) -> None:
    """A column that says nothing is masked all the same, but by guess."""
    columns = await columns_of(conn, copied)
    guessed = [c.name for c in columns if kind_of_type(c.type) is not Kind.PLAIN and c.name not in copied.kinds]
    assert guessed == []
    assert set(copied.kinds) <= {column.name for column in columns}


# ── Masks ───────────────────────────────────────────────────────────────────────────────────────────────────────────

PERSONAL = re.compile(r"2782|Piet|Ana|good morning|123456789012345")


async def contents(url: str, schema: str) -> str:
    return "\n".join([
        str(await rows(url, f"select to_jsonb(t)::text from {one.table} t", schema)) for one in TABLES
    ])  # fmt: skip


async def test_nothing_personal_comes_through_and_every_drop_does(home: Business, fresh_owner_url: str) -> None:
    assert PERSONAL.search(await contents(fresh_owner_url, "public"))
    await copy(fresh_owner_url)
    text = await contents(fresh_owner_url, "dev")
    assert PERSONAL.search(text) is None
    assert await rows(fresh_owner_url, "select text from messages order by said_at") == [
        ("… DR1752104 …",), ("DR1752104 …",), ("…",), ("DR1752200",), ("DR1752300",), ("DR1752999",),
    ]  # fmt: skip


async def test_one_sender_is_one_sender_across_tables(home: Business, fresh_owner_url: str) -> None:
    await copy(fresh_owner_url)
    query = (
        "select distinct ltrim(sender_phone, '+') from messages where text ~ 'DR175(2104|2300)' "
        "union select ltrim(sender_phone, '+') from qa_submissions where drop_number = 'DR1752104' "
        "union select submitted_by from qa_photo_reviews where drop_number = 'DR1752104' "
        "union select user_name from marketing_activations"
    )
    assert await rows(fresh_owner_url, query) == [(MASKS.who(ANA[1:]),)]


async def test_unmasked_is_as_production_has_it_and_production_s_record_says_so(
    home: Business, fresh_owner_url: str
) -> None:
    await copy(fresh_owner_url, masks=None)
    query = "select text, sender_phone from messages where said_at >= '2025-12-03' order by said_at"
    assert await rows(fresh_owner_url, query) == await rows(fresh_owner_url, query, "public")
    recorded = "select who, subject_id, after from audit_log where action = 'environment.copied'"
    assert await rows(fresh_owner_url, recorded, "public") == [
        ("command line", "dev", {"since": SINCE.isoformat(), "masked": False})
    ]


async def test_a_lock_on_a_review_does_not_come_along(home: Business, fresh_owner_url: str) -> None:
    await change(fresh_owner_url, "update qa_photo_reviews set locked_by = 'Ana', locked_at = now()", "public")
    await copy(fresh_owner_url, masks=None)
    assert await rows(fresh_owner_url, "select 1 from qa_photo_reviews where locked_by is not null") == []


# ── Who may, and what it may touch ──────────────────────────────────────────────────────────────────────────────────


async def test_production_is_not_copied_to_and_the_owner_cannot_become_its_role(
    home: Business, fresh_owner_url: str
) -> None:
    with pytest.raises(WrongSetup, match="Production is what is copied from"):
        await environment_copying.copy(fresh_owner_url, Request("prod", SINCE, MASKS))
    with pytest.raises(errors.InsufficientPrivilege):
        await change(fresh_owner_url, f"set role {APP}", "public")


async def test_the_writing_half_of_a_copy_is_refused_in_production(home: Business, fresh_owner_url: str) -> None:
    """By the database, whatever the statement says."""
    for statement in ("delete from public.messages", "insert into public.drops select * from public.drops"):
        with pytest.raises(errors.InsufficientPrivilege):
            await change(fresh_owner_url, f"begin; set local role {DEV}; {statement}")


async def test_the_reading_half_of_a_copy_can_write_nothing(home: Business, fresh_owner_url: str) -> None:
    async with one_moment(fresh_owner_url) as conn:
        with pytest.raises(errors.ReadOnlySqlTransaction):
            await conn.execute("delete from drops")


async def test_production_works_on_while_it_is_copied_and_the_copy_is_of_one_moment(
    home: Business, fresh_db: Database, fresh_owner_url: str
) -> None:
    """A post that is filed between two batches, and is not in the moment, leaves no half of itself."""
    told: list[str] = []
    filed: list[asyncio.Task[None]] = []

    async def post() -> None:
        async def work(conn: Conn) -> None:
            await monitor.file(conn, home, [said(MOHADIN, "DR1752777", "2025-12-09 08:00")], monitor.desk())

        await fresh_db.run("post", work)

    def progress(table: str, done: int, total: int) -> None:
        told.append(table)
        if len(told) == 1:
            filed.append(asyncio.get_running_loop().create_task(post()))

    await environment_copying.copy(fresh_owner_url, Request("dev", SINCE, MASKS), progress)
    await asyncio.wait_for(filed[0], 10)
    everywhere = (
        "select 1 from drops where drop_number = 'DR1752777' union all select 1 from messages where text ~ '1752777'"
    )
    assert await rows(fresh_owner_url, everywhere, "public") == [(1,), (1,)]
    assert await rows(fresh_owner_url, everywhere) == []
    await copy(fresh_owner_url)
    assert await rows(fresh_owner_url, everywhere) == [(1,), (1,)]


async def test_a_copy_that_was_killed_leaves_whole_batches_and_the_next_one_ends_it(
    home: Business, fresh_owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment_copying, "BATCH", 2)

    def die(table: str, done: int, total: int) -> None:
        if (table, done) == ("messages", 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await environment_copying.copy(fresh_owner_url, Request("dev", SINCE, MASKS), die)
    assert await rows(fresh_owner_url, "select count(*) from messages") == [(4,)]
    done = await copy(fresh_owner_url)
    assert (done["messages"].read, done["messages"].written) == (6, 2)
    assert await rows(fresh_owner_url, "select count(*) from qa_submissions") == [(3,)]


async def test_dev_s_own_worker_is_asked_for_what_follows_once_something_changed(
    home: Business, fresh_owner_url: str
) -> None:
    asked = Request("dev", SINCE, MASKS, afterwards=("monitor.recount",))
    for _ in range(2):
        await environment_copying.copy(fresh_owner_url, asked)
        assert await rows(fresh_owner_url, "select kind from jobs") == [("monitor.recount",)]


async def test_two_copies_at_once_are_one_too_many(home: Business, fresh_owner_url: str) -> None:
    async with alone(fresh_owner_url, "dev"):
        with pytest.raises(Conflict, match="Somebody else"):
            await copy(fresh_owner_url)


async def test_a_schema_that_somebody_dropped_is_told_and_one_of_other_columns_too(
    home: Business, fresh_owner_url: str
) -> None:
    await change(fresh_owner_url, "alter table drops add column mine text")
    with pytest.raises(WrongSetup, match="drops has not the same columns in production and in dev: mine"):
        await copy(fresh_owner_url)
    await change(fresh_owner_url, "drop schema dev cascade", "public")
    with pytest.raises(WrongSetup, match="tallybook env create dev"):
        await copy(fresh_owner_url)


async def test_a_business_of_the_same_number_and_another_name_is_not_filled(
    home: Business, fresh_owner_url: str
) -> None:
    await change(fresh_owner_url, "insert into businesses (id, name) values (1, 'Kinneret Tours')")
    with pytest.raises(WrongSetup, match="Business 1 is “Velo Fibre” in production and “Kinneret Tours” in dev"):
        await copy(fresh_owner_url)


async def test_a_preview_counts_and_changes_nothing(home: Business, fresh_owner_url: str) -> None:
    found = {one.table: one for one in await environment_copying.preview(fresh_owner_url, Request("dev", SINCE, MASKS))}
    assert (found["messages"].taken, found["messages"].there) == (6, 0)
    assert await rows(fresh_owner_url, "select count(*) from messages") == [(0,)]
    assert await rows(fresh_owner_url, "select 1 from audit_log where action = 'environment.copied'", "public") == []
    assert datetime.now(UTC) > NOW
