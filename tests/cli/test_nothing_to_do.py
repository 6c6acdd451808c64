"""A command that finds nothing to do says so: it neither waits in silence nor claims a success."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallybook.core.businesses import Business
from tests.cli.test_parked import Terminal
from tests.proof.product import Product


@pytest.fixture
def terminal(fresh_url: str, tmp_path: Path) -> Terminal:
    return Terminal(fresh_url, tmp_path / "data")


def test_a_name_nobody_tried_to_log_in_with_is_doubted(terminal: Terminal, business: Business) -> None:
    code, said = terminal("user", "let-in", "aan")
    assert (code, said) == (0, "No wrong password was tried for aan lately. Is the name spelled right?\n")


def test_whoever_watches_a_bridge_that_is_not_named_is_told_where_to_name_it(
    fresh_url: str, fresh_owner_url: str, tmp_path: Path
) -> None:
    config = str(tmp_path / "nowhere.toml")
    product = Product(tmp_path, database_url=fresh_url, owner_database_url=fresh_owner_url, config=config)
    try:
        watching = product.start_warm("monitor", "scan")
        watching.hears(f"No bridge is named in {config}. Copy tallybook.example.toml there and edit it.")
        watching.stop()
    finally:
        product.close()
