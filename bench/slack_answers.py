"""How soon Slack is answered: the product's web process, told what people do, with its database well and hanging.

Five people of the demo's rota do one thing after another: two ask for cover, which is decided, two look at the rota,
and one speaks to the app, which is kept. Nothing of it may be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import signal
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from door import Door
from figures import Figure, say
from inbox_place import opened

from tallybook.app import App
from tallybook.core import channel_accounts, embedded_server, people
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.embedded_programs import account_for
from tallybook.demo import rota
from tallybook.demo.slack import playing
from tallybook.demo.slack.server import BOT_TOKEN, SECRET, FakeSlack
from tallybook.demo.slack.telling import door_at
from tallybook.demo.slack.tiers import Tiers
from tallybook.demo.slack.workspace import Person

WITHIN_MS = 3_000
WAIT = 60.0  # seconds, for what was spooled to be rows again
KEPT = "select count(*) from deliveries where channel = 'slack'"


class NoTiers(Tiers):
    """As many calls as anybody likes: what is measured is answers."""

    def wait(self, *_: Any, **__: Any) -> None:
        return None


class Office:
    """The people, and how long each of their acts took to be answered, in seconds."""

    def __init__(self, slack: FakeSlack, port: int, session: ClientSession) -> None:
        self.slack = slack
        self.took: list[float] = []
        self.events = self.orders = 0
        self._asking: dict[str, dict[str, Any]] = {}
        there = door_at(session, f"http://127.0.0.1:{port}/webhooks/slack")

        async def timed(body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
            began = time.perf_counter()
            try:
                return await there(body, headers)
            finally:
                self.took.append(time.perf_counter() - began)  # of what was given up, too

        slack.teller.door, slack.teller.pauses = timed, ()

    @property
    def people(self) -> list[Person]:
        return [self.slack.workspace.people[one.slack_id] for one in rota.PEOPLE]

    async def begin(self) -> None:
        """Those who ask for cover open the form for it, which they then send again and again."""
        for person, other in self._askers():
            await self.slack.acts.command(person, "/triage-override")
            await self._opened(person)
            await self.slack.acts.submit(person)
            assert person.view["callback_id"] == "triage_cover", person.view
            self._asking[person.id] = copy.deepcopy(person.view)
            await self.slack.acts.submit(person, {"substitute": other.id, "reason": "At the dentist's"})
            self.orders += 1

    async def busy(self, count: int) -> list[float]:
        """So many acts, each person's one after another; how long each took, ascending."""
        self.took.clear()
        left = iter(range(count))
        await asyncio.gather(*(self._acts(place, left) for place in range(len(self.people))))
        failed = [one for one in self.slack.teller.tries if one.ended]
        assert not failed, f"{len(failed)} were not answered, the first one: {failed[0]}"
        return sorted(self.took)

    async def _acts(self, place: int, left: Iterator[int]) -> None:
        person = self.people[place]
        for _ in left:
            if person.id in self._asking:
                person.views = [copy.deepcopy(self._asking[person.id])]
                other = next(other for asker, other in self._askers() if asker is person)
                self.orders += 1
                await self.slack.acts.submit(person, {"substitute": other.id, "reason": "At the dentist's"})
            elif place == len(self.people) - 1:
                self.events += 1
                await self.slack.acts.mention(person, self.slack.workspace.channels[playing.TRIAGE], "who is on?")
            else:
                person.views.clear()
                await self.slack.acts.command(person, "/triage-schedule")

    def _askers(self) -> list[tuple[Person, Person]]:
        """Who asks for cover, and whom they would have instead: one of each discipline."""
        ours = self.people
        return [(ours[0], ours[1]), (ours[3], ours[2])]

    async def _opened(self, person: Person) -> None:
        deadline = time.monotonic() + WAIT
        while not person.views:
            assert time.monotonic() < deadline, "no form was opened"
            await asyncio.sleep(0.02)  # it is opened by a call that comes after the answer


@contextlib.contextmanager
def hung(folder: Path) -> Iterator[None]:
    """None of the server's processes says or does anything until the block ends."""
    cluster = folder / "postgres"
    found = embedded_server.read_pid_file(cluster)
    assert found is not None
    stopped: list[int] = []
    try:
        os.kill(found.pid, signal.SIGSTOP)  # first, so that it makes no new ones
        stopped.append(found.pid)
        for process in embedded_server.processes(cluster, account_for(cluster)):
            os.kill(process, signal.SIGSTOP)
            stopped.append(process)
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


async def measured(folder: Path, count: int) -> list[Figure]:
    """So many acts with the database well, and as many while it hangs."""
    async with (
        opened(folder) as (app, business, superuser),
        FakeSlack(workspace=playing.workspace(), tiers=NoTiers()) as slack,
        ClientSession() as session,
    ):
        await app.db.run("rota", lambda conn: _made(conn, app, business, slack))
        also = {"TALLYBOOK_SLACK_SIGNING_SECRET": SECRET, "TALLYBOOK_SLACK_API_URL": slack.api}
        door = Door(folder, superuser)
        with door.answered_by("product", also) as port:
            well, away = await _both(Office(slack, port, session), door, count)
    return [_figure(well, away)]


async def _both(office: Office, door: Door, count: int) -> tuple[list[float], list[float]]:
    deadline = time.monotonic() + WAIT
    while not (door.folder / "rota-snapshot.json").exists():
        assert time.monotonic() < deadline, "there is no copy of the rota"
        await asyncio.sleep(0.1)  # it is made when the process begins, and nobody says so
    await office.begin()
    await office.busy(max(count // 10, 10))
    say("Slack, the database well")
    well = await office.busy(count)
    decided, asked = door.ask(KEPT) - office.events, office.orders
    assert decided == 0, f"{decided} orders were not decided at once"
    say("Slack, the database hanging")
    with hung(door.folder):
        away = await office.busy(count)
    owed = office.events + office.orders - asked
    deadline = time.monotonic() + WAIT
    while (kept := door.ask(KEPT)) != owed:
        assert time.monotonic() < deadline, f"{kept} of {owed} were kept"
        await asyncio.sleep(0.2)  # what was spooled is replayed by another process, which tells nobody here
    return well, away


async def _made(conn: Conn, app: App, business: Business, slack: FakeSlack) -> None:
    caller = people.command_line(business.id)
    account = channel_accounts.NewAccount("slack", slack.workspace.team, token=BOT_TOKEN)
    await channel_accounts.add(conn, app.seal, caller, account)
    await rota.make(conn, business, datetime.now(UTC))


def _figure(well: list[float], away: list[float]) -> Figure:
    (p50, p99), (usual, usual_99) = ([one[int(len(one) * part)] * 1000 for part in (0.5, 0.99)] for one in (away, well))
    return Figure(
        "Slack answered, the database hanging", f"median {p50:,.0f} ms, p99 {p99:,.0f} ms",
        f"median {usual:,.0f} ms, p99 {usual_99:,.0f} ms with it well", usual_99 / p99, f"p99 < {WITHIN_MS:,} ms",
        p99 < WITHIN_MS,
    )  # fmt: skip
