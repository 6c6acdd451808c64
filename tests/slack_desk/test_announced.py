"""What is told by itself arrives on Slack as people see it there: group, topic, channel, and who decides."""

from __future__ import annotations

import asyncio
import json
from functools import partial

from tallybook import worker
from tallybook.core import jobs, schedules
from tallybook.core.db import Conn
from tallybook.core.jobs import Held
from tallybook.core.sending import Post, deliver
from tallybook.triage import jobs as triage_jobs
from tallybook.triage.jobs import Announcer
from tallybook.triage.service import consistency, manners
from tallybook.triage.service.consistency import Rooms
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import looks
from tallybook.triage.types import Manner
from tests.core.worked import rows
from tests.slack_desk.office import Office


async def announced(office: Office) -> None:
    """As a worker: looks at what is due now, and sends all of it."""
    rotas = Schedules()
    await Announcer(office.db, rotas).look(await office.db.run("clock", looks.clock))
    post = Post({"slack": office.sender}, tell=partial(worker._hear, rotas), stands=worker._stands)
    while await rows(office.db, "select from outbox where state = 'waiting'"):
        async with office.db.transaction() as conn:
            await conn.execute("delete from sending_moments")
            await conn.execute("update sending_lines set open_at = now()")
        await deliver(office.db, office.business.id, post, asyncio.Event())


async def test_an_override_that_is_approved_changes_group_topic_and_the_message_of_who_decided(office: Office) -> None:
    ours = office.slack.workspace
    group, leads = ours.group("triage", office.sam.id), ours.channel("leads")
    manner = Manner(office.channel.id, leads.id, group.id, "Bugs & more. Triage: {people}")
    lead = Actor(office.business.id, "Lena", leads=True)
    await office.db.run("manner", partial(manners.change, actor=lead, team_id=office.team, manner=manner))
    await announced(office)
    assert (group.people, office.channel.topic) == ([office.maria.id], "Bugs & more. Triage: @Maria")
    assert office.channel.messages == [], "nobody knew of another"
    await office.ask_for_cover(office.maria, office.ben)
    await announced(office)
    (request,) = leads.messages
    assert "triage_approve" in json.dumps(request)
    await office.slack.acts.press(office.lena, request, "triage_approve")
    await announced(office)
    assert (group.people, office.channel.topic) == ([office.ben.id], "Bugs & more. Triage: @Ben")
    assert "triage_approve" not in json.dumps(leads.messages)
    assert len(leads.messages) == 1, "it becomes what was decided"
    assert [office.ben.id in one["text"] for one in office.channel.messages] == [True]
    assert len(office.told(office.ben)) == 2, "that he stands in, and that he is on duty now"
    assert isinstance(office.sender, Rooms)
    group.people, office.channel.topic = [office.sam.id], "Party"
    await consistency.check(office.db, Schedules(), office.sender)
    await announced(office)
    assert (group.people, office.channel.topic) == ([office.ben.id], "Party")
    assert await rows(office.db, "select state, reason from outbox where state = 'parked'") == []


async def test_a_group_that_somebody_changed_is_put_right_by_the_worker_s_own_schedule(office: Office) -> None:
    group = office.slack.workspace.group("triage", office.sam.id)
    lead = Actor(office.business.id, "Lena", leads=True)
    manner = Manner(office.channel.id, office.channel.id, group.id, "")
    await office.db.run("manner", partial(manners.change, actor=lead, team_id=office.team, manner=manner))
    await announced(office)
    group.people = [office.sam.id]
    known = [one for one in worker.known_schedules("UTC", "UTC") if one.kind == triage_jobs.CHECK]

    async def comes(conn: Conn) -> int:
        await schedules.declare(conn, known)
        await conn.execute("update schedules set next_at = now() - interval '1 second'")
        return await schedules.tick(conn)

    assert await office.db.run("let it be due", comes) == 1
    assert isinstance(office.sender, Rooms)
    stop, ended = asyncio.Event(), asyncio.Event()

    async def check(held: Held) -> None:
        await triage_jobs.check(Schedules(), office.sender, held)
        ended.set()

    running = asyncio.create_task(jobs.run_jobs(office.db, {triage_jobs.CHECK: check}, stop, asyncio.Event()))
    await asyncio.wait_for(ended.wait(), 60)
    stop.set()
    await running
    await announced(office)
    assert group.people == [office.maria.id]
