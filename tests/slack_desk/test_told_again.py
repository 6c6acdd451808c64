"""What Slack tells four times is done once, whatever it is; and what it tells only again is done all the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import pytest

from tallybook.triage.blocks.names import Command, View
from tests.core.worked import rows
from tests.slack_desk.office import Office

# Does something of which Slack tells four times within the block; how often it was done.
Deed: TypeAlias = Callable[[Office, AbstractContextManager[None]], Awaitable[int]]
TIMES = 4


@contextlib.contextmanager
def four_times(office: Office) -> Iterator[None]:
    """At once, as when each of our answers is lost; by their bytes the repeats of an event are not the same."""
    teller = office.slack.teller
    event, asked = teller.event, teller.asked

    async def events(payload: dict[str, Any]) -> bool:
        told = [payload | {"event_context": f"EC{number}"} for number in range(TIMES)]
        return all(await asyncio.gather(*(event(one) for one in told)))

    async def clicks(kind: str, payload: dict[str, Any]) -> Any:
        return (await asyncio.gather(*(asked(kind, payload) for _ in range(TIMES))))[0]

    teller.event, teller.asked = events, clicks  # type: ignore[method-assign]  # of this one Slack
    yield
    teller.event, teller.asked = event, asked  # type: ignore[method-assign]  # as it was


async def mention(office: Office, fourfold: AbstractContextManager[None]) -> int:
    with fourfold:
        await office.slack.acts.mention(office.ben, office.channel, "who is on?")
    await office.process()
    return len([one for one in office.channel.messages if one["user"] == "U0BOT"])


async def message(office: Office, fourfold: AbstractContextManager[None]) -> int:
    with fourfold:
        await office.slack.acts.write(office.ben, "and now?")
    await office.process()
    return len(office.told(office.ben))


async def home(office: Office, fourfold: AbstractContextManager[None]) -> int:
    with fourfold:
        await office.slack.acts.open_home(office.ben)
    await office.process()
    return len([one for one in office.slack.calls if one[0] == "views.publish"])


async def command(office: Office, fourfold: AbstractContextManager[None]) -> int:
    with fourfold:
        await office.slack.acts.command(office.ben, Command.SCHEDULE)
    assert office.ben.view["callback_id"] == View.SCHEDULE
    return len([one for one in office.slack.calls if one[0] == "views.open"])


async def shortcut(office: Office, fourfold: AbstractContextManager[None]) -> int:
    with fourfold:
        await office.slack.acts.shortcut(office.ben, "request_coverage_shortcut")
    assert office.ben.view["callback_id"] == View.HUB
    return len([one for one in office.slack.calls if one[0] == "views.open"])


async def submission(office: Office, fourfold: AbstractContextManager[None]) -> int:
    await office.slack.acts.command(office.maria, Command.OVERRIDE)
    await office.slack.acts.submit(office.maria)
    with fourfold:
        await office.slack.acts.submit(office.maria, {"substitute": office.ben.id})
    await office.process()
    assert len(office.told(office.lena)) == 1
    return len(await office.overrides())


async def press(office: Office, fourfold: AbstractContextManager[None]) -> int:
    await office.ask_for_cover(office.maria, office.ben)
    await office.process()
    (request,) = office.slack.workspace.conversation(office.lena.id).messages
    with fourfold:
        await office.slack.acts.press(office.lena, request, "triage_approve")
    await office.process()
    assert (len(office.told(office.maria)), len(office.told(office.ben))) == (1, 1)
    return len(await rows(office.db, "select from audit_log where action = 'override.approved'"))


DEEDS = [mention, message, home, command, shortcut, submission, press]


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
async def test_what_is_told_four_times_is_done_once_and_nobody_hears_of_the_repeats(office: Office, deed: Deed) -> None:
    assert await deed(office, four_times(office)) == 1
    assert [(one.shown, one.faults) for one in office.slack.workspace.people.values() if one.shown or one.faults] == []
    assert (await rows(office.db, "select count(*) from deliveries"))[0][0] in {0, TIMES}


async def test_an_event_of_which_only_the_repeat_arrives_is_worked_on(office: Office) -> None:
    """The process was being started when it was told first: nothing but the header says that it is a repeat."""
    door, arrived = office.slack.teller.door, []
    assert door is not None

    async def being_started(body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        if "x-slack-retry-num" not in headers:
            return 503, {}, b""
        arrived.append((headers["x-slack-retry-num"], headers["x-slack-retry-reason"]))
        return await door(body, headers)

    office.slack.teller.door = being_started
    assert await office.slack.acts.mention(office.ben, office.channel, "who is on?")
    assert await office.slack.acts.write(office.ben, "and now?")
    assert await office.slack.acts.open_home(office.ben)
    assert arrived == [("1", "http_error")] * 3
    await office.process()
    assert len([one for one in office.channel.messages if one["user"] == "U0BOT"]) == 1
    assert len(office.told(office.ben)) == 1
    assert office.ben.home is not None
