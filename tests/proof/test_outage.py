"""PostgreSQL stopped under load: nothing is lost, everything says so, and it comes right by itself."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from tests.postgres import APP, OWNER, Server
from tests.proof.conftest import furnish
from tests.proof.oracle import expected, of_these, read_books
from tests.proof.product import ROOT, PostingBridge, Product, Running, wait_until
from tests.proof.visitor import add_admin, answers, logged_in

REPORT = ROOT / "docs" / "proofs" / "outage.md"
SECONDS_TO_RECOVER = 20.0  # the longest that two busy cores have taken is a third of it


@dataclass
class Outage:
    """What was seen of one outage."""

    wanted_seconds: float
    seconds: float = 0.0
    posted: int = 0
    recovered_after: float = 0.0
    answer_seconds: list[float] = field(default_factory=list)


def stop_under_load(product: Product, server: Server, client: httpx.Client, seconds: float) -> Outage:
    """Stops the database while posts arrive, looks at what is said meanwhile, starts it again, waits for the posts."""
    outage = Outage(seconds)
    before = len(read_books(server.url(OWNER)).messages)
    server.stop()
    stopped = time.monotonic()
    wait_until(lambda: answers(client, "/readyz") == 503, "that the product is not ready")
    while True:
        begun = time.monotonic()
        assert answers(client, "/healthz") == 200
        assert answers(client, "/readyz") == 503
        page = client.get("/health")
        assert (page.status_code, "The database is away" in page.text) == (503, True)
        outage.answer_seconds.append(time.monotonic() - begun)
        lines = product.run("health", "--json", fails=True).splitlines()
        said = json.loads(next(line for line in lines if line.startswith("{")))
        assert said["state"] == "wrong"
        assert "The database cannot be reached. Nothing is lost" in said["sentence"]
        if time.monotonic() - stopped > seconds:
            break
    outage.seconds = time.monotonic() - stopped
    server.start()
    back = time.monotonic()
    wait_until(lambda: answers(client, "/readyz") == 200, "that the product is ready again", SECONDS_TO_RECOVER)
    wait_until(
        lambda: len(read_books(server.url(OWNER)).messages) > before, "the posts of the outage", SECONDS_TO_RECOVER
    )
    outage.recovered_after = time.monotonic() - back
    return outage


async def prove(product: Product, server: Server, seconds: float) -> tuple[Outage, int]:
    """One outage of this length, from the first post to the comparison; what was seen, and the number of posts."""
    owner_url = server.url(OWNER)
    furnish(owner_url)
    await add_admin(owner_url)
    parts = [product.start("serve"), product.start("work")]
    client = logged_in(product)
    with contextlib.closing(client), PostingBridge(product, seed=5, pause=0.01) as bridge:
        wait_until(lambda: len(read_books(owner_url).messages) > 50, "fifty messages")
        outage = stop_under_load(product, server, client, seconds)
        told = bridge.stop()
    wanted = expected(told)
    wait_until(lambda: len(read_books(owner_url).messages) == len(wanted.messages), "every message")
    books = read_books(owner_url)
    assert books == expected(told, seen=books.seen)
    assert of_these(told, wanted)
    for part in parts:
        assert part.stop() == 0, part.said
        tells_it_once(part)
    assert "cursor already closed" not in product.all_said()
    return outage, len(told)


def tells_it_once(part: Running) -> None:
    """That the database went away and came back is said once by each process, and little else is said at all."""
    # Who had begun to wait for a connection when it came back may still say so once.
    away = part.said.count("The database is away")
    assert away in {1, 2}, part.said
    assert part.said.count("The database is back") == away, part.said
    troubles = [line for line in part.said.splitlines() if " - WARNING - " in line or " - ERROR - " in line]
    # One for each connection of its own, and what was asked for at the very end: however long the outage.
    assert len(troubles) <= 8, troubles


@pytest.fixture
def installation(open_product: Callable[..., Product], server: Server) -> Product:
    return open_product(database_url=server.url(APP))


async def test_a_stopped_database_loses_nothing_is_told_and_recovered_from(
    installation: Product, server: Server
) -> None:
    await prove(installation, server, seconds=5)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_ten_minutes_without_the_database_lose_nothing(installation: Product, server: Server) -> None:
    outage, posted = await prove(installation, server, seconds=600)
    report(REPORT, outage, posted)


def report(path: Path, outage: Outage, posted: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""# PostgreSQL stopped for ten minutes under load

Written by `make soak` (tests/proof/test_outage.py) on {datetime.now().astimezone():%d %B %Y}.
A web server and a worker ran on a PostgreSQL server that was stopped while a bridge went on writing its file, one
commit each.

| what | figure |
|---|---|
| database away | {outage.seconds:.0f} s |
| posts that the bridge stored in all | {posted:,} |
| rows that differ from the independent oracle's | 0 |
| web server ready and first posts filed after the database was back | {outage.recovered_after:.1f} s |
| rounds of `/healthz` 200, `/readyz` 503, `/health` and `tallybook health` saying it | {len(outage.answer_seconds)} |
| time for the three pages while it was away, median and longest | {statistics.median(outage.answer_seconds):.1f} s, \
{max(outage.answer_seconds):.1f} s |
| log lines that the database is away, for each process | 1 |
| “cursor already closed” in any log | 0 |
""")
