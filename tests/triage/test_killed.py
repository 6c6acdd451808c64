"""kill -9 at the boundary: whoever dies, each hand-over is told whole and once."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from datetime import datetime, timedelta

import pytest

from tallybook.core.db import Conn
from tallybook.triage.service import members, rosters
from tallybook.triage.types import Kind, Person, Rotation
from tests.proof.product import ROOT
from tests.triage.facts import ANA, BEN, NAMES, ZONE
from tests.triage.rooms import CHANNEL, be_told, look
from tests.triage.rota import NOW, SPRINTS, Web

REPORT = ROOT / "docs" / "proofs" / "rota-kill.md"
FIFTY = 50
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
            await members.join(conn, web.lead, web.team, "beEng", Person(one, NAMES[one]), NOW)
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
        await asyncio.sleep(dice.uniform(0, 0.3))  # any moment of the work
        if process.returncode is None:
            process.kill()
        if await process.wait() != 0:
            died += 1
        else:
            return died


@pytest.mark.parametrize(
    ("days", "kills"),
    [(40, 2), pytest.param(800, FIFTY, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])],
    ids=["a few", "fifty"],
)
async def test_each_hand_over_is_told_whole_and_once_whenever_workers_are_killed(
    web: Web, database_url: str, days: int, kills: int
) -> None:
    await daily(web)
    begun = time.monotonic()
    died = await killed(web, database_url, days, kills)
    assert died > 0
    seconds, told = time.monotonic() - begun, await web.rows(TOLD)
    assert len(told) == days
    for boundary, recipients in told:
        assert recipients[0] == CHANNEL, boundary
        assert {ANA, BEN} <= set(recipients), boundary
        assert len(set(recipients)) == len(recipients), boundary
    assert await web.rows("select version from triage_states") == [(days + 1,)]
    assert await web.rows("select count(*) from triage_announcements where kind = 'hand_over'") == [(days,)]
    if kills >= FIFTY:
        assert died == kills
        report(days, died, sum(len(recipients) for _, recipients in told), seconds)


def report(days: int, died: int, messages: int, seconds: float) -> None:
    REPORT.write_text(f"""# The rota's worker killed fifty times at the hand-over

Written by `make soak` (tests/triage/test_killed.py) on {datetime.now().astimezone():%d %B %Y}. A team hands over once a
day. A worker in a process of its own walked through the hand-overs as fast as it could, and was killed with -9 at a
random moment within the first 0.3 s of its work; the next one went on where the state was. Afterwards the outbox and
the state were compared with the calendar.

| figure | |
|---|---|
| length of the run | {seconds:.0f} s |
| workers killed on their way | {died} |
| hand-overs, each told | {days:,} |
| messages of them, to the channel and to each who comes or goes | {messages:,} |
| hand-overs told twice, to only some, or not at all | 0 |
""")
