"""What is decided in Slack is decided once, by whoever may, while they look on; or kept, and told later."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tallybook.core.receive import Receiver
from tallybook.slack_link.door import SlackDoor
from tallybook.triage.blocks.names import View
from tests.core.worked import rows, until
from tests.slack_desk.office import Office, knocking


def listed(shown: dict[str, Any], act: str) -> list[dict[str, Any]]:
    """The buttons of that act."""
    elements = [one for block in shown["blocks"] for one in block.get("elements", [])]
    return [one for one in elements if one.get("action_id") == act]


async def test_cover_is_asked_for_and_approved_and_those_concerned_hear_of_it(office: Office) -> None:
    await office.ask_for_cover(office.maria, office.ben)
    assert await office.overrides() == [("pending", office.ben.id, office.maria.id)]
    assert office.maria.view["callback_id"] == View.REQUESTS
    await office.process()
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    await office.slack.acts.press(office.lena, request, "triage_approve")
    assert (await office.overrides())[0][0] == "approved"
    await office.process()
    (decided,) = office.slack.workspace.conversation(office.lena.id).messages
    assert listed(decided, "triage_approve") == []
    assert len(office.told(office.maria)) == len(office.told(office.ben)) == 1


async def test_who_leads_sets_a_turn_to_nobody_with_a_reason_and_everybody_reads_why(office: Office) -> None:
    acts, lena, maria = office.slack.acts, office.lena, office.maria
    await acts.command(lena, "/triage-override")
    await acts.press(lena, lena.view, "person", maria.id)
    await acts.submit(lena, {"person": maria.id})
    await acts.submit(lena, {"nobody": ["yes"]})
    assert list(lena.view["errors"]) == ["reason"]
    await acts.submit(lena, {"nobody": ["yes"], "reason": "Nothing is live"})
    assert await rows(office.db, "select state, nobody, reason from overrides") == [
        ("approved", True, "Nothing is live")
    ]
    await office.process()
    (told,) = office.told(maria)
    assert "Nobody is on duty in your place" in told
    await acts.command(maria, "/triage-schedule", "")
    assert "Nothing is live" in json.dumps(maria.shown or maria.views)


async def test_one_click_told_four_times_is_one_decision_and_of_two_who_click_the_second_is_told_of_the_first(
    office: Office,
) -> None:
    await office.ask_for_cover(office.maria, office.ben)
    await office.process()
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    told: list[tuple[str, dict[str, Any]]] = []
    asked = office.slack.teller.asked

    async def four_times(kind: str, payload: dict[str, Any]) -> Any:
        told.append((kind, payload))
        return (await asyncio.gather(*(asked(kind, payload) for _ in range(4))))[0]

    office.slack.teller.asked = four_times
    await office.slack.acts.press(office.lena, request, "triage_approve")
    office.slack.teller.asked = asked
    assert office.lena.shown == [], "who decided is told nothing of repeats"
    assert await rows(office.db, "select count(*) from audit_log where action = 'override.approved'") == [(1,)]
    await office.slack.acts.press(office.lena, request, "triage_approve")
    assert ["Lena" in one["text"] for one in office.lena.shown] == [True]


async def test_a_stranger_approves_nothing(office: Office) -> None:
    await office.ask_for_cover(office.maria, office.ben)
    await office.process()
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    await office.slack.acts.press(office.lena, request, "triage_decline")
    held = next(one for block in request["blocks"] for one in block.get("elements", []) if "value" in one)["value"]
    forged = {**request, "blocks": [{"type": "actions", "elements": [
        {"type": "button", "action_id": "triage_approve", "value": held}]}]}  # fmt: skip
    office.channel.messages.append(forged)
    await office.slack.acts.press(office.sam, forged, "triage_approve")
    assert (await office.overrides())[0][0] == "pending"
    assert ["may not" in one["text"] for one in office.sam.shown] == [True]


async def test_a_refusal_is_told_in_the_language_of_the_business(office: Office) -> None:
    async with office.db.transaction() as conn:
        await conn.execute("update businesses set locale = 'he'")
    await office.ask_for_cover(office.maria, office.ben)
    await office.process()
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    office.channel.messages.append(request)
    await office.slack.acts.press(office.sam, request, "triage_approve")
    await office.slack.acts.command(office.sam, "/admin-users")
    may_not = "אין לך הרשאה לזה. רק מי שמוביל את הצוות רשאי."
    assert [may_not in one["text"] for one in office.sam.shown] == [True] * 2


async def test_what_is_wrong_with_a_form_stands_at_its_input_and_it_can_be_sent_in_again(office: Office) -> None:
    acts, maria = office.slack.acts, office.maria
    await acts.command(maria, "/triage-override")
    await acts.submit(maria)
    past = int((datetime.now(UTC) - timedelta(days=300)).timestamp())
    await acts.submit(maria, {"substitute": office.ben.id, "since": past})
    assert list(maria.view["errors"]) == ["since"]
    assert await rows(office.db, "select count(*) from messages") == [(0,)]
    view = json.loads(json.dumps(maria.view))
    await acts.submit(maria, {"substitute": office.ben.id})
    maria.views = [view]
    await acts.submit(maria, {"substitute": office.ben.id})
    assert len(await office.overrides()) == 1, "a form asks once, however often it is sent in"


async def test_it_is_declined_with_a_word_and_withdrawn_by_who_asked(office: Office) -> None:
    acts, lena = office.slack.acts, office.lena
    await office.ask_for_cover(office.maria, office.ben)
    await acts.command(lena, "/override-list")
    await acts.press(lena, lena.view, "triage_decline")
    await acts.submit(lena, {"note": "Ben is away then"})
    assert ([one[0] for one in await office.overrides()], lena.faults) == (["declined"], [])
    await office.process()
    assert any("Ben is away then" in json.dumps(one["blocks"]) for one in _said_to(office, office.maria))
    office.maria.views.clear()
    await office.ask_for_cover(office.maria, office.chen)
    await acts.press(office.maria, office.maria.view, "triage_withdraw")
    await acts.submit(office.maria)
    assert [one[0] for one in await office.overrides()] == ["declined", "withdrawn"]


def _said_to(office: Office, person: Any) -> list[dict[str, Any]]:
    return [one for one in office.slack.workspace.conversation(person.id).messages if one["user"] == "U0BOT"]


async def test_a_sprint_is_shown_before_it_is_saved_and_somebody_joins_by_the_name_that_slack_knows(
    office: Office,
) -> None:
    acts, lena = office.slack.acts, office.lena
    await acts.command(lena, "/admin-sprints")
    await acts.press(lena, lena.view, "triage_sprint_add")
    await acts.submit(lena, {"name": "Sp6"})
    assert lena.view["callback_id"] == View.SPRINT
    assert await rows(office.db, "select count(*) from sprints") == [(5,)]
    await acts.submit(lena)
    assert (lena.view["callback_id"], lena.faults) == (View.SPRINTS, [])
    assert await rows(office.db, "select sprint_name from sprints order by id desc limit 1") == [("Sp6",)]
    lena.views.clear()
    await acts.command(lena, "/admin-users")
    await acts.press(lena, lena.view, "triage_person_join")
    options = next(one for one in lena.view["blocks"] if one.get("block_id") == "disciplines")["element"]["options"]
    await acts.submit(lena, {"person": office.sam.id, "disciplines": [options[0]["value"]]})
    joined = f"select name from triage_people where slack_id = '{office.sam.id}'"
    assert (lena.view["callback_id"], await rows(office.db, joined)) == (View.JOIN, [])
    await acts.submit(lena)
    assert (lena.view["callback_id"], lena.faults) == (View.PEOPLE, [])
    assert await rows(office.db, joined) == [("Sam",)]


@pytest.fixture
async def held(office: Office, superuser_url: str) -> psycopg.AsyncConnection[Any]:
    """Somebody who holds the team's row, so that every decision hangs until they let go."""
    held = await psycopg.AsyncConnection.connect(superuser_url)
    await held.execute("select from triage_teams for update")
    return held


