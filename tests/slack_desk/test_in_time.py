"""Everybody is answered in time and truly: many at once, while the database hangs, and when it decides too late."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg

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
