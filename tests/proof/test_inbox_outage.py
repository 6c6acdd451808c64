"""PostgreSQL away for ten minutes while customers write: all that was answered 200 is there, and is answered once."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from tests.postgres import APP, OWNER, Server
from tests.proof.conftest import furnish
from tests.proof.inbox_oracle import Books
from tests.proof.product import ROOT, Product, wait_until
from tests.proof.shop import LONG, Shop, open_shop
from tests.proof.visitor import answers

REPORT = ROOT / "docs" / "proofs" / "inbox-outage.md"
EVERY = 0.6  # seconds between two new customers
SETTLED = 1800.0


@dataclass
class Outage:
    """What was seen of one outage; times in seconds."""

    seconds: float = 0.0
    customers: int = 0
    answered: int = 0
    median: float = 0.0
    longest: float = 0.0
    refused: int = 0
    desk_refused: int = 0
    recovered_after: float = 0.0
    settled_after: float = 0.0


class Crowd:
    """New customers all the time, until the block ends."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.over = shop, threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join(60)

    def _write(self) -> None:
        while not self.over.wait(EVERY):
            self.shop.play(self.shop.teller.scene())


def stop_under_load(shop: Shop, server: Server, seconds: float) -> Outage:
    """Stops the database while customers write, starts it again, and waits until the next of them is filed."""
    outage, meta = Outage(), shop.meta
    with httpx.Client(base_url=shop.product.address, timeout=30) as client:
        server.stop()
        stopped = time.monotonic()
        before = (shop.teller.customers, len(meta.answered), meta.refused, shop.desk.refused)
        wait_until(lambda: answers(client, "/readyz") == 503, "that the product is not ready", LONG)
        while time.monotonic() - stopped < seconds:
            assert answers(client, "/healthz") == 200
            assert answers(client, "/readyz") == 503
            time.sleep(1)  # as often as whatever watches it looks
        outage.seconds = time.monotonic() - stopped
        times = meta.answered[before[1] :]
        outage.customers = shop.teller.customers - before[0]
        outage.answered, outage.refused = len(times), meta.refused - before[2]
        outage.median, outage.longest = statistics.median(times), max(times)
        outage.desk_refused = shop.desk.refused - before[3]
        server.start()
        back = time.monotonic()
        wait_until(lambda: answers(client, "/readyz") == 200, "that the product is ready again", LONG)
        shop.probe()
        outage.recovered_after = time.monotonic() - back
    return outage


def prove(product: Product, server: Server, seconds: float) -> tuple[Outage, Books]:
    """One outage of this length, from the first customer to the comparison."""
    with open_shop(product, server.url(OWNER), seed=7) as shop:
        with Crowd(shop):
            shop.probe()
            time.sleep(15)  # a while of work before it
            outage = stop_under_load(shop, server, seconds)
            time.sleep(15)  # and after it
        begun = time.monotonic()
        shop.meta.tell_again()
        shop.settle(SETTLED)
        outage.settled_after = time.monotonic() - begun
        books = shop.compared(final=True)
        shop.stop()
    return outage, books


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_minutes_without_the_database_lose_no_customer(
    open_product: Callable[..., Product], server: Server
) -> None:
    furnish(server.url(OWNER))
    product = open_product(database_url=server.url(APP), owner_database_url=server.url(OWNER))
    report(REPORT, *prove(product, server, seconds=600))


def report(path: Path, outage: Outage, books: Books) -> None:
    said, choices = books.by_source, books.by_choice
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""# PostgreSQL stopped for ten minutes while customers wrote

Written by `make soak` (tests/proof/test_inbox_outage.py) on {datetime.now().astimezone():%d %B %Y}. A web server and a
worker ran on a PostgreSQL server that was stopped while Meta's webhooks went on, four at a time, a new customer every
{EVERY:.1f} s. At the end everything was told once more, and the database and what the Cloud API had counted were
compared with what an independent oracle works out from what was written.

| what | figure |
|---|---|
| database away | {outage.seconds:.0f} s |
| customers who began to write meanwhile | {outage.customers:,} |
| webhooks answered 200 meanwhile, and not answered so | {outage.answered:,}, {outage.refused:,} |
| time for such an answer, median and longest | {outage.median * 1000:.0f} ms, {outage.longest * 1000:.0f} ms |
| presses of people that were told to come again | {outage.desk_refused:,} |
| web server ready and the next message filed after the database was back | {outage.recovered_after:.1f} s |
| all filed, decided, answered and reported after the last customer wrote | {outage.settled_after:.0f} s |
| threads; messages of customers, each once in its thread | {len(books.threads):,}; {said["customer"]:,} |
| bursts, each with one decision: answered, handed over, suppressed | {choices["answered"]:,}, \
{choices["handed_over"]:,}, {choices["suppressed"]:,} |
| messages of ours, each counted once by the Cloud API or typed on the phone: the bot's, the rule's, people's | \
{said["bot"]:,}, {said["automation"]:,}, {said["human"]:,} |
| differences | 0 |
""")
