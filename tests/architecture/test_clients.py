"""Clients of the web: none reads the authorities for itself, which takes longer than most of what it then asks."""

from __future__ import annotations

import ast

from tallybook.channels.authorities import authorities
from tests.architecture.sources import trees

# A connection of a minute or more at a time; beside it reading them is nothing, and a folder of one's own may be named.
LONG = {"channels/sharepoint/client.py", "demo/customers.py"}


def test_the_authorities_are_read_once() -> None:
    assert authorities() is authorities()


def test_every_client_that_is_made_for_a_call_is_told_who_vouches_for_servers() -> None:
    made = [
        (str(path), call)
        for path, tree in trees()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"httpx.AsyncClient", "httpx.Client"}
    ]
    assert len(made) > 6
    own = [(path, call.lineno) for path, call in made if "authorities()" not in ast.unparse(call) and path not in LONG]
    assert own == []
