"""The App Home says what is so, for as long as somebody may have it open, and links what has no room in it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tallybook import worker
from tallybook.core import deliveries
from tallybook.core.sending import Post, deliver
from tallybook.demo.slack.workspace import Person
from tallybook.settings import Settings
from tallybook.slack_desk.homes import Homes
from tallybook.slack_desk.places import NOWHERE
from tallybook.told_channels import places_of, slack_entry
from tallybook.triage import types
from tallybook.triage.jobs import Announcer
from tallybook.triage.service import people
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import homes
from tests.core.worked import rows
from tests.slack_desk.office import SECRET, Office

WAITS = "Your requests that wait"
PUBLIC, FORM = "https://rota.example", "https://forms.example/triage"


def links(home: Any) -> dict[str, str]:
    """What the home links, by what stands on the button."""
    elements = [one for block in home["blocks"] for one in block.get("elements", [])]
    return {one["text"]["text"]: one["url"] for one in elements if "url" in one}


async def test_the_home_links_the_team_s_page_and_where_to_say_what_one_thinks(office: Office, tmp_path: Path) -> None:
    said = {"PUBLIC_URL": PUBLIC, "SLACK_FEEDBACK_URL": FORM, "DATA_DIR": str(tmp_path)}
    places = places_of(Settings.load({f"TALLYBOOK_{name}": value for name, value in said.items()}))
    await office.slack.acts.open_home(office.maria)
    await deliveries.process(office.db, {"slack": slack_entry([SECRET], places)}, asyncio.Event())
    await office.process()
    page = f"{PUBLIC}/triage?team={office.team}"
    assert links(office.maria.home) == {"See at the page": page, "Say what you think": FORM}
    await office.slack.acts.press(office.maria, office.maria.home or {}, "triage_link")
    assert (office.maria.views, office.maria.shown, office.maria.faults) == ([], [], [])


async def test_without_an_address_of_a_form_nobody_is_sent_to_one(office: Office, tmp_path: Path) -> None:
    places = places_of(Settings.load({"TALLYBOOK_PUBLIC_URL": PUBLIC, "TALLYBOOK_DATA_DIR": str(tmp_path)}))
    await office.slack.acts.open_home(office.maria)
    await deliveries.process(office.db, {"slack": slack_entry([SECRET], places)}, asyncio.Event())
    await office.process()
    assert list(links(office.maria.home)) == ["See at the page"]


async def opened(office: Office, *people: Person) -> None:
    for one in people:
        await office.slack.acts.open_home(one)
    await work(office, datetime.now(UTC))


async def work(office: Office, now: datetime) -> None:
    """As four workers that look and one that sends: what is due, the homes that are open, and all of the outbox."""
    await deliveries.process(office.db, {"slack": slack_entry([SECRET])}, asyncio.Event())
    workers = [Announcer(office.db, Schedules(), Homes(NOWHERE).show) for _ in range(4)]
    await asyncio.gather(*(one.look(now) for one in workers))
    await asyncio.gather(*(one.refresh(now) for one in workers))
    await sent(office)


async def sent(office: Office) -> None:
    post = Post({"slack": office.sender}, tell=partial(worker._hear, Schedules()), stands=worker._stands)
    while await rows(office.db, "select from outbox where state = 'waiting'"):
        async with office.db.transaction() as conn:
            await conn.execute("delete from sending_moments")
            await conn.execute("update sending_lines set open_at = now()")
        await deliver(office.db, office.business.id, post, asyncio.Event())


def filled(office: Office) -> list[str]:
    """Whose homes were made, in that order."""
    return [told["user_id"] for method, told in office.slack.calls if method == "views.publish"]


def says(person: Person) -> str:
    return json.dumps(person.home, ensure_ascii=False)


async def test_after_a_decision_each_home_that_is_open_is_made_anew_once_and_no_other(office: Office) -> None:
    await opened(office, office.maria, office.ben)
    await office.ask_for_cover(office.maria, office.ben)
    await work(office, datetime.now(UTC))
    assert WAITS in says(office.maria)
    assert WAITS not in says(office.ben)
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    before = len(filled(office))
    await office.slack.acts.press(office.lena, request, "triage_approve")
    for _ in range(2):
        await work(office, datetime.now(UTC))
    assert sorted(filled(office)[before:]) == sorted([office.maria.id, office.ben.id])
    assert WAITS not in says(office.maria)
    assert "*You are on duty*" in says(office.ben)
    assert "*You are on duty*" not in says(office.maria)


async def test_at_a_hand_over_the_open_homes_say_who_is_on_duty_since(office: Office) -> None:
    await opened(office, office.maria, office.lena)
    ((then,),) = await rows(office.db, "select min(ends_at) from sprints")
    await rows(office.db, "update triage_homes set opened_at = opened_at + interval '6 days' returning team_id")
    before = len(filled(office))
    for _ in range(2):
        await work(office, then)
    assert sorted(filled(office)[before:]) == sorted([office.maria.id, office.lena.id])
    assert f"<@{office.ben.id}>, until" in says(office.lena)
    assert "*You are on duty*" not in says(office.maria)
    assert "Administration" in says(office.lena)


async def test_a_request_that_nobody_decided_in_time_leaves_the_home_of_who_asked_alone(office: Office) -> None:
    await opened(office, office.maria, office.ben)
    await office.ask_for_cover(office.maria, office.ben)
    now = datetime.now(UTC)
    await work(office, now)
    before = len(filled(office))
    await rows(office.db, "update overrides set starts_at = now() - interval '2 s', ends_at = now() returning id")
    await Announcer(office.db, Schedules()).expire(datetime.now(UTC))
    await work(office, now)
    assert filled(office)[before:] == [office.maria.id]
    assert WAITS not in says(office.maria)


async def test_what_was_made_of_one_team_does_not_come_over_another_that_was_chosen_since(office: Office) -> None:
    lead = Actor(office.business.id, "Lena", leads=True)
    data = await office.db.run("add", lambda conn: people.add_team(conn, lead, types.Team(0, "Data", "UTC")))
    await opened(office, office.maria)
    await office.ask_for_cover(office.maria, office.ben)
    await Announcer(office.db, Schedules(), Homes(NOWHERE).show).refresh(datetime.now(UTC))
    await office.slack.acts.press(office.maria, office.maria.home or {}, "triage_team", str(data))
    assert "Triage: Data" in says(office.maria)
    await sent(office)
    assert "Triage: Data" in says(office.maria)
    assert await rows(office.db, "select state from outbox where body ? 'home' order by id") == [
        ("dropped",), ("sent",), ("dropped",),
    ]  # fmt: skip


async def test_who_has_left_the_workspace_is_shown_nothing_any_more_and_nobody_is_told(office: Office) -> None:
    await opened(office, office.maria, office.sam)
    del office.slack.workspace.people[office.sam.id]
    for _ in range(2):
        await office.ask_for_cover(office.maria, office.ben)
        await work(office, datetime.now(UTC))
        await office.slack.acts.press(office.maria, office.maria.view, "triage_withdraw")
        await office.slack.acts.submit(office.maria)
        office.maria.views.clear()
        await work(office, datetime.now(UTC))
    assert await rows(office.db, "select count(*) from outbox where state = 'parked'") == [(1,)]
    assert await rows(office.db, "select slack_id from triage_homes") == [(office.maria.id,)]
    assert await rows(office.db, "select count(*) from outbox where dedup_key like '%unreached%'") == [(0,)]


async def test_after_three_days_nobody_has_it_open(office: Office) -> None:
    await opened(office, office.maria)
    before = len(filled(office))
    await office.ask_for_cover(office.maria, office.ben)
    await work(office, datetime.now(UTC) + homes.OPEN_FOR + timedelta(seconds=1))
    assert filled(office)[before:] == []
    await opened(office, office.maria)
    assert WAITS in says(office.maria)
