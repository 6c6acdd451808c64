"""Who leads changes the rota in Slack, each order through the door: looked at first, done once, refused to others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallybook.triage.blocks.names import Command, View
from tests.core.worked import rows
from tests.slack_desk.office import Office

ROSTERS = "select number, people from triage_rosters order by number"
SPRINTS = "select sprint_name from sprints order by starts_at"
ACTIONS = "select action, after ->> 'reason' from audit_log where action = %s order by id"


async def recorded(office: Office, action: str) -> list[tuple[Any, ...]]:
    return await rows(office.db, ACTIONS.replace("%s", f"'{action}'"))


def text(view: Any) -> str:
    return json.dumps(view, ensure_ascii=False)


async def test_a_discipline_is_added_and_renamed(office: Office) -> None:
    acts, lena, made = office.slack.acts, office.lena, len(await recorded(office, "discipline.changed"))
    await acts.command(lena, Command.DISCIPLINES)
    await acts.press(lena, lena.view, "triage_discipline_add")
    await acts.submit(lena, {"name": "Product", "code": "po"})
    assert (lena.view["callback_id"], lena.faults) == (View.DISCIPLINES, [])
    assert "Product" in text(lena.view)
    lena.views.clear()
    await acts.command(lena, Command.DISCIPLINES)
    await acts.press(lena, lena.view, "triage_discipline_change")
    await acts.submit(lena, {"name": "Screens"})
    assert await rows(office.db, "select code, name from triage_disciplines order by code") == [
        ("po", "Product"), ("uiEng", "Screens"),
    ]  # fmt: skip
    assert len(await recorded(office, "discipline.changed")) == made + 2


async def test_a_roster_is_changed_as_it_was_shown_and_not_before(office: Office) -> None:
    acts, lena = office.slack.acts, office.lena
    await acts.command(lena, Command.DISCIPLINES)
    await acts.press(lena, lena.view, "triage_roster_change")
    before = await rows(office.db, ROSTERS)
    await acts.submit(lena, {"people": [office.ben.id, office.chen.id], "reason": "Maria moves"})
    assert lena.view["callback_id"] == View.ROSTER
    assert f"<@{office.ben.id}>" in text(lena.view)
    assert await rows(office.db, ROSTERS) == before, "a look keeps nothing"
    await acts.submit(lena)
    assert (lena.view["callback_id"], lena.faults) == (View.DISCIPLINES, [])
    ((number, people),) = (await rows(office.db, ROSTERS))[1:]
    assert (number, set(people)) == (2, {office.ben.id, office.chen.id})
    await acts.command(lena, Command.SCHEDULE)
    assert text(lena.view).count(f"<@{office.maria.id}>") == 1, "the turn that runs stays hers"


async def test_somebody_leaves_as_it_was_shown(office: Office) -> None:
    acts, lena = office.slack.acts, office.lena
    await acts.command(lena, Command.PEOPLE)
    await acts.press(lena, lena.view, "triage_person_leave")
    there = "select count(*) from triage_memberships where until is null"
    await acts.submit(lena, {"reason": "Moves to Data"})
    assert (lena.view["callback_id"], await rows(office.db, there)) == (View.LEAVE, [(4,)])
    await acts.submit(lena)
    assert (lena.view["callback_id"], lena.faults) == (View.PEOPLE, [])
    assert await rows(office.db, there) == [(3,)]
    assert [why for _, why in await recorded(office, "person.left")] == ["Moves to Data"]


async def test_a_sprint_is_renamed_and_one_ahead_is_taken_away(office: Office) -> None:
    acts, lena = office.slack.acts, office.lena
    await acts.command(lena, Command.SPRINTS)
    await acts.press(lena, lena.view, "triage_sprint_change")
    await acts.submit(lena, {"name": "Spring", "reason": "It has a name"})
    assert ("Spring",) not in await rows(office.db, SPRINTS), "a look keeps nothing"
    await acts.submit(lena)
    assert (lena.view["callback_id"], lena.faults) == (View.SPRINTS, [])
    assert ("Spring",) in await rows(office.db, SPRINTS)
    count = len(await rows(office.db, SPRINTS))
    await acts.press(lena, lena.view, "triage_sprint_removal")
    await acts.submit(lena, {"reason": "Nobody is here"})
    assert (lena.view["callback_id"], lena.faults) == (View.SPRINTS, [])
    assert len(await rows(office.db, SPRINTS)) == count - 1
    assert [why for _, why in await recorded(office, "sprint.removed")] == ["Nobody is here"]


async def test_two_exchange_their_turns(office: Office) -> None:
    acts, maria, ben = office.slack.acts, office.maria, office.ben
    await acts.command(maria, Command.OVERRIDE)
    await acts.submit(maria)
    given = next(one for one in maria.view["blocks"] if one.get("block_id") == "exchange")["element"]
    offered = given.get("options") or [one for group in given["option_groups"] for one in group["options"]]
    turn = next(one["value"] for one in offered if one["value"].endswith(ben.id))
    await acts.submit(maria, {"substitute": ben.id, "exchange": turn})
    assert (maria.view["callback_id"], maria.faults) == (View.REQUESTS, [])
    assert await office.overrides() == [("pending", ben.id, maria.id), ("pending", maria.id, maria.id)]
    await acts.command(office.lena, Command.OVERRIDES)
    await acts.press(office.lena, office.lena.view, "triage_approve")
    assert [state for state, *_ in await office.overrides()] == ["approved"] * 2


async def test_who_leads_sets_who_is_on_duty_on_somebody_s_behalf_at_once(office: Office) -> None:
    acts, lena, maria = office.slack.acts, office.lena, office.maria
    await acts.command(lena, Command.OVERRIDE)
    await acts.press(lena, lena.view, "person", maria.id)
    await acts.submit(lena, {"person": maria.id})
    await acts.submit(lena, {"substitute": office.chen.id, "at_once": ["yes"]})
    assert (lena.view["callback_id"], lena.faults) == (View.REQUESTS, [])
    assert await office.overrides() == [("approved", office.chen.id, lena.id)]
    await office.process()
    assert (len(office.told(maria)), len(office.told(office.chen))) == (1, 1)
    lena.views.clear()
    await office.ask_for_cover(office.ben, maria)
    await acts.command(lena, Command.OVERRIDE)
    await acts.press(lena, lena.view, "person", office.ben.id)
    await acts.submit(lena, {"person": office.ben.id})
    await acts.submit(lena, {"substitute": office.chen.id, "at_once": ["yes"]})
    assert "Ben has asked for this time already" in text(lena.view), "who asked first is decided first"


async def test_a_substitute_is_found_by_what_is_typed(office: Office) -> None:
    acts, maria = office.slack.acts, office.maria
    await acts.command(maria, Command.OVERRIDE)
    await acts.submit(maria)
    found = await acts.look_for(maria, "substitute", "che")
    assert [one["value"] for one in found] == [office.chen.id]
    assert await acts.look_for(maria, "substitute", "nobody of that name") == []
    everybody = await acts.look_for(maria, "substitute", "")
    assert {one["value"] for one in everybody} == {office.ben.id, office.chen.id, office.lena.id}


@pytest.mark.parametrize(
    ("command", "press", "values"),
    [
        (Command.DISCIPLINES, "triage_discipline_add", {"name": "Product", "code": "po"}),
        (Command.DISCIPLINES, "triage_roster_change", {"people": [], "reason": "Mine"}),
        (Command.PEOPLE, "triage_person_leave", {"reason": "Out"}),
        (Command.SPRINTS, "triage_sprint_add", {"name": "Mine"}),
    ],
)
async def test_who_no_longer_leads_when_a_form_is_sent_in_changes_nothing(
    office: Office, command: Command, press: str, values: dict[str, Any]
) -> None:
    acts, lena = office.slack.acts, office.lena
    if values.get("people") == []:
        values = values | {"people": [office.ben.id]}
    await acts.command(lena, command)
    await acts.press(lena, lena.view, press)
    version = await rows(office.db, "select version from triage_teams")
    async with office.db.transaction() as conn:
        await conn.execute("delete from account_roles")
    await acts.submit(lena, values)
    assert (lena.view["callback_id"], lena.faults) == (View.NOTICE, [])
    assert "You may not do this" in text(lena.view)
    assert await rows(office.db, "select version from triage_teams") == version
