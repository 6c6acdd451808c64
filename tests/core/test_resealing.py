"""Once everything is sealed anew, an older key can be taken out of the settings and nothing is lost with it."""

from __future__ import annotations

from typing import Any

import pytest

from tallybook.core import resealing
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import WrongSetup
from tallybook.core.sealing import Seal

OLD, NEW, BOTH = Seal([b"o" * 32]), Seal([b"n" * 32]), Seal([b"n" * 32, b"o" * 32])
ADD = (
    """insert into channel_accounts (channel, account, business_id, label, token_sealed)
    values ('whatsapp', '1', $1, '', $2)""",
    """insert into hooks (business_id, name, host, url_sealed, secret_sealed, old_secret_sealed, old_until, events)
    values ($1, 'shop', 'shop.example', $2, $2, $2, now() + interval '1 hour', '{}')""",
    """insert into hooks (business_id, name, host, url_sealed, secret_sealed, old_secret_sealed, old_until, events)
    values ($1, 'till', 'till.example', $2, $2, $3, now() - interval '1 hour', '{}')""",
    "insert into triage_people (business_id, slack_id, name) values ($1, 'U1', 'Maria')",
    """insert into triage_calendars
        (business_id, slack_id, address_hash, address, host, away, made_by, made_at, next_at)
    values ($1, 'U1', 'h', $2, 'cal.example', false, 'Maria', now(), now())""",
)
COLUMNS = """
select table_name::text, column_name::text from information_schema.columns
where table_schema = current_schema() and data_type = 'bytea' and column_name !~ '(hash|sha256)$'
"""
OPEN = {("deliveries", "body"), ("triage_imports", "fingerprint")}


async def rows(conn: Conn, statement: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(statement.encode())).fetchall()


async def add(conn: Conn, business: Business, seal: Seal) -> None:
    for statement in ADD:
        text = statement.replace("$1", "%(b)s").replace("$2", "%(s)s").replace("$3", "%(gone)s")
        values = {"b": business.id, "s": seal.seal("a secret"), "gone": b"of a key that nobody has"}
        await conn.execute(text.encode(), values)


async def sealed(conn: Conn) -> list[bytes]:
    found = []
    for table, columns in resealing.COLUMNS.items():
        found += [
            bytes(one) for row in await rows(conn, f"select {', '.join(columns)} from {table}") for one in row if one
        ]
    return found


async def test_everything_that_is_sealed_is_opened_by_the_newest_key_alone(conn: Conn, business: Business) -> None:
    await add(conn, business, OLD)
    assert await resealing.seal_again(conn, BOTH) == 7
    assert [NEW.open(one) for one in await sealed(conn)] == ["a secret"] * 7


async def test_what_no_key_opens_is_named_and_nothing_is_sealed_anew(conn: Conn, business: Business) -> None:
    await add(conn, business, OLD)
    before = await sealed(conn)
    with pytest.raises(WrongSetup, match=r"The token of whatsapp 1 cannot be opened.*TALLYBOOK_SECRET_KEY"):
        await resealing.seal_again(conn, NEW)
    assert await sealed(conn) == before


async def test_no_column_of_bytes_but_hashes_and_what_came_is_left_out(conn: Conn) -> None:
    ours = {(table, column) for table, columns in resealing.COLUMNS.items() for column in columns}
    assert set(await rows(conn, COLUMNS)) - ours == OPEN
