"""PostgreSQL killed while people order: the rota is read by its copy, and what was sent in is there once, in order."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tallybook.core import api_tokens, people, spool
from tallybook.core.callers import EVERY_SCOPE
from tallybook.core.db import Database, open_database
from tallybook.core.sealing import Seal
from tallybook.demo.slack.server import FakeSlack
from tallybook.demo.slack.workspace import Person
from tallybook.settings import Settings
from tallybook.triage.blocks.names import View
from tests import world
from tests.postgres import APP, OWNER, Server
from tests.proof.product import ROOT, Product, wait_until
from tests.proof.rota_crowd import EACH_TIME_AGAIN, Crowd, Order, next_turns, ordering
from tests.slack_desk.office import SECRET, Office, open_office

REPORT = ROOT / "docs" / "proofs" / "rota-outage.md"
PATIENCE = 600.0  # seconds; a busy machine takes its time, and nothing here promises how long
WAITING = "select count(*) from deliveries where state = 'waiting'"
ASKED = "select id, requested_by, starts_at, reason, state from overrides order by id"
KEPT = "select key, sent_by, because, reported_at is not null from triage_kept_orders order by sent_at, key"
ANSWERS = "select count(*), count(distinct dedup_key) from outbox where dedup_key like 'slack:answer:%'"
REPORTS = "select recipient, body::text from outbox where dedup_key like 'triage:%:report:%'"
# As if the half minute had gone by after which nothing more is expected, and somebody looks.
QUIET = """
update triage_kept_orders set decided_at = decided_at - interval '1 minute';
select pg_notify('tallybook_prod', 'triage 1')
"""
# Seconds. Three people who act each second would be more than Slack takes of an app: a hundred views a minute.
PACE = 3.0
AND_MORE = re.compile(r"and (\d+) more")  # a message has room for some forty of them
ENOUGH = 12  # orders in each part of the story, so that some of them ask for what another one did


@dataclass
class Outage:
    """What was seen of one outage; times in seconds."""

    seconds: float = 0.0
    looked: list[float] = field(default_factory=list)
    ready_after: float = 0.0
    decided_after: float = 0.0


@dataclass(frozen=True)
class Books:
    """What the database holds at the end."""

    asked: list[tuple[Any, ...]]
    kept: list[tuple[Any, ...]]


def ask(server: Server, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.url(OWNER), autocommit=True, connect_timeout=5) as connection:
        found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


async def furnish(db: Database, slack: FakeSlack, seal: Seal) -> tuple[Office, str]:
    """The office, and the secret of a program's token."""
    business = await db.run("add business", world.velo_fibre)
    office = await open_office(db, business, slack, seal)
    caller = people.command_line(business.id)
    token = await db.run("add a token", lambda conn: api_tokens.create(conn, caller, "rota", EVERY_SCOPE))
    await office.sender.aclose()
    return office, token


async def look(office: Office, client: httpx.AsyncClient, before: Any) -> float:
    """Looks by the API and in Slack, which answer by the copy what was so before; how long the API took."""
    begun = time.monotonic()
    answer = await client.get(f"/api/triage/{office.team}/who")
    took = time.monotonic() - begun
    assert answer.status_code == httpx.codes.OK, answer.text
    assert (answer.json()["data"], "as_of" in answer.json()["meta"]) == (before, True)
    lena = office.lena
    lena.views.clear()
    await office.slack.acts.command(lena, "/triage-schedule")
    await until(lambda: has_view(lena), "the schedule")  # Slack may be answered before it is shown
    assert lena.view["callback_id"] == View.SCHEDULE
    assert "The database is away" in json.dumps(lena.view)
    return took


