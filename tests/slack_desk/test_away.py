"""People in Slack while the database is away: what they look at comes from the copy, what they ask for is kept."""

from __future__ import annotations

import json
from pathlib import Path

from tallybook.core.receive import Receiver
from tallybook.slack_link.door import SlackDoor
from tallybook.triage.blocks.names import View
from tallybook.triage.service.snapshots import Keeper
from tallybook.triage.snapshot import Shelf
from tests.core.worked import rows, until
from tests.slack_desk.office import Office, knocking


async def test_the_rota_is_shown_by_the_copy_and_what_is_decided_late_is_kept_for_who_leads(
    office: Office, receiver: Receiver, tmp_path: Path
) -> None:
    path = tmp_path / "copy.json"
    assert await Keeper(office.db, path).keep()
    await office.ask_for_cover(office.maria, office.ben)
    await office.process()
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    # As slow as can be: nothing that asks the database is awaited.
    office.slack.teller.door = knocking(SlackDoor(office.db, office.sender, receiver, within=0.0, shelf=Shelf(path)))
    await office.slack.acts.command(office.maria, "/triage-schedule")
    assert "The database is away" in json.dumps(office.maria.view)
    await office.slack.acts.press(office.lena, request, "triage_approve")

    async def is_back() -> bool:
        return await rows(office.db, "select count(*) from deliveries where state = 'waiting'") == [(1,)]

    await until(is_back)
    await office.process()
    await office.process()
    assert await rows(office.db, "select sent_by, because from triage_kept_orders") == [(office.lena.id, "")]


async def test_cover_is_asked_for_by_the_copy_and_decided_when_the_database_is_back(
    office: Office, receiver: Receiver, tmp_path: Path
) -> None:
    path = tmp_path / "copy.json"
    async with office.db.transaction() as conn:
        await conn.execute("update businesses set locale = 'he'")
    assert await Keeper(office.db, path).keep()
    office.slack.teller.door = knocking(SlackDoor(office.db, office.sender, receiver, within=0.0, shelf=Shelf(path)))
    await office.ask_for_cover(office.maria, office.ben)
    assert (office.maria.view["callback_id"], office.maria.faults) == (View.NOTICE, [])
    assert "מסד הנתונים" in json.dumps(office.maria.view, ensure_ascii=False), "in the business's language"
    await office.slack.acts.command(office.lena, "/admin-users")
    assert len(office.lena.views) == 0, "who leads is not known by a copy"

    async def is_back() -> bool:
        return await rows(office.db, "select count(*) from deliveries where state = 'waiting'") == [(1,)]

    await until(is_back)
    assert await office.overrides() == []
    await office.process()
    assert await office.overrides() == [("pending", office.ben.id, office.maria.id)]
