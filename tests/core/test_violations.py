"""A constraint that says no unexpectedly is recorded, outside the failed transaction, without personal data."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from prometheus_client import REGISTRY
from psycopg import errors as pg

from tallybook.core import alarm_store, arbiter_named, health_words, keys, violation_detail, violations, violations_kept
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.violations import Kind, UnexpectedViolation, Violation
from tests.architecture import sources
from tests.core.worked import rows

DROP = "insert into drops (business_id, space, drop_number, last_posted_at) values (%s, 'fibre', 'DR1752104', now())"
MESSAGE = """
insert into messages (business_id, channel, account, scope, external_id, chat, sender_raw, said_at, text, content_hash)
values (%s, 'bridge', 'velo', 'group', 'BASE64OFAPHONE', 'group', '27820000001', now(), 'a private word', '')
"""
TEAM = """
insert into triage_teams (business_id, name, folded, zone) values (%s, 'Core', 'core', 'UTC') returning id
"""
SPRINT = """
insert into sprints (business_id, team_id, sprint_index, sprint_name, start_date, end_date, starts_at, ends_at)
values (%s, %s, %s, 'A sprint', '2026-01-01', '2026-01-15', '2026-01-01T00:00Z', '2026-01-15T00:00Z')
"""
RECORDED = """
select sqlstate, table_name, constraint_name, declared, key_masked, existing, place from constraint_violations
order by id
"""
TIMES = "select constraint_name, answered, times from constraint_violations order by id"


async def recorded(db: Database) -> list[tuple[Any, ...]]:
    return await rows(db, RECORDED)


async def twice(db: Database, statement: str, business: Business) -> UnexpectedViolation:
    async def work(conn: Conn) -> None:
        await conn.execute(statement.encode(), [business.id])

    await db.run("file a post", work)
    with pytest.raises(UnexpectedViolation) as caught:
        await db.run("file a post", work)
    return caught.value


async def test_a_duplicate_is_recorded_with_its_key_and_the_row_in_its_way(db: Database, business: Business) -> None:
    labels = {"table": "drops", "constraint": "drops_pkey"}
    before = REGISTRY.get_sample_value("tallybook_constraint_violations_total", labels) or 0
    error = await twice(db, DROP, business)
    assert "drops_pkey on drops" in error.message
    key = f"business_id={business.id}, space=fibre, drop_number=DR1752104"
    existing = {"business_id": business.id, "space": "fibre", "drop_number": "DR1752104"}
    assert await recorded(db) == [("23505", "drops", "drops_pkey", True, key, existing, "file a post")]
    assert REGISTRY.get_sample_value("tallybook_constraint_violations_total", labels) == before + 1


async def test_what_is_personal_is_masked_in_the_key_the_row_and_the_error(
    db: Database, business: Business, capsys: pytest.CaptureFixture[str]
) -> None:
    error = await twice(db, MESSAGE, business)
    assert error.__suppress_context__, "a traceback would print the server's detail line"
    ((_, _, constraint, _, key, existing, _),) = await recorded(db)
    assert constraint == "messages_natural_key"
    assert "external_id=‹14 characters›" in key
    everything = f"{key} {existing} {error} {error.details} {capsys.readouterr()}"
    for secret in ("BASE64OFAPHONE", "27820000001", "a private word"):
        assert secret not in everything
    assert set(existing) >= {"business_id", "id", "said_at"}


@pytest.mark.parametrize(
    ("statement", "sqlstate", "constraint"),
    [
        ("insert into account_roles (business_id, account_id, role) values (%s, 999, 'admin')", "23503",
         "account_roles_account_id_fkey"),
        ("insert into deliveries (channel, body, body_sha256, state) values ('x', '', '', 'lost-' || %s)", "23514",
         "deliveries_state_known"),
        ("insert into businesses (id, name) values (%s, 'b') on conflict (time_zone) do nothing", "42P10",
         "on conflict (time_zone)"),
    ],
)  # fmt: skip
async def test_other_constraints_are_recorded_too(
    db: Database, business: Business, statement: str, sqlstate: str, constraint: str | None
) -> None:
    with pytest.raises(UnexpectedViolation):
        await db.run("try", lambda conn: conn.execute(statement.encode(), [business.id]))
    ((state, _, name, declared, _, existing, _),) = await recorded(db)
    assert (state, name, declared, existing) == (sqlstate, constraint, False, None)


async def test_two_statements_that_each_lack_a_key_are_two_alarms(db: Database, business: Business) -> None:
    asking = (
        "insert into businesses (id, name) values (%s, 'b') on conflict (time_zone) do nothing",
        "insert into businesses (id, name) values (%s, 'b') on conflict (name, time_zone) do nothing",
        'insert into public."drops" (business_id) values (%s) on conflict (drop_number, lower(space)) do nothing',
    )
    for statement in (*asking, asking[0]):
        with pytest.raises(UnexpectedViolation):
            await db.run("try", lambda conn, text=statement: conn.execute(text.encode(), [business.id]))
    await violations_kept.flush(db)
    async with db.transaction() as conn:
        told = {(one.table, one.constraint): one for one in await alarm_store.refusals(conn)}
    assert {name: one.count for name, one in told.items()} == {
        ("businesses", "on conflict (time_zone)"): 2,
        ("businesses", "on conflict (name, time_zone)"): 1,
        ("drops", "on conflict (drop_number, lower(space))"): 1,
    }
    assert all(one.blocks and health_words.is_known(one.says) for one in told.values())
    assert "An insert into drops relies on a key" in told["drops", "on conflict (drop_number, lower(space))"].says


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("INSERT INTO t(a) VALUES ($1)\n ON CONFLICT (a,\n  b) DO NOTHING", "t on conflict (a, b)"),
        ("with x as (insert into t values (1) on conflict (a) do nothing) insert into s.u select 1 on conflict (b)",
         "t on conflict (a) or u (b)"),
        ("insert into t values (1) on conflict (coalesce(a, 'a private word')) do nothing", None),
        ("select 1 order by 2", None),
    ],
)  # fmt: skip
def test_what_a_statement_named_is_told_by_names_of_the_schema_alone(statement: str, named: str | None) -> None:
    assert arbiter_named.asked(statement) == named


async def behind_a_savepoint(db: Database, business: Business, *, answered: bool) -> None:
    async def work(conn: Conn) -> None:
        await conn.execute(DROP.encode(), [business.id])
        with pytest.raises(pg.UniqueViolation) as caught:
            async with conn.transaction():
                await conn.execute(DROP.encode(), [business.id])
        assert not answered or violations.answers(caught.value, keys.DROP)

    await db.run("look twice", work)


@pytest.mark.parametrize("answered", [True, False])
async def test_one_behind_a_savepoint_is_recorded_too_and_whether_the_code_had_an_answer(
    db: Database, business: Business, answered: bool
) -> None:
    await behind_a_savepoint(db, business, answered=answered)
    assert await rows(db, TIMES) == [("drops_pkey", answered, 1)]
    assert (await recorded(db))[0][-1] == "look twice"
    async with db.transaction() as conn:
        told = [(one.constraint, one.blocks) for one in await alarm_store.refusals(conn)]
    assert told == ([] if answered else [("drops_pkey", False)])


def test_a_rule_of_a_declared_name_that_looks_at_fewer_columns_is_not_the_declared_one() -> None:
    """Who asked whether it is taken would be told so of something else: it is refused aloud, and blocks."""
    whole = {"business_id": "1", "space": "fibre", "drop_number": "DR1752104"}
    assert Violation("23505", "drops", "drops_pkey", whole).declared
    assert not Violation("23505", "drops", "drops_pkey", {"business_id": "1", "drop_number": "DR1752104"}).declared
    assert Violation("23505", "drops", "drops_pkey", {}).declared, "the server said nothing of it"


async def test_what_keeps_periods_apart_is_declared_and_the_period_in_the_way_is_shown(
    db: Database, business: Business
) -> None:
    async def work(conn: Conn) -> None:
        (team,) = await (await conn.execute(TEAM.encode(), [business.id])).fetchone() or ()
        for number in (1, 2):
            await conn.execute(SPRINT.encode(), [business.id, team, number])

    with pytest.raises(UnexpectedViolation):
        await db.run("plan sprints", work)
    ((state, table, name, declared, key, existing, _),) = await recorded(db)
    assert (state, table, name, declared) == ("23P01", "sprints", "sprints_apart", True)
    assert "tstzrange(starts_at, ends_at)=[" in key
    assert existing["business_id"] == str(business.id)
    assert existing["tstzrange(starts_at, ends_at)"].startswith('["2026-01-01')


async def test_hundreds_of_refusals_at_once_are_counted_each_and_written_twice(
    db: Database, business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.refusals, "clock", lambda: 0.0)
    labels = {"table": "drops", "constraint": "drops_pkey"}
    before = REGISTRY.get_sample_value("tallybook_constraint_violations_total", labels) or 0

    async def post(times: int) -> None:
        for _ in range(times):
            with suppress(UnexpectedViolation):
                await db.run("a storm", lambda conn: conn.execute(DROP.encode(), [business.id]))

    # More than there are connections, and not so many that one waits for its turn longer than the pool lets it.
    await asyncio.gather(*(post(7) for _ in range(43)))
    assert REGISTRY.get_sample_value("tallybook_constraint_violations_total", labels) == before + 300
    assert await rows(db, TIMES) == [("drops_pkey", False, 1)]
    await violations_kept.flush(db, all_of_them=False)
    assert len(await rows(db, TIMES)) == 1, "not before its time"
    await violations_kept.flush(db)
    assert await rows(db, TIMES) == [("drops_pkey", False, 1), ("drops_pkey", False, 299)]


async def test_a_refusal_is_written_down_while_others_wait_for_every_connection(
    db: Database, business: Business, database_url: str
) -> None:
    """It is recorded by the connection on which it was met: for another one it would stand at the end of the queue."""
    looked = asyncio.Event()

    async def post(into: Database) -> None:
        await into.run("file a post", lambda conn: conn.execute(DROP.encode(), [business.id]))

    async def others(busy: Database) -> None:
        async with busy.transaction():
            await looked.wait()

    await post(db)
    async with open_database(database_url, "prod", size=1) as busy:
        refused, waiting = asyncio.create_task(post(busy)), asyncio.create_task(others(busy))
        with pytest.raises(UnexpectedViolation):
            await refused
        written = await rows(db, TIMES)
        looked.set()
        await waiting
    assert written == [("drops_pkey", False, 1)]


async def test_recording_never_hides_the_first_error_and_what_was_not_written_waits() -> None:
    class Away:
        refusals = violations_kept.Book()

        def transaction(self, within: float) -> None:
            raise OSError("the database is away")

    await violations_kept.record(Away(), pg.UniqueViolation(), "somewhere")
    assert [times for _, times in Away.refusals.due(all_of_them=True)] == [1]


async def test_refusals_whose_writer_is_cancelled_wait_to_be_written() -> None:
    """As when whoever asked on a page goes away, a handler takes too long, or a worker is told to stop."""
    begun = asyncio.Event()

    class Slow:
        refusals = violations_kept.Book()

        @asynccontextmanager
        async def transaction(self, within: float) -> AsyncIterator[None]:
            begun.set()
            await asyncio.Event().wait()
            yield

    async def cancelled(work: Coroutine[Any, Any, None]) -> None:
        writing = asyncio.create_task(work)
        await begun.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        begun.clear()

    slow = Slow()
    for error in (pg.UniqueViolation(), pg.CheckViolation()):
        await cancelled(violations_kept.record(slow, error, "somewhere"))
    await cancelled(violations_kept.flush(slow))
    assert [times for _, times in slow.refusals.due(all_of_them=True)] == [1, 1]


@pytest.mark.parametrize(
    ("sqlstate", "table", "constraint", "declared", "kind", "says"),
    [
        ("23505", "drops", "drops_pkey", True, Kind.EXPECTED, "had no answer"),
        ("23P01", "sprints", "sprints_apart", True, Kind.EXPECTED, "had no answer"),
        ("23505", "drops", "drops_number_key", False, Kind.BLOCKS, "no rule of ours"),
        ("23505", "drops", "drops_pkey", False, Kind.BLOCKS, "fewer columns"),
        ("42P10", None, None, False, Kind.BLOCKS, "does not have"),
        ("42P10", "drops", "on conflict (a, lower(b))", False, Kind.BLOCKS, "not have: on conflict (a, lower(b))."),
        ("23503", "leads", "leads_contact_fkey", False, Kind.BLOCKS, "not there"),
        ("23514", "jobs", "jobs_state_known", False, Kind.BLOCKS, "does not allow a value"),
    ],
)
def test_a_declared_rule_that_did_its_work_and_one_in_the_way_are_told_apart(
    sqlstate: str, table: str | None, constraint: str | None, declared: bool, kind: Kind, says: str
) -> None:
    assert violations.kind_of(sqlstate, declared=declared) is kind
    sentence = violations.meaning(sqlstate, table, constraint, declared=declared)
    assert says in sentence
    assert health_words.is_known(sentence), "else no letter tells it"


def test_whoever_catches_a_refusal_asks_by_the_name_of_a_declared_rule() -> None:
    """Swallowed by its class, a constraint that is too strict would look like a duplicate."""
    caught = re.compile(r"except \(?[\w., ]*(?:Violation|IntegrityError)\b.*:\n(?P<next>.*\n)")
    asked = [
        (path, "violations.answers(" in found["next"])
        for path, _ in sources.trees()
        for found in caught.finditer((sources.SOURCE / path).read_text("utf-8"))
        if "UnexpectedViolation" not in found[0] and path.parts[0] != "doctor"  # at home in any database
    ]
    assert len(asked) >= 5
    assert [path for path, is_asked in asked if not is_asked] == []


@pytest.mark.parametrize(
    ("detail", "key"),
    [
        ("Key (a, b)=(1, x) already exists.", {"a": "1", "b": "x"}),
        ("Schlüssel »(a)=(1)« existiert bereits.", {"a": "1"}),
        ("La clé « (a)=(1) » existe déjà.", {"a": "1"}),
        ('キー (a, "b c")=(1, (x)=(y)) はすでに存在します。', {"a": "1", "b c": "(x)=(y)"}),
        # A value with a comma: of one column that may hold anything it is known whole, of several it is not.
        ("Key (business_id, b, kind)=(1, x, y, z) already exists.", {"business_id": "1", "b": "x, y", "kind": "z"}),
        ("Key (business_id, b, kind, c)=(1, x, y, k, z) already exists.",
         {"business_id": "1", "b": None, "kind": None, "c": None}),
        ("Key (business_id, project, kind)=(1, A, B, k) already exists.",
         {"business_id": "1", "project": None, "kind": None}),
        ("Key (a, b)=(1) already exists.", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_a_key_is_read_whatever_the_server_s_language_and_its_values(detail: str, key: dict[str, str | None]) -> None:
    assert violations.of("23505", "t", "t_key", detail).key == key


@pytest.mark.parametrize(
    "detail",
    [
        'Key (a, tstzrange(b, c))=(1, ["x","y")) conflicts with existing key (a, tstzrange(b, c))=(1, ["w","z")).',
        'Der Schlüssel »(a, tstzrange(b, c))=(1, ["x","y"))« kollidiert mit »(a, tstzrange(b, c))=(1, ["w","z"))«.',
    ],
)
def test_of_periods_both_keys_are_read(detail: str) -> None:
    refused, there = violation_detail.told("23P01", detail, frozenset())
    assert refused.key == {"a": "1", "tstzrange(b, c)": '["x","y")'}
    assert there.key == {"a": "1", "tstzrange(b, c)": '["w","z")'}


def test_a_row_in_which_something_looks_like_a_key_is_not_taken_for_one() -> None:
    assert violations.of("23514", "t", "t_check", "Failing row contains (1, (id)=(a private word)).").key == {}
    missing = "In Tabelle »t« gibt es keinen Schlüssel (a)=(9)."
    assert violations.of("23503", "u", "u_fkey", missing).key == {"a": "9"}


async def test_the_row_in_the_way_is_found_where_a_value_holds_a_comma(db: Database, business: Business) -> None:
    await twice(db, MESSAGE.replace("BASE64OFAPHONE", "BASE64, OF, APHONE"), business)
    ((_, _, constraint, declared, key, existing, _),) = await recorded(db)
    assert (constraint, declared) == ("messages_natural_key", True)
    assert "external_id=‹…›" in key
    assert "APHONE" not in f"{key} {existing}"
    assert set(existing) >= {"business_id", "id", "said_at"}


def test_a_shards_suffix_is_no_part_of_a_name() -> None:
    assert violations.whole("drops_pkey_102015") == "drops_pkey"
    assert violations.whole("drops_pkey") == "drops_pkey"
    assert violations.whole(None) is None
