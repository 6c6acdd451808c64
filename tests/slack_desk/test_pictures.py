"""Where Slack can reach the pages, its home tab and schedule have a picture of the coming weeks; else none."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallybook.core import deliveries
from tallybook.core.receive import Receiver
from tallybook.settings import Settings
from tallybook.slack_desk.filing import Desk
from tallybook.slack_desk.pictures import Pictures
from tallybook.slack_desk.places import Places
from tallybook.slack_link.door import SlackDoor
from tallybook.told_channels import pictures_of, slack_entry
from tallybook.triage.blocks.names import Command
from tallybook.triage.service import feeds
from tallybook.triage.service.schedules import Schedules
from tests.core.worked import rows
from tests.slack_desk.office import SECRET, Office, knocking

PLACES = Places(pictures=Pictures("https://rota.example", b"k" * 32))
LINK = re.compile(r"https://rota\.example/triage/feeds/([\w.-]+)\.png\?v=\d+-\d{10}")


def picture(home: Any) -> list[str]:
    return [block["image_url"] for block in home["blocks"] if block["type"] == "image"]


async def test_the_home_has_a_picture_by_a_link_that_stays_the_same(office: Office) -> None:
    for _ in range(2):
        await office.slack.acts.open_home(office.maria)
        await deliveries.process(office.db, {"slack": slack_entry([SECRET], PLACES)}, asyncio.Event())
        await office.process()
    assert office.maria.home is not None
    (url,) = picture(office.maria.home)
    found = LINK.fullmatch(url)
    assert found is not None
    assert await rows(office.db, "select made_by, kind, account_id from triage_feeds") == [("tallybook", "team", None)]
    now = datetime.now(UTC)
    shown = await office.db.run("look", lambda conn: feeds.view(conn, Schedules(), found[1], now))
    assert shown.scope.team_id == office.team


async def test_the_schedule_has_it_too_of_the_weeks_from_now_and_not_of_another_day(
    office: Office, receiver: Receiver
) -> None:
    acts, maria = office.slack.acts, office.maria
    desk = Desk(places=PLACES)
    office.slack.teller.door = knocking(SlackDoor(office.db, office.sender, receiver, desk))
    await acts.command(maria, Command.SCHEDULE)
    (url,) = picture(maria.view)
    assert maria.faults == []
    await acts.press(maria, maria.view, "triage_day", f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%d}")
    assert picture(maria.view) == []
    link = LINK.fullmatch(url)
    assert link is not None
    now = datetime.now(UTC)
    drawn = await office.db.run("draw", lambda conn: feeds.view(conn, Schedules(), link[1], now))
    assert drawn.scope.team_id == office.team


async def test_where_slack_cannot_fetch_it_there_is_none(office: Office) -> None:
    await office.slack.acts.open_home(office.maria)
    await office.process()
    assert office.maria.home is not None
    assert picture(office.maria.home) == []
    await office.slack.acts.command(office.maria, Command.SCHEDULE)
    assert picture(office.maria.view) == []


@pytest.mark.parametrize("said", ["", "no"])
def test_it_is_there_where_somebody_said_that_slack_can_fetch_it(said: str, tmp_path: Path) -> None:
    settings = {"TALLYBOOK_PUBLIC_URL": "https://rota.example", "TALLYBOOK_DATA_DIR": str(tmp_path)}
    more = {"TALLYBOOK_SLACK_PICTURES": said} if said else {}
    assert pictures_of(Settings.load(settings | more)) is None
    found = pictures_of(Settings.load(settings | {"TALLYBOOK_SLACK_PICTURES": "yes"}))
    assert found is not None
    assert found.address == "https://rota.example"
