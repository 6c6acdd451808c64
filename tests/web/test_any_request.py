"""Whatever a program sends, by the API's own description or against it: no answer is a fault of ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tallybook.core import api_tokens
from tallybook.core.callers import Scope
from tallybook.core.db import Database
from tests import world
from tests.inbox import world as inbox
from tests.web.browser import Site

ONES_OWN = ("/api/account",)  # by which the token under which it asks would end
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


async def asked(site: Site, db: Database, root: world.Someone, examples: int) -> tuple[int, set[str]]:
    """How many operations were asked, so often each with data of each mode, and which answers were faults."""

    async def fill(conn: Any) -> str:
        who = await inbox.customer(conn, root.business, lead="Noa Cohen", profile="noa")
        await inbox.says(conn, who, "Where is my order?")
        return await api_tokens.create(conn, root.caller, "any", frozenset(Scope))

    token = await db.run("fill", fill)
    return await asyncio.to_thread(walk, site, {"Authorization": f"Bearer {token}"}, examples)


def walk(site: Site, headers: dict[str, str], examples: int) -> tuple[int, set[str]]:
    schema = schemathesis.openapi.from_url(f"{site.address}/schema/openapi.json", headers=headers)
    found: set[str] = set()
    count = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.path.startswith(ONES_OWN):
            continue
        count += 1
        for mode in MODES:
            found |= faults(operation.as_strategy(generation_mode=mode), headers, examples)
    return count, found


def faults(strategy: Any, headers: dict[str, str], examples: int) -> set[str]:
    found: set[str] = set()

    @settings(
        max_examples=examples, database=None, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def ask(case: Any) -> None:
        answer = case.call(headers=headers, timeout=20)
        if answer.status_code >= 500:
            found.add(f"{case.method} {case.formatted_path}: {answer.status_code} {answer.text[:200]}")

    ask()
    return found


async def test_no_request_is_a_fault_of_ours(site: Site, db: Database, root: world.Someone) -> None:
    count, found = await asked(site, db, root, 1)
    assert found == set()
    assert count > 50


@pytest.mark.soak
async def test_nor_are_many(site: Site, db: Database, root: world.Someone) -> None:
    assert (await asked(site, db, root, 100))[1] == set()
