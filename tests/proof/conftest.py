"""Installations for the proofs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.proof.product import Product

# Every even drop is in the list of the one project that has a list.
VALID = """
insert into valid_drop_numbers (drop_number, project)
select 'DR' || n, 'Mohadin' from generate_series(1700000, 1710000, 2) as n
"""


def furnish(owner_url: str) -> None:
    """The business in each environment that is there, and the validated project's list."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "insert into public.businesses (name, time_zone) values ('Velo Fibre', 'Africa/Johannesburg')"
        )
        if connection.execute("select to_regclass('dev.businesses') is not null").fetchone() == (True,):
            connection.execute("insert into dev.businesses select * from public.businesses")
        connection.execute(VALID)


@pytest.fixture
def open_product(tmp_path: Path) -> Iterator[Callable[..., Product]]:
    """Opens installations, each in a folder of its own; whatever they started ends with the test."""
    opened: list[Product] = []

    def new(name: str = "product", **settings: str) -> Product:
        opened.append(Product(tmp_path / name, **settings))
        return opened[-1]

    yield new
    for product in opened:
        product.close()


@pytest.fixture
def product(open_product: Callable[..., Product], fresh_url: str, fresh_owner_url: str) -> Product:
    """An installation on a database of this test's own, with a business and no log-ins."""
    furnish(fresh_owner_url)
    return open_product(database_url=fresh_url, owner_database_url=fresh_owner_url)
