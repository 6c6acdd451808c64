"""Real processes and a real file: each environment has its own place in it, and a copy may die at any moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.channels.bridge.bridge_file import LAWLEY
from tests.postgres import APP, DEV, OWNER, Server
from tests.proof.conftest import furnish
from tests.proof.oracle import Books, expected, read_books
from tests.proof.product import Product, kill, posts, store, wait_until

POSITIONS = "select account, position::text from {}.source_positions where channel = 'bridge'"
WAITS = """
select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%into "valid_drop_numbers"%'
"""
IN_THE_WAY = "insert into dev.valid_drop_numbers (drop_number, project) values ('DR1705000', 'Mohadin')"
LISTED = "select count(*) from dev.valid_drop_numbers"
EVER = "100000"


@pytest.fixture
def shared(server: Server) -> Server:
    furnish(server.url(OWNER))
    return server


def ask(server: Server, query: str) -> Any:
    with psycopg.connect(server.url("postgres")) as connection:
        return connection.execute(query.encode()).fetchall()


def test_each_environment_keeps_its_own_place_in_the_one_file_that_both_read(
    shared: Server, open_product: Callable[..., Product]
) -> None:
    """Dev falls behind while production goes on, and reads on from where it was itself."""
    prod = open_product(database_url=shared.url(APP))
    dev = {"env": "dev", "database_url": shared.url(DEV), "log_file": str(prod.folder / "dev.log")}
    told = posts(6, 120)
    with prod.bridge() as bridge:
        store(bridge, told[:60])
        workers = [prod.start("work"), prod.start("work", **dev)]
        _wait_for(shared, "public", len(expected(told[:60]).messages))
        _wait_for(shared, "dev", len(expected(told[:60], "dev").messages))
        assert workers[1].stop() == 0
        behind = ask(shared, POSITIONS.format("dev"))
        assert len(behind) == 1
        store(bridge, told[60:])
        _wait_for(shared, "public", len(expected(told).messages))
        assert ask(shared, POSITIONS.format("dev")) == behind
        assert ask(shared, POSITIONS.format("public")) != behind
        again = prod.start("work", **dev)
        _wait_for(shared, "dev", len(expected(told, "dev").messages))
        assert [workers[0].stop(), again.stop()] == [0, 0]
    for environment, schema in (("prod", "public"), ("dev", "dev")):
        books = read_books(shared.url(OWNER), schema)
        assert books == expected(told, environment, books.seen)
    # The project that both read is whole in both, each row made by its own environment.
    assert _velo_test(read_books(shared.url(OWNER))) == _velo_test(read_books(shared.url(OWNER), "dev"))
    assert _velo_test(read_books(shared.url(OWNER), "dev")) != []


def _wait_for(server: Server, schema: str, count: int) -> None:
    wait_until(lambda: len(read_books(server.url(OWNER), schema).messages) >= count, f"{count} messages in {schema}")


def _velo_test(books: Books) -> list[Any]:
    return [review for review in books.reviews if review[0] == "Velo Test"]


def test_a_copy_that_is_killed_leaves_whole_batches_and_the_next_one_makes_it_whole(
    shared: Server, open_product: Callable[..., Product]
) -> None:
    product = open_product(database_url=shared.url(APP), owner_database_url=shared.url(OWNER))
    with product.bridge() as bridge:
        store(bridge, posts(7, 300))
    product.run("monitor", "scan", "--once")
    worker = product.start("work")  # production works on all the while
    with psycopg.connect(shared.url(OWNER)) as in_the_way:
        in_the_way.execute(IN_THE_WAY)
        copying = product.start("env", "copy", "dev", "--days", EVER, "--yes")
        wait_until(lambda: ask(shared, WAITS) != [(0,)], "the copy to wait in the middle of the list")
        kill(copying.process.pid)
        copying.process.wait()
        in_the_way.rollback()
    wait_until(lambda: ask(shared, "select count(*) from pg_stat_activity where application_name = 'tallybook env'")
               == [(0,)], "the killed copy's reading to end")  # fmt: skip
    ((listed,),) = ask(shared, LISTED)
    assert 0 < listed < 5001
    assert listed % 1000 == 0
    for _ in range(2):
        said = product.run("env", "copy", "dev", "--days", EVER, "--yes", "--json")
    last, _ = json.JSONDecoder().raw_decode(said[said.index("{") :])
    assert {table["table"]: table["written"] for table in last["tables"] if table["written"]} == {}
    assert ask(shared, LISTED) == [(5001,)]
    here, there = read_books(shared.url(OWNER)), read_books(shared.url(OWNER), "dev")
    assert there.messages == here.messages
    assert there.submissions == here.submissions
    assert [review[:6] for review in there.reviews] == [review[:6] for review in here.reviews]
    assert there.marketing_posts == here.marketing_posts
    assert there.invalid == here.invalid
    assert {review[6] for review in there.reviews}.isdisjoint({review[6] for review in here.reviews})
    assert worker.stop() == 0
    # Nothing that waits in production came along; dev's own worker is asked to count what is new to it.
    assert ask(shared, "select distinct kind from dev.jobs") == [("monitor.statistics",)]
    assert LAWLEY in {message[0] for message in there.messages}
