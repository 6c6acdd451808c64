"""kill -9 at random moments while posts arrive: whatever dies, the rows are exactly right afterwards."""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from tallybook.core import embedded
from tallybook.core import embedded_server as one
from tests.proof.conftest import VALID
from tests.proof.oracle import Books, expected, of_these, read_books
from tests.proof.product import ROOT, PostingBridge, Product, Running, kill, posts, wait_until

REPORT = ROOT / "docs" / "proofs" / "kill.md"
MANY = 200_000  # posts; more than any bridge here tells
KINDS = ("the product's own process", "the worker", "the database server", "the product with its parts", "everything")
COUNT = "select count(*) from messages"


@dataclass
class Death:
    """One kill, and how long it took until the next post was filed."""

    kind: str
    seconds: float


@dataclass
class Killed:
    """The embedded product under a series of kills."""

    product: Product
    seed: int
    dice: random.Random = field(init=False)
    deaths: list[Death] = field(default_factory=list)
    books: Books = field(default_factory=Books)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.running = self.product.start("run")
        self.running.hears("Tallybook: http")
        with psycopg.connect(self.owner_url) as connection:
            connection.execute(VALID)

    @property
    def owner_url(self) -> str:
        found = self.server()
        return embedded.Server(self.product.data_dir, str(found.socket_dir)).owner_url

    def server(self) -> one.PidFile:
        found = one.read_pid_file(self.product.data_dir / "postgres")
        if found is None or found.status != "ready":
            raise psycopg.OperationalError("there is no server yet")
        return found

    def worker(self) -> int | None:
        return next((pid for pid, line in self.running.children.items() if " work " in line), None)

    def stored(self) -> int:
        with psycopg.connect(self.owner_url, connect_timeout=5) as connection:
            (count,) = connection.execute(COUNT).fetchone() or (0,)
        return int(count)

    def kill(self, kind: str) -> None:
        """Kills at a random moment and waits until posts are filed again. Half of the moments are early ones."""
        time.sleep(self.dice.choice((self.dice.uniform(0, 0.3), self.dice.uniform(0, 2))))  # any moment of the work
        parts = self.running.children
        server = wait_until(self.server, "the server").pid
        begun = time.monotonic()
        if kind == KINDS[1]:
            kill(wait_until(self.worker, "a worker"))
        if kind in {KINDS[2], KINDS[4]}:
            kill(server)
        if kind in {KINDS[0], KINDS[3], KINDS[4]}:
            self.running.kill()
            for pid in parts if kind != KINDS[0] else ():
                kill(pid)
            self.running = self._started_again()
        before = wait_until(lambda: self.stored() + 1, "the database") - 1
        wait_until(lambda: self.stored() > before, f"posts to be filed after the end of {kind}: {self.running.said}")
        self.deaths.append(Death(kind, time.monotonic() - begun))

    def _started_again(self) -> Running:
        # Whoever starts it again may do so while parts of the last run are still on their way out.
        return self.product.start("run")


def torment(product: Product, kinds: Sequence[str], seed: int) -> Killed:
    """A bridge posts, the product dies again and again; after each death and at the end the rows are compared."""
    killed = Killed(product, seed)
    story = posts(seed, MANY)
    with PostingBridge(product, seed) as bridge:
        wait_until(lambda: killed.stored() > 20, "twenty messages")
        for kind in kinds:
            killed.kill(kind)
            books = read_books(killed.owner_url)
            assert books == expected(of_these(story, books), seen=books.seen), f"after {killed.deaths[-1]}"
        told = bridge.stop()
    wanted = expected(told)
    wait_until(lambda: killed.stored() == len(wanted.messages), "every message")
    killed.books = read_books(killed.owner_url)
    assert killed.books == expected(told, seen=killed.books.seen)
    server = killed.server().pid
    assert killed.running.stop() == 0
    assert not Path(f"/proc/{server}").exists()
    # A kill may come between a commit and its line, so a line may be missing; none is ever said twice.
    assert product.created_lines() <= Counter(str(review[1]) for review in killed.books.reviews)
    return killed


@pytest.fixture
def embedded_product(open_product: Callable[..., Product]) -> Product:
    return open_product()


def test_killed_three_times_while_posts_arrive_the_rows_are_exactly_right(embedded_product: Product) -> None:
    kinds = ("the worker", "the database server", "everything")
    assert [death.kind for death in torment(embedded_product, kinds, seed=random.randrange(10**6)).deaths] == [*kinds]


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_fifty_times_while_posts_arrive_the_rows_are_exactly_right(embedded_product: Product) -> None:
    seed = random.randrange(10**6)
    begun = time.monotonic()
    killed = torment(embedded_product, KINDS * 10, seed)
    report(REPORT, killed, time.monotonic() - begun)


def report(path: Path, killed: Killed, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    by_kind = {kind: [death.seconds for death in killed.deaths if death.kind == kind] for kind in KINDS}
    rows = "\n".join(
        f"| {kind} | {len(took)} | {statistics.median(took):.1f} s | {max(took):.1f} s |"
        for kind, took in by_kind.items()
    )
    path.write_text(f"""# Killed fifty times while posts arrived

Written by `make soak` (tests/proof/test_kill.py) on {datetime.now().astimezone():%d %B %Y}. `tallybook run` on its
embedded database; a bridge in a process of its own stored a post about every 20 ms, some of them re-deliveries. After
each kill -9, and at the end, all registers were compared with what an independent oracle works out from the posts.

| what was killed | times | until posts were filed again, median | longest |
|---|---|---|---|
{rows}

| figure | |
|---|---|
| length of the run | {seconds:.0f} s |
| seed | {killed.seed} |
| messages stored, posts of drops filed, reviews | {len(killed.books.messages):,}, {len(killed.books.submissions):,}, \
{len(killed.books.reviews):,} |
| comparisons with a difference | 0 of {len(killed.deaths) + 1} |
| servers left behind by the clean stop | 0 |
""")
