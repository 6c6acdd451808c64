"""While a list is imported, eight workers hold what it cannot answer for yet, and lose or let through nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests.channels.bridge.bridge_file import MOHADIN, BridgeFile
from tests.postgres import Server
from tests.proof.product import Product, Running, wait_until
from tests.proof.test_readers import READERS, at_work

LISTED, ADDED, UNKNOWN = "DR1700002", "DR1700003", "DR9999999"  # every even drop is in the list, see conftest
IN_THE_WAY = "insert into valid_drop_numbers (drop_number, project) values ('DR1700005', 'Mohadin')"
WRITING = """
select 1 from pg_stat_activity
where wait_event_type = 'Lock' and query like '%insert into valid_drop_numbers%' and datname = current_database()
"""
LONG_WATCHED = "update monitor_projects set watched_since = now() - interval '1 day'"
HELD = "select drop_number, state from held_posts order by drop_number"
FILED = "select drop_number, effect from qa_submissions order by drop_number"
REFUSED = "select drop_number from invalid_drop_submissions"
ANSWERED = "select drop_number from monitor_replies"


class Books:
    """What the database says, and what waits in it."""

    def __init__(self, owner_url: str, superuser_url: str) -> None:
        self.owner_url, self.superuser_url = owner_url, superuser_url

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.owner_url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def do(self, statement: str) -> None:
        with psycopg.connect(self.owner_url) as connection:
            connection.execute(statement.encode())

    @property
    def import_writes(self) -> bool:
        with psycopg.connect(self.superuser_url) as connection:
            return connection.execute(WRITING.encode()).fetchone() is not None

    @contextmanager
    def stopped_import(self, product: Product) -> Iterator[Running]:
        """An import that adds ``ADDED`` and stands in the middle of its writing for as long as the block lasts."""
        listed = product.folder / "list.csv"
        listed.write_text(f"drop_number,project\n{ADDED},Mohadin\nDR1700005,Mohadin\n")
        with psycopg.connect(self.owner_url) as in_the_way:
            in_the_way.execute(IN_THE_WAY)
            running = product.start("monitor", "import-valid", str(listed))
            wait_until(lambda: self.import_writes, "the import to write")
            yield running
            in_the_way.rollback()


@pytest.fixture
def books(fresh_owner_url: str, fresh_name: str, postgres: Server) -> Books:
    return Books(fresh_owner_url, postgres.url("postgres", fresh_name))


@contextmanager
def eight_workers(product: Product, books: Books) -> Iterator[BridgeFile]:
    """All at work on the bridge's file, whose groups they have watched for a day."""
    with product.bridge() as bridge:
        workers = product.start_many(READERS, "work")
        wait_until(lambda: at_work(books.superuser_url) == READERS, "all workers")
        wait_until(lambda: books.rows("select 1 from monitor_projects"), "the projects")
        books.do(LONG_WATCHED)
        yield bridge
        assert workers.stop() == 0


def post_all(bridge: BridgeFile) -> None:
    for drop in (LISTED, ADDED, UNKNOWN):
        bridge.post(MOHADIN, drop, sender="27820000001", at=datetime.now(UTC))


def test_a_post_of_a_drop_that_a_running_import_adds_is_filed_and_never_called_invalid(
    product: Product, books: Books
) -> None:
    with eight_workers(product, books) as bridge:
        with books.stopped_import(product) as importing:
            post_all(bridge)
            wait_until(lambda: len(books.rows(HELD)) == 2, "two to be held")
            assert books.rows(HELD) == [(ADDED, "held"), (UNKNOWN, "held")]
            wait_until(lambda: books.rows(FILED) == [(LISTED, "created")], "what is in the list to be filed")
            assert books.rows(REFUSED) == []
        assert importing.process.wait(60) == 0, importing.said
        wait_until(lambda: books.rows(HELD) == [(ADDED, "filed"), (UNKNOWN, "rejected")], "both to be decided")
        assert books.rows(FILED) == [(LISTED, "created"), (ADDED, "created")]
        assert books.rows(REFUSED) == [(UNKNOWN,)]
        assert books.rows(ANSWERED) == [(UNKNOWN,)]


def test_a_killed_import_holds_posts_no_longer_than_its_lease(product: Product, books: Books) -> None:
    with eight_workers(product, books) as bridge:
        with books.stopped_import(product) as importing:
            post_all(bridge)
            wait_until(lambda: len(books.rows(HELD)) == 2, "two to be held")
            importing.process.send_signal(signal.SIGKILL)
            importing.process.wait(60)
        # Its lease ends, and the next beat, a minute later at most, judges by the list as it is.
        books.do("update valid_imports set lease_until = clock_timestamp()")
        books.do("update schedules set next_at = now() where name = 'monitor.decide-held every minute'")
        wait_until(lambda: books.rows(HELD) == [(ADDED, "rejected"), (UNKNOWN, "rejected")], "both to be decided", 120)
        assert books.rows("select state, added from valid_imports") == [("ended", 0)]
        assert books.rows(FILED) == [(LISTED, "created")]
        assert sorted(books.rows(ANSWERED)) == [(ADDED,), (UNKNOWN,)]