async def test_while_the_database_hangs_an_order_is_kept_in_time_said_to_be_and_obeyed_once_later(
    office: Office, receiver: Receiver, held: psycopg.AsyncConnection[Any]
) -> None:
    office.slack.teller.door = knocking(SlackDoor(office.db, office.sender, receiver, within=0.3))
    began = time.monotonic()
    await office.ask_for_cover(office.maria, office.ben)
    assert time.monotonic() - began < 2.5
    assert (office.maria.view["callback_id"], office.maria.faults) == (View.NOTICE, [])
    assert await office.overrides() == []
    await held.rollback()
    await held.close()

    async def is_back() -> bool:
        return await rows(office.db, "select count(*) from deliveries") == [(1,)]

    await until(is_back)
    await office.process()
    assert await office.overrides() == [("pending", office.ben.id, office.maria.id)]
    assert len(office.told(office.maria)) == 1, "who was told that it is kept is told that it is done"
    await office.process()
    assert len(await office.overrides()) == 1


async def test_what_was_kept_and_cannot_be_done_any_more_is_told_with_the_reason(
    office: Office, receiver: Receiver
) -> None:
    await office.ask_for_cover(office.maria, office.ben)
    await office.process()
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    office.slack.teller.door = knocking(SlackDoor(office.db, office.sender, receiver, within=0.0))
    await office.slack.acts.press(office.lena, request, "triage_approve")
    assert len(office.lena.shown) == 1, "it is said to be kept"
    async with office.db.transaction() as conn:
        await conn.execute("update overrides set state = 'declined', decided_by = 'Ola', decided_at = now()")

    async def is_back() -> bool:
        return await rows(office.db, "select count(*) from deliveries where state = 'waiting'") == [(1,)]

    await until(is_back)
    await office.process()
    assert [one[0] for one in await office.overrides()] == ["declined"]
    assert "Ola" in _said_to(office, office.lena)[-1]["text"]


async def test_an_event_is_acknowledged_while_nothing_can_be_committed(office: Office, superuser_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(superuser_url) as held:
        await held.execute("lock table deliveries")
        began = time.monotonic()
        assert await office.slack.acts.write(office.ben, "who is on?")
        assert time.monotonic() - began < 2.5
        assert [one.ended for one in office.slack.teller.tries] == [""]
        await held.rollback()

    async def is_back() -> bool:
        return await rows(office.db, "select count(*) from deliveries") == [(1,)]

    await until(is_back)
    await office.process()
    assert len(office.told(office.ben)) == 1
