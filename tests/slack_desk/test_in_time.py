"""Everybody is answered in time and truly: many at once, while the database hangs, and when it decides too late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallybook.core.receive import Receiver
from tallybook.slack_link.door import SlackDoor
from tallybook.triage.blocks.names import View
from tallybook.triage.service.snapshots import Keeper
from tallybook.triage.snapshot import Shelf
from tests.core.worked import rows, until
from tests.slack_desk.office import Office, knocking


async def test_of_32_approvals_at_once_one_decides_and_the_others_are_told_who_it_was(
    office: Office, receiver: Receiver
) -> None:
    await office.ask_for_cover(office.maria, office.ben)
    await office.process()
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    # How long 32 decisions take is the machine's affair.
    office.slack.teller.door = knocking(SlackDoor(office.db, office.sender, receiver, within=30.0))
    office.slack.teller.patience = 40.0
    await asyncio.gather(*(office.slack.acts.press(office.lena, request, "triage_approve") for _ in range(32)))
    assert (await office.overrides())[0][0] == "approved"

    async def are_told() -> bool:  # Slack is answered before, where that takes long
        return len(office.lena.shown) >= 31

    await until(are_told)
    assert [("Lena" in one["text"]) for one in office.lena.shown] == [True] * 31
    assert await rows(office.db, "select count(*) from deliveries") == [(0,)]


async def test_while_the_look_up_of_the_token_hangs_too_a_view_is_opened_by_the_copy(
    office: Office, receiver: Receiver, superuser_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "copy.json"
    assert await Keeper(office.db, path).keep()
    await office.slack.acts.command(office.maria, "/triage-schedule")
    shelf = Shelf(path)
    office.slack.teller.door = knocking(SlackDoor(office.db, office.sender, receiver, within=0.3, shelf=shelf))
    office.maria.views.clear()
    async with await psycopg.AsyncConnection.connect(superuser_url) as held:
        await held.execute("lock table channel_accounts")
        await office.slack.acts.command(office.maria, "/triage-schedule")

        async def is_shown() -> bool:
            return len(office.maria.views) == 1

        await until(is_shown)
        assert (office.maria.view["callback_id"], office.maria.faults) == (View.SCHEDULE, [])
        await held.rollback()


COMMITS_SLOWLY = """
create function public.waits_at_commit() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock(4711); return null; end $$;
create constraint trigger waits_at_commit after insert on public.overrides deferrable initially deferred
    for each row execute function public.waits_at_commit();
select pg_advisory_lock(4711)
"""


@pytest.fixture
async def slow_commit(office: Office, superuser_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """Who asks for cover commits when this connection lets go of its lock."""
    held = await psycopg.AsyncConnection.connect(superuser_url, autocommit=True)
    await held.execute(COMMITS_SLOWLY.encode())
    yield held
    await held.execute("select pg_advisory_unlock_all()")
    await held.execute("drop function public.waits_at_commit() cascade")
    await held.close()


async def test_who_was_told_that_it_is_kept_hears_of_it_where_it_committed_in_that_moment(
    office: Office, slow_commit: psycopg.AsyncConnection[Any]
) -> None:
    await office.ask_for_cover(office.maria, office.ben)
    assert office.maria.view["callback_id"] == View.NOTICE
    assert await office.overrides() == []
    await slow_commit.execute("select pg_advisory_unlock(4711)")

    async def is_told() -> bool:
        return await rows(office.db, "select count(*) from triage_kept_orders") == [(1,)]

    async def is_back() -> bool:
        return await rows(office.db, "select count(*) from deliveries") == [(1,)]

    await until(is_told)
    await until(is_back)
    await office.process()
    assert await office.overrides() == [("pending", office.ben.id, office.maria.id)]
    assert len(office.told(office.maria)) == 1
    assert await rows(office.db, "select because from triage_kept_orders") == [("",)]
