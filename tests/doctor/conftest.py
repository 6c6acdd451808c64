"""A database of the doctor's own patients."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from tests.doctor.stories import Home
from tests.doctor.tables import Patient, patient
from tests.postgres import Server


@pytest.fixture(scope="session")
def stories(postgres: Server, worker_database: str) -> Iterator[Home]:
    home = Home(postgres, f"{worker_database}_stories")
    yield home
    home.close()


@pytest.fixture
async def ill(superuser_url: str) -> AsyncIterator[Patient]:
    """A schema for a test to make ill; gone when it ends."""
    async with patient(superuser_url) as one:
        yield one


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """The owner of the worker's database, outside transactions; what repairs wrote down is gone after the test."""
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as conn:
        yield conn
        await conn.execute("drop schema if exists tallybook_doctor cascade")


@pytest.fixture
async def schema(owner: psycopg.AsyncConnection[Any]) -> AsyncIterator[str]:
    """The name of a schema of the test's own, not yet made."""
    called = "s" + uuid.uuid4().hex[:8]
    yield called
    await owner.execute(f"drop schema if exists {called} cascade".encode())
