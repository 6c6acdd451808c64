"""A constraint that says no unexpectedly is recorded, outside the failed transaction, without personal data."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from psycopg import errors as pg

from tallybook.core import violations
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.violations import UnexpectedViolation

DROP = "insert into drops (business_id, space, drop_number, last_posted_at) values (%s, 'fibre', 'DR1752104', now())"
MESSAGE = """
insert into messages (business_id, channel, account, scope, external_id, chat, sender_raw, said_at, text, content_hash)
values (%s, 'bridge', 'velo', 'group', 'BASE64OFAPHONE', 'group', '27820000001', now(), 'a private word', '')
"""
RECORDED = """
select sqlstate, table_name, constraint_name, declared, key_masked, existing, place from constraint_violations
"""


async def recorded(db: Database) -> list[tuple]:
    async with db.transaction() as conn:
        return await (await conn.execute(RECORDED)).fetchall()


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
        ("insert into businesses (id, name) values (%s, 'b') on conflict (time_zone) do nothing", "42P10", None),
    ],
)  # fmt: skip
async def test_other_constraints_are_recorded_too(
    db: Database, business: Business, statement: str, sqlstate: str, constraint: str | None
) -> None:
    with pytest.raises(UnexpectedViolation):
        await db.run("try", lambda conn: conn.execute(statement.encode(), [business.id]))
    ((state, _, name, declared, _, existing, _),) = await recorded(db)
    assert (state, name, declared, existing) == (sqlstate, constraint, False, None)


async def test_one_that_the_code_expects_and_handles_is_nobodys_business(db: Database, business: Business) -> None:
    async def work(conn: Conn) -> None:
        await conn.execute(DROP.encode(), [business.id])
        with pytest.raises(pg.UniqueViolation):
            async with conn.transaction():
                await conn.execute(DROP.encode(), [business.id])

    await db.run("expected", work)
    assert await recorded(db) == []


async def test_recording_never_hides_the_first_error() -> None:
    class Away:
        def transaction(self) -> None:
            raise OSError("the database is away")

    await violations.record(Away(), pg.UniqueViolation(), "somewhere")


@pytest.mark.parametrize(
    ("detail", "key"),
    [
        ("Key (a, b)=(1, x) already exists.", {"a": "1", "b": "x"}),
        ('Key (a)=(9) is not present in table "t".', {"a": "9"}),
        ("Key (a, b)=(1, x, y) already exists.", {}),
        ("Failing row contains (a private word).", {}),
        ("Schlüssel »(a)=(1)« existiert bereits.", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_a_key_is_read_only_where_it_can_be_told_apart(detail: str, key: dict[str, str]) -> None:
    assert violations._key(detail) == key


def test_a_shards_suffix_is_no_part_of_a_name() -> None:
    assert violations._whole("drops_pkey_102015") == "drops_pkey"
    assert violations._whole("drops_pkey") == "drops_pkey"
    assert violations._whole(None) is None
