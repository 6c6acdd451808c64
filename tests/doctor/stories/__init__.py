"""Five stories of a schema that said something other than its business, written anew: each before and after its fix.

A state is ``before.sql``, and for what came after also the statements of the fix, with what happened since. The fixes
are as they were told, with what they left wrong, lost or could not do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from tallybook.doctor.contract import Contract
from tallybook.doctor.contract_file import read
from tests.postgres import OWNER, Server

FOLDER = Path(__file__).parent
STORIES = ("drop_numbers", "two_schemas", "rota", "session_upsert", "read_marks")


class State(NamedTuple):
    """A story at one point: ``before`` its fix, or after one."""

    story: str
    point: str

    def __str__(self) -> str:
        return f"{self.story}-{self.point}"

    @property
    def statements(self) -> str:
        points = ("before",) if self.point == "before" else ("before", self.point)
        return "".join((FOLDER / self.story / f"{point}.sql").read_text(encoding="utf-8") for point in points)

    @property
    def contract(self) -> Contract:
        """The story's business in its own words."""
        return read(FOLDER / self.story / "contract.toml")

    @property
    def schemas(self) -> list[str]:
        return ["public", "dev"] if self.story == "two_schemas" else ["public"]


EMPTY = """
do $$ declare one text; begin
    for one in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
        execute format('drop schema %I cascade', one);
    end loop;
    create schema public;
end $$
"""


class Home:
    """Where stories are told: a database of its owner's, emptied for each."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._name = name
        server.drop(name)
        server.run(f"create database {name} template template0 owner {OWNER} strategy file_copy")
        server.run(f"alter schema public owner to {OWNER}", name)

    @property
    def url(self) -> str:
        return self._server.url(OWNER, self._name)

    @asynccontextmanager
    async def opened(
        self, state: State, *also: str, told: str | None = None
    ) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """An autocommit connection to a database in that state, in which ``also`` ran too.

        ``told`` are other statements that make the same state.
        """
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as conn:
            for statement in (EMPTY, told or state.statements, *also):
                await conn.execute(statement.encode())
            yield conn

    def close(self) -> None:
        self._server.drop(self._name)
