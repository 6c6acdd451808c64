"""kill -9 at the boundary: whoever dies, each hand-over is told whole and once."""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import timedelta

import pytest

from tallybook.core.db import Conn
from tallybook.triage.service import people, rosters
from tallybook.triage.types import Kind, Person, Rotation
from tests.triage.facts import ANA, BEN, NAMES, ZONE
from tests.triage.rooms import CHANNEL, be_told, look
from tests.triage.rota import NOW, SPRINTS, Web

DAY = timedelta(days=1)
BEGUN = SPRINTS[0].starts_at
TOLD = """
select split_part(dedup_key, ':', 4), array_agg(recipient order by id) from outbox
where dedup_key like 'triage:%:hand_over:%' group by 1 order by 1
"""


async def daily(web: Web) -> None:
    """Ana and Ben take turns in the back end, a day each; the first day runs."""

    async def make(conn: Conn) -> None:
        for one in (ANA, BEN):
            await people.join(conn, web.lead, web.team, "beEng", Person(one, NAMES[one]), NOW)
        plan = rosters.Plan("beEng", (ANA, BEN), NOW, Rotation(Kind.DAILY, ZONE), in_order=True)
        await rosters.apply(conn, web.lead, web.team, plan, NOW, reason="the first one")

    await be_told(web)
    await web.run(make)
    await look(web, BEGUN)


async def killed(web: Web, url: str, days: int, kills: int) -> int:
    """Has workers walk through the days, and kills so many of them at random moments; how many were on their way."""
    dice, died = random.Random(7), 0
    until = (BEGUN + days * DAY).isoformat()
    command = [sys.executable, "-m", "tests.triage.walking", url, str(web.lead.business_id), str(web.team), until]
    while True:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"walking\n"
        if died >= kills:
            assert await process.wait() == 0
            return died
        await asyncio.sleep(dice.uniform(0, 0.3))
        if process.returncode is None:
            process.kill()
        if await process.wait() != 0:
            died += 1
        else:
            return died


@pytest.mark.parametrize(
    ("days", "kills"), [(40, 2), pytest.param(800, 50, marks=pytest.mark.soak)], ids=["a few", "fifty"]
)
async def test_each_hand_over_is_told_whole_and_once_whenever_workers_are_killed(
    web: Web, database_url: str, days: int, kills: int
) -> None:
    await daily(web)
    assert await killed(web, database_url, days, kills) > 0
    told = await web.rows(TOLD)
    assert len(told) == days
    for boundary, recipients in told:
        assert recipients[0] == CHANNEL, boundary
        assert {ANA, BEN} <= set(recipients), boundary
        assert len(set(recipients)) == len(recipients), boundary
    assert await web.rows("select version from triage_states") == [(days + 1,)]
    assert await web.rows("select count(*) from triage_announcements where kind = 'hand_over'") == [(days,)]
