"""kill -9 between Slack's yes and our record of it: what was said stands once, what was not is said."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tallybook import worker
from tallybook.core.sending import Post, deliver
from tallybook.demo.slack.server import Order
from tallybook.demo.slack.workspace import Group
from tallybook.triage.jobs import Announcer
from tallybook.triage.rules_overrides import Part
from tallybook.triage.service import manners, overrides
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import looks
from tallybook.triage.types import Manner
from tests.core.posted import make_due
from tests.core.worked import rows, until
from tests.slack_desk.office import Office
from tests.slack_desk.test_announced import announced

STATES = "select distinct state from outbox where dedup_key not like '%:home:%'"
UNDER_WAY = "select state from outbox where done_at is null and state <> 'waiting'"
POSTS = "select recipient from outbox where state = 'waiting' and body ? 'text' and not body ? 'changes_sent'"
OPEN = "select state from outbox where state in ('waiting', 'sending', 'unknown')"
POSTED, GROUPED, TOPIC, LOOKED = (
    "chat.postMessage", "usergroups.users.update", "conversations.setTopic", "conversations.history",
)  # fmt: skip


@pytest.fixture
async def group(office: Office) -> Group:
    """The team is told in every way, and all of it says that Maria is on duty."""
    group = office.slack.workspace.group("triage", office.sam.id)
    manner = Manner(office.channel.id, office.slack.workspace.channel("leads").id, group.id, "Triage: {people}")
    lead = Actor(office.business.id, "Lena", leads=True)
    await office.db.run("manner", partial(manners.change, actor=lead, team_id=office.team, manner=manner))
    await announced(office)
    assert (group.people, office.channel.topic) == ([office.maria.id], "Triage: @Maria")
    return group


async def stands_in(office: Office) -> int:
    """Ben stands in from now on, which is left to be said and shown."""
    lead, now = Actor(office.business.id, "Lena", leads=True), datetime.now(UTC)
    part = Part("uiEng", office.ben.id, now, now + timedelta(hours=2))
    ask = partial(overrides.request, actor=lead, team_id=office.team, part=part, now=now, key="k")
    asked = await office.db.run("ask", ask)
    await office.db.run("approve", partial(overrides.approve, actor=lead, number=asked.id, now=now))
    await looked(office)
    return asked.id


async def comes_back(office: Office, number: int) -> None:
    lead, now = Actor(office.business.id, "Lena", leads=True), datetime.now(UTC)
    await office.db.run("take back", partial(overrides.withdraw, actor=lead, number=number, now=now))
    await looked(office)


async def looked(office: Office) -> None:
    await at_any_pace(office)
    await Announcer(office.db, Schedules()).look(await office.db.run("clock", looks.clock))


async def at_any_pace(office: Office) -> None:
    async with office.db.transaction() as conn:
        await conn.execute("delete from sending_moments")


async def come(orders: list[Order]) -> None:
    async with asyncio.timeout(60):
        for one in orders:
            await one.held.wait()


async def killed(office: Office, url: str, orders: list[Order]) -> None:
    """A worker is killed once all these calls have reached Slack."""
    command = [sys.executable, "-m", "tests.slack_desk.saying", url, office.slack.api, str(office.business.id)]
    process = await asyncio.create_subprocess_exec(*command)
    await come(orders)
    process.kill()
    await process.wait()
    for one in orders:
        one.let_go.set()


async def leases_end(office: Office) -> None:
    async with office.db.transaction() as conn:
        await conn.execute("update outbox set lease_until = now() where state = 'sending'")
    await at_any_pace(office)
    await deliver(office.db, office.business.id, a_post(office), asyncio.Event())
    await make_due(office.db)


def a_post(office: Office) -> Post:
    return Post({"slack": office.sender}, tell=partial(worker._hear, Schedules()), stands=worker._stands)


async def settled(office: Office) -> None:
    """As the next worker: all that is open comes to its end."""

    async def is_settled() -> bool:
        await at_any_pace(office)
        await make_due(office.db)
        await deliver(office.db, office.business.id, a_post(office), asyncio.Event())
        return not await rows(office.db, OPEN)

    await until(is_settled)


def said(office: Office) -> Counter[tuple[str, str]]:
    """How often each thing stands where."""
    places = office.slack.workspace.channels.values()
    return Counter((one.id, message["text"]) for one in places for message in one.messages)


async def test_what_slack_took_before_the_kill_stands_once_and_what_it_did_not_is_said(
    office: Office, group: Group, database_url: str
) -> None:
    before = said(office)
    await stands_in(office)
    posts, order = await rows(office.db, POSTS), office.slack.order
    at_once = len(set(posts))  # to one after the other
    assert at_once >= 3, "the channel, who comes and who goes"
    orders = [order("stuck", POSTED), *(order("slow", POSTED) for _ in range(at_once - 1))]
    await killed(office, database_url, [*orders, order("slow", GROUPED), order("slow", TOPIC)])
    assert (said(office) - before).total() == at_once - 1
    await leases_end(office)
    states = await rows(office.db, UNDER_WAY)
    assert states == [("unknown",)] * (at_once + 2), "none of them is known to have been said"
    await killed(office, database_url, [order("slow", LOOKED)])
    await leases_end(office)
    await settled(office)
    new = said(office) - before
    assert (new.total(), set(new.values())) == (len(posts), {1})
    assert (group.people, office.channel.topic) == ([office.ben.id], "Triage: @Ben")
    assert await rows(office.db, STATES) == [("sent",)]


async def test_what_is_no_longer_so_is_not_shown_again_and_nobody_is_asked(office: Office, group: Group) -> None:
    number = await stands_in(office)
    orders = [office.slack.order("slow", GROUPED), office.slack.order("slow", TOPIC)]
    sending = asyncio.create_task(deliver(office.db, office.business.id, a_post(office), asyncio.Event()))
    await come(orders)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert group.people == [office.ben.id]
    await comes_back(office, number)
    await leases_end(office)
    await settled(office)
    assert (group.people, office.channel.topic) == ([office.maria.id], "Triage: @Maria")
    assert await rows(office.db, "select dedup_key, reason from outbox where state = 'parked'") == []
