"""kill -9 at every step from receiving to sending: what customers wrote is there once, and is answered once."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from tests.postgres import APP, OWNER, Server
from tests.proof.conftest import furnish
from tests.proof.inbox_oracle import Books
from tests.proof.product import ROOT, Product, wait_until
from tests.proof.shop import LONG, PARTS, Shop, open_shop

REPORT = ROOT / "docs" / "proofs" / "inbox-kill.md"
CUSTOMERS = 10  # new ones in each round, one of each kind
LONGEST = 1200.0  # seconds until the last message of which nothing is heard is sent again, or is a person's
WAITERS = """
select count(*) > 0 from pg_locks
where not granted and locktype = 'relation' and relation = %s::regclass
    and database = (select oid from pg_database where datname = current_database())
"""


@dataclass
class Death:
    """One kill, and how long it took until the next message was filed."""

    step: str
    seconds: float


@dataclass
class Torment:
    """A business whose parts are killed at one step after another. ``server`` None: its database is left alone."""

    shop: Shop
    seed: int
    server: Server | None = None
    dice: random.Random = field(init=False)
    deaths: list[Death] = field(default_factory=list)
    again: int = 0
    books: Books = field(default_factory=Books)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    @contextmanager
    def stalled(self, table: str) -> Iterator[Callable[[], bool]]:
        """Nobody writes to a table; gives whether somebody waits to."""
        with psycopg.connect(self.shop.owner_url) as connection:
            connection.execute(f"lock table {table} in share mode".encode())
            yield lambda: self.shop.asks(WAITERS, table) == (True,)
            connection.rollback()

    def kill_at(self, table: str, *names: str) -> None:
        """Kills them as they are about to write to a table, with all that they did before it not yet committed."""
        with self.stalled(table) as somebody_waits:
            self.shop.customers(CUSTOMERS)
            wait_until(somebody_waits, f"somebody to write to {table}", LONG)
            self.shop.kill(*names)

    def storing(self) -> None:
        self.kill_at("deliveries", "serve")

    def filing(self) -> None:
        self.kill_at("whatsapp_message", "work")

    def firing(self) -> None:
        self.kill_at("automation_runs", "work")

    def deciding(self) -> None:
        self.kill_at("reply_decisions", "work")

    def fetching(self) -> None:
        files = self.shop.api.files
        files.held.clear()
        files.let_go.clear()
        files.hold = True
        self.shop.customers(CUSTOMERS)
        assert files.held.wait(LONG)
        self.shop.kill("work")
        files.hold = False
        files.let_go.set()

    def before_it_is_taken(self) -> None:
        order = self.shop.api.order("hang")
        self.shop.customers(CUSTOMERS)
        assert order.held.wait(LONG)
        self.shop.kill("work")
        order.let_go.set()

    def before_the_yes(self) -> None:
        order = self.shop.api.order("slow")
        self.shop.customers(CUSTOMERS)
        assert order.held.wait(LONG)
        self.shop.kill("work")
        order.let_go.set()

    def recording(self) -> None:
        order = self.shop.api.order("slow")
        self.shop.customers(CUSTOMERS)
        assert order.held.wait(LONG)
        with self.stalled("outbox") as somebody_waits:
            order.let_go.set()
            wait_until(somebody_waits, "the yes to be written down", LONG)
            self.shop.kill("work")

    def database(self) -> None:
        self.shop.customers(CUSTOMERS)
        time.sleep(self.dice.uniform(0, 15))  # any moment of the work
        assert self.server is not None
        self.server.kill()

    def everything(self) -> None:
        self.shop.customers(CUSTOMERS)
        time.sleep(self.dice.uniform(0, 15))  # any moment of the work
        self.shop.kill(*PARTS)
        if self.server is not None:
            self.server.kill()

    def round(self, step: str) -> None:
        """One kill; afterwards everything runs again."""
        STEPS[step](self)
        begun = time.monotonic()
        if self.server is not None and not self.server.running:
            self.server.start()
        self.shop.forget_claims()
        self.shop.start(*(name for name in PARTS if self.shop.parts[name].process.poll() is not None))
        self.shop.probe()
        self.deaths.append(Death(step, time.monotonic() - begun))

    def compare(self, since: int, *, final: bool = False) -> None:
        """Everything is told again, as Meta does; then the books are as the oracle says."""
        self.again += self.shop.meta.tell_again(since)
        self.shop.settle()
        self.books = self.shop.compared(final=final)


STEPS: dict[str, Callable[[Torment], None]] = {
    "the web server, as it stored what came": Torment.storing,
    "the worker, as it filed": Torment.filing,
    "the worker, as a rule fired": Torment.firing,
    "the worker, as it fetched a file": Torment.fetching,
    "the worker, as the bot decided": Torment.deciding,
    "the worker, before what it sent was taken": Torment.before_it_is_taken,
    "the worker, before it heard that it was taken": Torment.before_the_yes,
    "the worker, as it wrote down that it was taken": Torment.recording,
    "the database server, at any moment": Torment.database,
    "everything, at any moment": Torment.everything,
}
FIVE = [list(STEPS)[place] for place in (0, 1, 4, 6, 7)]


@pytest.mark.timeout(900)
def test_killed_at_five_steps_each_message_is_there_once_and_answered_once(
    product: Product, fresh_owner_url: str
) -> None:
    seed = random.randrange(10**6)
    with open_shop(product, fresh_owner_url, seed) as shop:
        torment = Torment(shop, seed)
        for step in FIVE:
            torment.round(step)
        torment.compare(0)
        assert torment.books.by_choice.keys() == {"answered", "handed_over", "suppressed"}
        shop.stop()


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_killed_fifty_times_at_every_step_each_message_is_there_once_and_answered_once(
    open_product: Callable[..., Product], server: Server
) -> None:
    seed = random.randrange(10**6)
    furnish(server.url(OWNER))
    product = open_product(database_url=server.url(APP), owner_database_url=server.url(OWNER))
    begun = time.monotonic()
    with open_shop(product, server.url(OWNER), seed) as shop:
        torment = Torment(shop, seed, server)
        for number in range(50):
            since = len(shop.meta.told)
            torment.round(list(STEPS)[number % len(STEPS)])
            torment.compare(since)
        unheard = shop.unknown()
        wait_until(lambda: shop.unknown() == 0, "what nobody heard of to be settled", LONGEST)
        torment.compare(0, final=True)
        shop.stop()
    report(REPORT, torment, unheard, time.monotonic() - begun)


def report(path: Path, torment: Torment, unheard: int, seconds: float) -> None:
    shop, books = torment.shop, torment.books
    by_step = {step: [death.seconds for death in torment.deaths if death.step == step] for step in STEPS}
    rows = "\n".join(
        f"| {step} | {len(took)} | {statistics.median(took):.1f} s | {max(took):.1f} s |"
        for step, took in by_step.items()
    )
    said, choices = books.by_source, books.by_choice
    parked = sum(state == "parked" for state, _ in books.outbox.values())
    taken_back = sum(state == "dropped" for state, _ in books.outbox.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""# The inbox killed fifty times, at every step from receiving to sending

Written by `make soak` (tests/proof/test_inbox_kill.py) on {datetime.now().astimezone():%d %B %Y}. A web server and a
worker ran on a PostgreSQL server of their own. Customers wrote in bursts (text in English and Hebrew, photos, a word
for which a rule waits, a wish for a person), people answered by the API and on the phone, the bot answered what it
knows. Each was killed with -9 where the table says. Then it was started again, Meta told everything of that time once
more in other batches, and when all was done the database and what the Cloud API had counted were compared with what an
independent oracle works out from what was written.

| what was killed, and when | times | until the next message was filed, median | longest |
|---|---|---|---|
{rows}

| figure | |
|---|---|
| length of the run | {seconds:.0f} s |
| seed | {torment.seed} |
| threads; messages of customers, each once in its thread | {len(books.threads):,}; {said["customer"]:,} |
| files fetched | {len(books.files):,} |
| updates told again | {torment.again:,} |
| bursts, each with one decision: answered, handed over, suppressed | {choices["answered"]:,}, \
{choices["handed_over"]:,}, {choices["suppressed"]:,} |
| messages of ours: the bot's, the rule's, people's by the API or on the phone | {said["bot"]:,}, \
{said["automation"]:,}, {said["human"]:,} |
| sends that the Cloud API counted, for as many keys of the outbox | {len(shop.api.taken):,}, \
{len({one.key for one in shop.api.taken}):,} |
| messages that it counted twice | 0 |
| claimed and not yet sent when their worker died: unknown after the last kill, later sent once | {unheard} |
| such that were too old by then, and were told to a person | {parked} |
| answers of the bot taken back before they left, and thought out anew | {taken_back} |
| comparisons with a difference | 0 of {len(torment.deaths) + 1} |
""")
