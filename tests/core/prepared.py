"""Has the server parse a statement of ours, which fails for a wrong name or type as its execution would."""

from __future__ import annotations

import re

from tallybook.core.db import Conn


async def prepare(conn: Conn, name: str, statement: str) -> None:
    for number, parameter in enumerate(dict.fromkeys(re.findall(r"%\(\w+\)s", statement)), 1):
        statement = statement.replace(parameter, f"${number}")
    await conn.execute(f"prepare {name} as {statement}".encode())
