"""How a test logs in without the web, and looks at what is stored."""

from __future__ import annotations

from tallybook.core import accounts, sessions
from tallybook.core.accounts import Login
from tallybook.core.callers import Caller
from tallybook.core.db import Database
from tallybook.core.login_limits import Limits
from tests.world import CHEAP, PASSWORD

LIMITS = Limits(b"k" * 32)
NEW = "amber splice tray 9"


async def log_in(db: Database, login: str = "ana", password: str = PASSWORD, address: str = "192.0.2.1") -> str:
    return await accounts.log_in(db, CHEAP, LIMITS, Login(login, password, address))


async def who(db: Database, token: str) -> Caller | None:
    return await db.run("resolve", lambda conn: sessions.resolve(conn, token))


async def fetch(db: Database, query: str) -> list[tuple[object, ...]]:
    async with db.transaction() as conn:
        return await (await conn.execute(query.encode())).fetchall()


async def change(db: Database, statement: str) -> None:
    async with db.transaction() as conn:
        await conn.execute(statement.encode())
