"""What is shown comes in time or is said to be late, and never over what somebody sees by now."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import cast

from msgspec import Raw

from tallybook.channels.slack.calls import SlackCalls
from tallybook.channels.slack.outgoing import Call
from tallybook.channels.slack.requests import Kind, Request
from tallybook.core.channel import RateLimited
from tallybook.demo.slack.workspace import Person
from tallybook.slack_desk.clicks import Outcome
from tallybook.slack_link.showing import OPEN_WITHIN, Showing
from tallybook.triage import types
from tallybook.triage.blocks.names import Command, View
from tallybook.triage.service import people
from tallybook.triage.service.doing import Actor
from tests.core.worked import until
from tests.slack_desk.office import Office

BUSY = "Please try again in 30 s."


def too_many(office: Office, method: str, seconds: int) -> None:
    """The next call of that method is one too many."""
    wait = {"retry-after": str(seconds)}
    office.slack.order("says", method, code="ratelimited", status=429, headers=wait)


async def test_what_slack_takes_a_second_later_is_shown_then(office: Office) -> None:
    maria = office.maria
    too_many(office, "views.open", 1)
    await office.slack.acts.command(maria, Command.SCHEDULE)
    await until(lambda: _has_view(maria))
    assert (maria.view["callback_id"], maria.shown, maria.faults) == (View.SCHEDULE, [], [])


async def test_what_slack_takes_too_late_is_said_to_whoever_asked_where_they_are(office: Office) -> None:
    acts, maria, lena = office.slack.acts, office.maria, office.lena
    too_many(office, "views.open", 30)
    await acts.command(maria, Command.SCHEDULE, channel=office.slack.workspace.channel("random", has_app=False))
    assert ([one["text"][-25:] for one in maria.shown], maria.views) == ([BUSY], [])
    too_many(office, "views.open", 30)
    await acts.shortcut(maria, "request_coverage_shortcut")
    assert [one[-25:] for one in office.told(maria)] == [BUSY]
    await acts.command(lena, Command.SPRINTS)
    too_many(office, "views.push", 30)
    await acts.press(lena, lena.view, "triage_sprint_add")
    assert ([one[-25:] for one in office.told(lena)], len(lena.views)) == ([BUSY], 1)
    await acts.press(lena, lena.view, "triage_sprint_add")
    assert lena.view["callback_id"] == View.SPRINT, "the next try goes through"
    assert (maria.faults, lena.faults) == ([], [])


async def test_a_command_that_is_answered_already_is_told_of_it_by_a_message_in_their_language(office: Office) -> None:
    async with office.db.transaction() as conn:
        await conn.execute("update businesses set locale = 'he'")
    too_many(office, "views.open", 1)
    too_many(office, "views.open", 30)
    await office.slack.acts.command(office.maria, Command.SCHEDULE)
    await until(lambda: _is_told(office))
    assert (office.maria.shown, office.maria.views) == ([], [])
    assert "30 שניות" in office.told(office.maria)[0]


async def test_slack_is_not_asked_at_once_again_however_short_a_wait_it_names() -> None:
    asked: list[str] = []

    class Calls:
        async def call(self, _: str, call: Call) -> None:
            asked.append(call.method)
            raise RateLimited("Slack asks us to wait.", 0.0)

    shortcut = Request(
        kind=Kind.SHORTCUT, name="triage_hub", identity="1", team="T1", user="U1", payload=Raw(b'{"trigger_id": "1"}')
    )  # fmt: skip
    showing = Showing(cast("SlackCalls", Calls()))
    await showing.show(shortcut, Outcome(view={"type": "modal"}), time.monotonic() - OPEN_WITHIN + 0.4)
    assert 1 < asked.count("views.open") <= 5


async def _has_view(person: Person) -> bool:
    return bool(person.views)


async def _is_told(office: Office) -> bool:
    return bool(office.told(office.maria))


async def test_a_press_in_a_view_that_is_another_by_now_changes_nothing_there(office: Office) -> None:
    acts, maria = office.slack.acts, office.maria
    await acts.command(maria, Command.SCHEDULE)
    old = json.loads(json.dumps(maria.view))
    await acts.press(maria, maria.view, "triage_day", f"{datetime.now(UTC):%Y}-12-05")
    newer = maria.view["hash"]
    await acts.press(maria, old, "triage_day", f"{datetime.now(UTC):%Y}-12-25")
    assert maria.view["hash"] == newer
    assert office.slack.refused == [("views.update", "hash_conflict")]
    assert (maria.shown, maria.faults) == ([], [])


async def test_where_no_view_fits_on_top_any_more_the_one_there_is_changed_unless_it_is_another_by_now(
    office: Office,
) -> None:
    acts, lena = office.slack.acts, office.lena
    await acts.shortcut(lena, "request_coverage_shortcut")
    for _ in range(2):
        await acts.press(lena, lena.views[0], "triage_open_sprints")
    old = json.loads(json.dumps(lena.view))
    await acts.press(lena, lena.view, "triage_sprint_change")
    assert ([one["callback_id"] for one in lena.views], lena.faults) == ([View.HUB, View.SPRINTS, View.SPRINT], [])
    newer = lena.view["hash"]
    await acts.press(lena, old, "triage_sprint_add")
    assert lena.view["hash"] == newer
    assert office.slack.refused[-1] == ("views.update", "hash_conflict")


async def test_a_choice_in_a_home_that_is_another_by_now_does_not_come_over_it(office: Office) -> None:
    acts, maria = office.slack.acts, office.maria
    lead = Actor(office.business.id, "Lena", leads=True)
    data = await office.db.run("add", lambda conn: people.add_team(conn, lead, types.Team(0, "Data", "UTC")))
    await acts.open_home(maria)
    await office.process()
    old = json.loads(json.dumps(maria.home))
    await acts.open_home(maria)
    await office.process()
    assert maria.home is not None
    newer = maria.home["hash"]
    await acts.press(maria, old, "triage_team", str(data))
    assert (maria.home["hash"], office.slack.refused) == (newer, [("views.publish", "hash_conflict")])
    await acts.press(maria, maria.home, "triage_team", str(data))
    assert "Triage: Data" in json.dumps(maria.home)
