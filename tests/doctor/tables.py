"""Tables that a test makes for the doctor, gone when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from tallybook.doctor.contract import Apart, Contract, NaturalKey, Nulls
from tallybook.doctor.examining import examine
from tallybook.doctor.types import Finding, Report, Severity

SCHEMA = "patient"
Made = TypeVar("Made")


def key(columns: str, *, table: str = "t", same: bool = False, **more: Any) -> NaturalKey:
    """``key("a, b")``, of the table ``t``; expressions keep their parentheses."""
    return NaturalKey(
        table=table,
        columns=tuple(column.strip() for column in columns.split(",") if column.strip()),
        nulls=Nulls.SAME if same else Nulls.DISTINCT,
        **more,
    )


class Patient:
    """A schema of one connection's transaction, which is never committed."""

    def __init__(self, conn: psycopg.AsyncConnection[Any]) -> None:
        self.conn = conn

    async def make(self, statements: str) -> None:
        await self.conn.execute(statements.encode())

    async def report(self, *keys: NaturalKey | Apart, **contract: Any) -> Report:
        return await examine(
            self.conn,
            Contract(
                keys=tuple(one for one in keys if isinstance(one, NaturalKey)),
                apart=tuple(one for one in keys if isinstance(one, Apart)),
                **contract,
            ),
            [SCHEMA],
        )

    async def told(self, *keys: NaturalKey | Apart, **contract: Any) -> list[Finding]:
        """What is wrong, notes left out."""
        found = (await self.report(*keys, **contract)).findings
        return [one for one in found if one.severity is not Severity.NOTE]

    async def report_of(self, keys: Sequence[NaturalKey], schemas: Sequence[str]) -> list[Finding]:
        """What is wrong in several schemas, notes left out."""
        found = (await examine(self.conn, Contract(keys=tuple(keys)), schemas)).findings
        return [one for one in found if one.severity is not Severity.NOTE]


def short(findings: Sequence[Finding]) -> list[str]:
    """``too-strict t_a_key``, sorted."""
    return sorted(f"{one.code} {one.name or ''}".strip() for one in findings)


@asynccontextmanager
async def patient(url: str) -> AsyncIterator[Patient]:
    async with await psycopg.AsyncConnection.connect(url) as conn:
        await conn.execute(f"create schema {SCHEMA}".encode())
        await conn.execute(f"set local search_path to {SCHEMA}, extensions, public".encode())
        yield Patient(conn)
        await conn.rollback()


def tried(
    url: str, examples: int, cases: SearchStrategy[Made], holds: Callable[[Patient, Made], Awaitable[bool]]
) -> list[bool]:
    """What ``holds`` says of each of so many cases made at random, all of them on one connection."""
    said: list[bool] = []
    with asyncio.Runner() as runner:
        context = patient(url)
        ill = runner.run(context.__aenter__())

        @settings(
            max_examples=examples, deadline=None, database=None, derandomize=True,
            phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(cases)
        def one(made: Made) -> None:
            said.append(runner.run(holds(ill, made)))

        try:
            one()
        finally:
            runner.run(context.__aexit__(None, None, None))
    return said
