"""Any number of readers may read one file at once: each post still has one effect."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import psycopg

from tests.postgres import Server
from tests.proof.oracle import Books, expected, read_books
from tests.proof.product import PostingBridge, Product, posts, store, wait_until

READERS = 8


AT_WORK = "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen %'"


def at_work(superuser_url: str) -> int:
    """How many workers have begun: each listens on a connection of its own."""
    with psycopg.connect(superuser_url) as connection:
        (count,) = connection.execute(AT_WORK).fetchone() or (0,)
    return int(count)


def lines_of(books: Books) -> Counter[str]:
    """How often the log must tell of each drop: once for each space in which it has a review."""
    return Counter(str(review[1]) for review in books.reviews)


def test_eight_scans_of_one_file_at_once_have_one_effect_each(product: Product, fresh_owner_url: str) -> None:
    told = posts(seed=1, count=4000)
    with product.bridge() as bridge:
        store(bridge, told)
    product.run_many(READERS, "monitor", "scan", "--once")
    books = read_books(fresh_owner_url)
    assert books == expected(told)
    assert product.created_lines() == lines_of(books)


def test_eight_workers_at_once_on_a_file_that_is_being_written_have_one_effect_each(
    product: Product, fresh_owner_url: str, fresh_name: str, postgres: Server
) -> None:
    everything = postgres.url("postgres", fresh_name)
    with PostingBridge(product, seed=2, pause=0.005) as bridge:
        workers = product.start_many(READERS, "work")
        wait_until(lambda: at_work(everything) == READERS, "all workers")
        wait_until(lambda: len(read_books(fresh_owner_url).messages) > 300, "three hundred messages")
        told = bridge.stop()
    wait_until(lambda: len(read_books(fresh_owner_url).messages) == len(expected(told).messages), "every message")
    assert workers.stop() == 0
    assert workers.said.splitlines()[-1] == str([0] * READERS)
    books = read_books(fresh_owner_url)
    assert books == expected(told)
    assert product.created_lines() == lines_of(books)


def test_a_dry_run_says_what_the_scan_then_does_and_does_nothing_itself(product: Product, fresh_owner_url: str) -> None:
    with product.bridge() as bridge:
        store(bridge, posts(seed=3, count=1500))
    forecast = said_as_json(product.run("monitor", "scan", "--dry-run", "--json"))
    assert read_books(fresh_owner_url) == Books()
    assert "Nothing was filed." in product.run("monitor", "scan", "--dry-run")
    product.run("monitor", "scan", "--once")
    books = read_books(fresh_owner_url)
    foretold = Counter({
        kind: sum(len(found[kind]) for found in forecast["projects"].values())
        for kind in ("created", "resubmitted", "history", "activated", "rejected")
    })  # fmt: skip
    effects = Counter(str(submission[4]) for submission in books.submissions)
    assert foretold == effects | Counter(activated=len(books.activations), rejected=len(books.invalid))
    assert forecast["changed"] == len(books.messages)
    after = said_as_json(product.run("monitor", "scan", "--dry-run", "--json"))
    assert after == {"changed": 0, "projects": {}}


def said_as_json(said: str) -> dict[str, Any]:
    """The answer for programs; log lines stand before it."""
    answer: dict[str, Any] = json.loads(said[said.index("{\n") :])
    return answer
