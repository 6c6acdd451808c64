"""PgBouncer in transaction mode between the product and PostgreSQL: all works, with a direct address or without."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.channels.bridge.bridge_file import LAWLEY
from tests.postgres import APP, OWNER, Server
from tests.programs import PROGRAMS
from tests.proof.conftest import furnish
from tests.proof.oracle import expected, read_books
from tests.proof.product import Product, posts, store, wait_until
from tests.proof.visitor import add_admin, logged_in

PORT = 6432
CONFIGURATION = """
[databases]
* = host={server}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 4
ignore_startup_parameters = extra_float_digits
"""
ASK_FOR_A_JOB = "insert into jobs (kind, key) values ('monitor.reconcile', 'asked')"
JOB_DONE = "select state = 'done' from jobs where key = 'asked'"

pytestmark = pytest.mark.needs("pgbouncer")


@pytest.fixture
def pooler(postgres: Server) -> Iterator[Path]:
    """A running PgBouncer before the tests' server; gives the folder of its socket."""
    folder = Path(tempfile.mkdtemp(prefix="pb-"))
    (folder / "users").write_text(f'"{APP}" ""\n')
    (folder / "ini").write_text(CONFIGURATION.format(server=postgres.folder, port=PORT, folder=folder))
    nobody = pwd.getpwnam("nobody")
    if os.geteuid() == 0:  # it refuses to run as root
        for path in (folder, *folder.iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        lowered: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    else:
        lowered = {}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAMS["pgbouncer"], folder / "ini"], cwd=folder, stdout=log, stderr=log, **lowered
        )
    wait_until(lambda: (folder / f".s.PGSQL.{PORT}").exists() or process.poll() is not None, "the pooler")
    assert process.poll() is None, (folder / "log").read_text()
    yield folder
    process.terminate()
    process.wait(20)
    shutil.rmtree(folder)


@pytest.fixture(params=["with a direct address", "through the pooler alone"])
def behind_it(
    request: pytest.FixtureRequest, pooler: Path, postgres: Server, fresh_name: str,
    open_product: Callable[..., Product],
) -> Product:  # fmt: skip
    """An installation whose database is reached through the pooler."""
    furnish(postgres.url(OWNER, fresh_name))
    settings = {"database_url": f"postgresql://{APP}@/{fresh_name}?host={pooler}&port={PORT}"}
    if request.param == "with a direct address":
        settings["direct_database_url"] = postgres.url(APP, fresh_name)
    return open_product(**settings)


async def test_everything_works_through_a_pooler_in_transaction_mode(behind_it: Product, fresh_owner_url: str) -> None:
    told = posts(seed=6, count=1000)
    with behind_it.bridge() as bridge:
        store(bridge, told)
    behind_it.run("monitor", "scan", "--once")
    assert read_books(fresh_owner_url) == expected(told)
    await add_admin(fresh_owner_url)
    parts = [behind_it.start("serve"), behind_it.start("work")]
    with contextlib.closing(logged_in(behind_it)) as client:
        await_change(behind_it, client, fresh_owner_url)
        save_a_review(client)
    with psycopg.connect(fresh_owner_url) as connection:
        connection.execute(ASK_FOR_A_JOB)
    wait_until(lambda: one_value(fresh_owner_url, JOB_DONE), "the job to be done")
    assert [part.stop() for part in parts] == [0, 0]
    assert "DuplicatePreparedStatement" not in behind_it.all_said()
    alone = "direct_database_url" not in behind_it.settings
    assert ("Notifications do not come through this database address" in parts[0].said) is alone


def await_change(product: Product, client: httpx.Client, owner_url: str) -> None:
    """An open page hears of a post: by a notification, or by asking every two seconds where there is only a pooler."""
    before = len(read_books(owner_url).reviews)
    with client.stream("GET", "/live?topic=monitor", timeout=60) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        heard = next(line for line in lines if line in {"event: live", "event: away"})
        while heard != "event: live":
            heard = next(line for line in lines if line.startswith("event: "))
        begun = time.monotonic()
        with product.bridge() as bridge:
            bridge.post(LAWLEY, "DR1999999", id="LIVE", sender="27820000001")
        while len(read_books(owner_url).reviews) == before:
            assert next(line for line in lines if line.startswith("event: ")) == "event: changed"
        assert time.monotonic() - begun < 30


def save_a_review(client: httpx.Client) -> None:
    """Ticks a step and finds it ticked."""
    json = {"accept": "application/json"}
    review = client.get("/api/wa-monitor-drops?q=DR1999999&from=&to=", headers=json).json()["data"]["drops"][0]
    token = next(value for name, value in client.cookies.items() if name.endswith("csrf"))
    answer = client.patch(
        f"/api/wa-monitor-drops/{review['id']}", headers=json | {"x-csrftoken": token},
        json={"ticks": {"step_01_house_photo": True}},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    whole = client.get(f"/api/wa-monitor-drops/{review['id']}", headers=json).json()["data"]
    assert whole["review"]["ticks"]["step_01_house_photo"] is True


def one_value(owner_url: str, query: str) -> object:
    with psycopg.connect(owner_url) as connection:
        (value,) = connection.execute(query.encode()).fetchone() or (None,)
    return value