async def away(crowd: Crowd, server: Server, seconds: float) -> Outage:
    """Kills the database while they order, looks at the rota meanwhile, and starts it again."""
    outage, office, client = Outage(), crowd.office, crowd.client
    before = (await client.get(f"/api/triage/{office.team}/who")).json()["data"]
    await asyncio.to_thread(server.kill)
    killed = time.monotonic()
    await until(lambda: is_ready(client, 503), "that the product is not ready")
    while time.monotonic() - killed < seconds or not outage.looked or len(crowd.told("kept")) < ENOUGH:
        outage.looked.append(await look(office, client, before))
        await asyncio.sleep(crowd.pace)  # as often as people look
    outage.seconds = time.monotonic() - killed
    await asyncio.to_thread(server.start)
    back = time.monotonic()
    await until(lambda: is_ready(client, 200), "that the product is ready again")
    outage.ready_after = time.monotonic() - back
    done = len(crowd.told("done", "refused"))
    await until(lambda: enough(crowd, done + ENOUGH // 2), "that orders are decided at once again")
    outage.decided_after = time.monotonic() - back
    return outage


async def until(true: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)  # another process, which signals nothing


async def is_ready(client: httpx.AsyncClient, status: int) -> bool:
    return (await client.get("/readyz")).status_code == status


async def has_view(person: Person) -> bool:
    return bool(person.views)


async def enough(crowd: Crowd, count: int) -> bool:
    return len(crowd.told("done", "refused")) >= count


async def settled(crowd: Crowd, server: Server, folder: Path, *, wait: bool) -> Books:
    """All that was kept is decided and reported, and nothing changes by what is said again."""

    def nothing_waits() -> bool:
        return ask(server, WAITING) == [(0,)] and not spooled(folder)

    def is_reported() -> bool:
        return all(reported for *_, reported in ask(server, KEPT))

    await asyncio.to_thread(wait_until, nothing_waits, "that all is decided", PATIENCE)
    if not wait:
        ask(server, QUIET)
    await asyncio.to_thread(wait_until, is_reported, "the report", PATIENCE)
    books = Books(ask(server, ASKED), ask(server, KEPT))
    await crowd.say_again()
    await asyncio.to_thread(wait_until, nothing_waits, "that all is decided", PATIENCE)
    assert Books(ask(server, ASKED), ask(server, KEPT)) == books
    return books


def spooled(folder: Path) -> int:
    """How much lies in the spool."""
    return asyncio.run(spool.status(folder / "spool")).records


def compare(crowd: Crowd, books: Books, server: Server) -> None:
    """Each part that was asked for is there once, by whoever asked first; and each who waited is told of it."""
    held = {reason: (number, by, since) for number, by, since, reason, state in books.asked if state == "pending"}
    assert len(held) == len(books.asked) == len({(by, since) for _, by, since in held.values()})
    assert {name: held[name][0] for name in crowd.asked} == crowd.asked
    why, kept = became(crowd, books), crowd.told("kept")
    # What was being decided when the database died may have been, and then nothing more came of it.
    assert len([one for one in kept if one.name not in why]) <= len({one.by for one in kept})
    for one in crowd.orders:
        assert (one.name in held) == holds(one, crowd.orders, why), one
    for by in {one.by for one in kept}:
        numbers = [held[one.name][0] for one in kept if one.by == by and one.name in held]
        assert numbers == sorted(numbers), by
    assert ask(server, ANSWERS) == [(len(why), len(why))]
    told = [
        json.dumps(json.loads(body)["blocks"], ensure_ascii=False)
        for recipient, body in ask(server, REPORTS)
        if recipient == crowd.office.lena.id
    ]
    refused = [because for because in why.values() if because]
    named = sum(one.count("<@") for one in told)
    assert 0 < len(refused) == named + sum(int(more) for one in told for more in AND_MORE.findall(one))


def became(crowd: Crowd, books: Books) -> dict[str, str]:
    """Why each order that was kept could not be done, "" where it was, by its name."""
    named = {f"slack:order:submission:{click}": name for name, (click, _) in crowd.sent.items()}
    assert set(named) >= {key for key, *_ in books.kept}
    return {named[key]: because for key, _, because, _ in books.kept}


def holds(one: Order, orders: list[Order], why: dict[str, str]) -> bool:
    """Whether an order must hold, by what its sender was told and by those for the same time."""
    if one.told != "kept":
        return one.told == "done"
    same = [other for other in orders if (other.by, other.since) == (one.by, one.since)]
    if all(other.told == "kept" for other in same):
        return one is same[0]
    return not why.get(one.name, "")  # one of them was decided at once, before the outage or before the replay


async def prove(
    product: Product, server: Server, seconds: float, pace: float, *, wait: bool
) -> tuple[Outage, Crowd, Books]:
    """One outage of this length, from the first order to the comparison."""
    settings = Settings.load(
        {"TALLYBOOK_DATABASE_URL": server.url(APP), "TALLYBOOK_DATA_DIR": str(product.data_dir)}, product.folder
    )
    async with FakeSlack(app=f"{product.address}/webhooks/slack") as slack:
        slack.teller.patience = 30.0  # whoever waits longer than Slack does is seen in the figures
        product.settings |= {"slack_api_url": slack.api, "slack_signing_secret": SECRET.decode()}
        async with open_database(server.url(APP), "prod") as db:
            office, token = await furnish(db, slack, Seal(settings.secret_keys()))
        parts = [product.start_warm("serve"), product.start_warm("work")]
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=product.address, timeout=30, headers=headers) as client:
            await asyncio.to_thread(wait_until, lambda: is_up(product), "the product", PATIENCE)
            shifts = (await client.get(f"/api/triage/{office.team}/shifts")).json()
            crowd = Crowd(office, client, next_turns(shifts["data"]), pace)
            async with ordering(crowd):
                await until(lambda: enough(crowd, ENOUGH), "the first orders")
                outage = await away(crowd, server, seconds)
            books = await settled(crowd, server, product.data_dir, wait=wait)
        compare(crowd, books, server)
        assert [await asyncio.to_thread(part.stop) for part in parts] == [0, 0]
    return outage, crowd, books


def is_up(product: Product) -> bool:
    """The web answers, and has kept a copy of the rota."""
    try:
        ready = httpx.get(f"{product.address}/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
    return ready and (product.data_dir / "rota-snapshot.json").exists()


@pytest.fixture
def installation(open_product: Callable[..., Product], server: Server) -> Product:
    return open_product(database_url=server.url(APP))


async def test_orders_of_an_outage_are_kept_and_decided_once_and_in_order(
    installation: Product, server: Server
) -> None:
    await prove(installation, server, seconds=1, pace=0.05, wait=False)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_ten_minutes_without_the_database_lose_no_order(installation: Product, server: Server) -> None:
    report(REPORT, *await prove(installation, server, seconds=600, pace=PACE, wait=True))


def report(path: Path, outage: Outage, crowd: Crowd, books: Books) -> None:
    kept, why = crowd.told("kept"), [because for _, _, because, _ in books.kept]
    times, looked = [one.seconds for one in kept], outage.looked
    slack, api = (
        [one.told for one in crowd.orders if (one.by == "API") == is_api and one.told != "kept"]
        for is_api in (False, True)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""# PostgreSQL killed for ten minutes while people asked for cover

Written by `make soak` (tests/proof/test_rota_outage.py) on {datetime.now().astimezone():%d %B %Y}. A web server and a
worker ran on a PostgreSQL server that was killed with -9 while two people asked for cover in Slack, by forms over
signed posts, and a program by the API, each {crowd.pace:.1f} s after its last order was answered. Every
{EACH_TIME_AGAIN}th order asks for the time of the one before, and cannot be done. At the end everything from Slack was
sent in once more, and what the database held was compared with what each was told.

| what | figure |
|---|---|
| database away | {outage.seconds:.0f} s |
| orders from Slack decided at once: done, refused | {slack.count("done"):,}, {slack.count("refused"):,} |
| orders from Slack kept meanwhile | {len(kept):,} |
| time for such an answer, median and longest | {statistics.median(times) * 1000:.0f} ms, {max(times) * 1000:.0f} ms |
| of these later done; refused, and reported with the reason | {why.count(""):,}; {len(why) - why.count(""):,} |
| orders by the API: done, refused | {api.count("done"):,}, {api.count("refused"):,} |
| times that the API said to come again | {crowd.not_taken:,} |
| looks at the rota meanwhile, by the API and in Slack, all answered by the copy | {len(looked):,} |
| time for such an answer of the API, median and longest | {statistics.median(looked) * 1000:.0f} ms, \
{max(looked) * 1000:.0f} ms |
| web server ready after the database was back | {outage.ready_after:.1f} s |
| orders decided at once again after the database was back | {outage.decided_after:.1f} s |
| orders lost, doubled, or decided out of turn | 0 |
""")
