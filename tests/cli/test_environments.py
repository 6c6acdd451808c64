"""Environments made on the command line, on the database that comes with the product and on one's own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import warm
from tests.postgres import OWNER, Server


def tallybook(*arguments: str, **settings: str | Path) -> Any:
    """What a command says as JSON."""
    given = {f"TALLYBOOK_{name.upper()}": str(value) for name, value in settings.items()}
    command = [*warm.command(), *arguments, "--json"]
    done = subprocess.run(command, env=os.environ | given, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def test_an_environment_may_be_made_and_mended_and_is_used_at_once(tmp_path: Path) -> None:
    """Its role keeps the password that the product knows; a repair locks nobody out."""
    here = {"data_dir": tmp_path, "log_level": "error"}
    for _ in range(2):
        assert tallybook("env", "create", "dev", **here)["role"] == "tallybook_dev"
    added = tallybook("business", "add", "Velo Fibre", "--timezone", "Africa/Johannesburg", "--env", "dev", **here)
    assert added["name"] == "Velo Fibre"


def test_on_a_server_of_ones_own_a_new_role_gets_a_password_and_an_old_one_keeps_it(
    server: Server, tmp_path: Path
) -> None:
    url = server.url(OWNER)
    here = {"data_dir": tmp_path, "database_url": url, "log_level": "error"}
    assert tallybook("env", "create", "staging", **here)["password"]
    assert tallybook("env", "create", "staging", **here)["password"] is None
    assert tallybook("env", "create", "staging", "--new-password", **here)["password"]
    with psycopg.connect(server.url("tallybook_staging")) as staging:
        assert staging.execute("select current_schema()").fetchone() == ("staging",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            staging.execute("select * from public.messages")
