"""What people see in Slack when they ask: by a command, a button, a mention, at home."""

from __future__ import annotations

import json

import pytest

from tallybook.triage.blocks.names import Command, View
from tests.core.worked import rows
from tests.slack_desk.office import Office


def texts(shown: object) -> str:
    return json.dumps(shown, ensure_ascii=False)


@pytest.mark.parametrize(
    ("command", "view"),
    [
        (Command.SCHEDULE, View.SCHEDULE), (Command.OVERRIDE, View.COVER_TURN), (Command.OVERRIDES, View.REQUESTS),
        (Command.SPRINTS, View.SPRINTS), (Command.DISCIPLINES, View.DISCIPLINES), (Command.PEOPLE, View.PEOPLE),
    ],
)  # fmt: skip
async def test_each_command_opens_its_view_and_another_environments_too(
    office: Office, command: Command, view: View
) -> None:
    for name in (command.value, f"{command.value}-staging"):
        await office.slack.acts.command(office.lena, name)
        assert (office.lena.faults, office.slack.refused) == ([], [])
        assert office.lena.view["callback_id"] == view


async def test_who_does_not_lead_is_told_so_and_an_unknown_command_too(office: Office) -> None:
    await office.slack.acts.command(office.maria, Command.DISCIPLINES)
    await office.slack.acts.command(office.maria, "/lunch")
    assert office.maria.views == []
    assert ["may not" in one["text"] or "none of ours" in one["text"] for one in office.maria.shown] == [True, True]
    assert office.maria.faults == []


async def test_from_view_to_view_and_back_nothing_is_kept_of_what_is_only_looked_at(office: Office) -> None:
    acts = office.slack.acts
    await acts.shortcut(office.lena, "request_coverage_shortcut")
    assert office.lena.view["callback_id"] == View.HUB
    for act, view in (("triage_open_sprints", View.SPRINTS), ("triage_sprint_add", View.SPRINT)):
        await acts.press(office.lena, office.lena.view, act)
        assert office.lena.view["callback_id"] == view
    assert len(office.lena.views) == 3
    office.lena.views.pop()
    await acts.press(office.lena, office.lena.view, "triage_sprint_change")
    assert (len(office.lena.views), office.lena.faults) == (3, [])
    assert await rows(office.db, "select count(*) from deliveries") == [(0,)]
    assert await rows(office.db, "select count(*) from messages") == [(0,)]


async def test_what_is_chosen_in_a_view_changes_that_view(office: Office) -> None:
    acts = office.slack.acts
    await acts.command(office.maria, Command.SCHEDULE)
    named = office.maria.view["id"]
    await acts.press(office.maria, office.maria.view, "triage_day", "2026-01-05")
    assert (office.maria.view["id"], len(office.maria.views)) == (named, 1)
    await acts.command(office.lena, Command.OVERRIDE)
    await acts.press(office.lena, office.lena.view, "person", office.ben.id)
    await acts.submit(office.lena, {"person": office.ben.id})
    assert office.lena.view["callback_id"] == View.COVER


async def test_a_mention_is_answered_below_it_and_a_direct_message_in_the_conversation(office: Office) -> None:
    acts, channel = office.slack.acts, office.channel
    await acts.mention(office.ben, channel, "who is on?")
    await acts.write(office.ben, "and now?")
    await office.process()
    answers = [one for one in channel.messages if one["user"] == "U0BOT"]
    assert len(answers) == 1
    assert answers[0]["thread_ts"] == channel.messages[0]["ts"]
    assert f"<@{office.maria.id}>" in answers[0]["text"]
    assert len(office.told(office.ben)) == 1


async def test_what_an_app_says_is_never_answered(office: Office) -> None:
    said = {"type": "message", "channel_type": "im", "bot_id": "B1", "user": "U0BOT", "text": "who?", "channel": "D1"}
    await office.slack.acts.event(said)
    await office.slack.acts.event({**said, "bot_id": None, "subtype": "message_changed", "user": office.ben.id})
    await office.process()
    assert [one for one in office.slack.calls if one[0] == "chat.postMessage"] == []


async def test_who_opens_the_home_finds_it_filled(office: Office) -> None:
    await office.slack.acts.open_home(office.maria)
    await office.process()
    assert office.maria.home is not None
    assert "uiEng" in texts(office.maria.home) or "UI" in texts(office.maria.home)
    await office.slack.acts.press(office.maria, office.maria.home, "triage_open_schedule")
    assert office.maria.view["callback_id"] == View.SCHEDULE
