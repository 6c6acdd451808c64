"""What start-up says of a key that the database does not hold mends it, run as it is printed."""

from __future__ import annotations

import psycopg
import pytest

from tallybook.core import key_check
from tallybook.core.errors import WrongSetup

LOGIN = "alter table accounts drop constraint accounts_login_key"
NAMED = "create table pointing (who int constraint points references accounts ({column}) on delete cascade)"
OTHER = "alter table accounts add column number int not null generated always as identity"

BROKEN = {
    "missing": [LOGIN],
    "deferrable": [LOGIN, "alter table accounts add constraint accounts_login_key unique (login) deferrable"],
    "an index on other columns": [LOGIN, "create unique index accounts_login_key on accounts (id, login)"],
    "a foreign key that another key can bear": [
        LOGIN, OTHER, "alter table accounts add constraint accounts_login_key unique (number)",
        NAMED.format(column="number"), "alter table accounts add constraint too unique (number)",
    ],
    "a foreign key that nothing else can bear": [
        LOGIN, OTHER, "alter table accounts add constraint accounts_login_key unique (number)",
        NAMED.format(column="number"),
    ],
    "a foreign key on an index alone": [
        LOGIN, OTHER, "create unique index accounts_login_key on accounts (number)", NAMED.format(column="number"),
    ],
    "a foreign key of the table itself": [
        LOGIN, OTHER, "create unique index accounts_login_key on accounts (number)",
        "alter table accounts add column boss int constraint points references accounts (number)",
    ],
}  # fmt: skip
POINTS = "select pg_get_constraintdef(oid) from pg_constraint where conname = 'points'"


@pytest.mark.parametrize("broken", BROKEN)
async def test_the_statements_that_are_printed_mend_the_key(fresh_owner_url: str, broken: str) -> None:
    async with await psycopg.AsyncConnection.connect(fresh_owner_url, autocommit=True) as conn:
        for statement in BROKEN[broken]:
            await conn.execute(statement.encode())
        pointed = await (await conn.execute(POINTS)).fetchall()
        with pytest.raises(WrongSetup, match="accounts_login_key") as refused:
            await key_check.check(conn)
        _, _, remedy = str(refused.value).partition("Mend it with: ")
        await conn.execute(remedy.encode())
        await key_check.check(conn)
        assert await (await conn.execute(POINTS)).fetchall() == pointed
        assert len(pointed) == ("foreign" in broken)
