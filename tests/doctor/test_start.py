"""What keeps the product from starting is an error of the doctor's too, and on a sound schema both are silent."""

from __future__ import annotations

import psycopg
import pytest

from tallybook.core import key_check
from tallybook.core.errors import WrongSetup
from tallybook.core.keys import NATURAL_KEYS, PERIODS_APART
from tallybook.doctor.contract import Apart, Contract, NaturalKey
from tallybook.doctor.examining import examine
from tallybook.doctor.types import Severity
from tests.core.test_key_remedies import BROKEN

DECLARED = Contract(
    keys=tuple(
        NaturalKey(table=key.table, columns=key.columns, name=key.constraint, same=key.same) for key in NATURAL_KEYS
    ),
    apart=tuple(Apart(table=one.table, name=one.constraint, rule=one.rule, same=one.same) for one in PERIODS_APART),
)
FAULTS = {
    **{what: ("accounts", statements) for what, statements in BROKEN.items()},
    "an invalid index": (
        "accounts",
        ["update pg_index set indisvalid = false where indexrelid = 'accounts_login_key'::regclass"],
    ),
    "some rows": (
        "accounts",
        [
            "alter table accounts drop constraint accounts_login_key",
            "create unique index accounts_login_key on accounts (login) where id > 1",
        ],
    ),
    "periods that are not kept apart": ("sprints", ["alter table sprints drop constraint sprints_apart"]),
}


@pytest.mark.parametrize("what", FAULTS)
async def test_both_find_the_same_fault(superuser_url: str, what: str) -> None:
    table, statements = FAULTS[what]
    async with await psycopg.AsyncConnection.connect(superuser_url) as conn:
        await conn.execute("set local search_path to public, extensions")
        for statement in statements:
            await conn.execute(statement.encode())
        with pytest.raises(WrongSetup, match=table):
            await key_check.check(conn)
        report = await examine(conn, DECLARED, ["public"])
        assert {one.table for one in report.findings if one.severity is Severity.ERROR} - {"pointing"} == {table}
        await conn.rollback()


async def test_both_are_silent_of_what_the_migrations_make(owner_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(owner_url) as conn:
        await conn.execute("set local search_path to public, extensions")
        await key_check.check(conn)
        report = await examine(conn, DECLARED, ["public"])
        assert [one.says for one in report.findings if one.severity is not Severity.NOTE] == []
        await conn.rollback()
