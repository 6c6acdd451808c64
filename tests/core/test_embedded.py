from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tallybook.core import embedded
from tallybook.core import embedded_programs as programs
from tallybook.core import embedded_server as one
from tallybook.core.errors import WrongSetup

NOBODY = 65534
AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root can become another account")

# The product or a command, in a process of its own, until it is told to stop or killed.
HOLD = """
import asyncio, signal, sys
from pathlib import Path
from tallybook.core import embedded

async def hold():
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with embedded.running(Path(sys.argv[1]), exclusive=sys.argv[2] == "product") as server:
        print(server.superuser_url, flush=True)
        await stopped.wait()

asyncio.run(hold())
"""
# The same by an ordinary account, which may not be able to reach the interpreter: hence started first, lowered then.
ORDINARY = """
import asyncio, concurrent.futures.thread, encodings.idna, os, sys
from pathlib import Path
import psycopg
from tallybook.core import embedded

async def once():
    async with embedded.running(Path(sys.argv[1]), exclusive=True) as server:
        async with await psycopg.AsyncConnection.connect(server.owner_url) as connection:
            row = await (await connection.execute("select current_user::text")).fetchone()
            print(row[0])

os.chdir("/")
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
asyncio.run(once())
"""


def cluster(data_dir: Path) -> Path:
    return data_dir / "postgres"


def alive(data_dir: Path) -> list[int]:
    return one.processes(cluster(data_dir), programs.account_for(cluster(data_dir)))


def server_pid(data_dir: Path) -> int:
    found = one.read_pid_file(cluster(data_dir))
    assert found is not None
    return found.pid


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)  # another process, which signals nothing


@contextlib.contextmanager
def held(data_dir: Path, how: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", HOLD, str(data_dir), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()


async def value(url: str, statement: str) -> object:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement)
        row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped data directory with one row in it, to be copied."""
    folder = tmp_path_factory.mktemp("prepared") / "data"

    async def prepare() -> None:
        async with embedded.running(folder, exclusive=True) as server:
            await value(server.owner_url, "create table kept (what text)")
            await value(server.owner_url, "insert into kept values ('a post')")

    asyncio.run(prepare())
    return folder


@pytest.fixture
def data_dir(prepared: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    copy(prepared, folder)
    yield folder
    for pid in alive(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


async def kept(server: embedded.Server) -> object:
    return await value(server.owner_url, "select what from kept")


async def test_a_first_start_makes_a_database_with_its_owner_and_no_parent_is_touched(tmp_path: Path) -> None:
    parent = tmp_path / "a private place"
    parent.mkdir(mode=0o700)
    before = [(place, place.stat().st_mode, place.stat().st_uid) for place in (parent, *parent.parents)]
    async with embedded.running(parent / "data", exclusive=True) as server:
        assert await value(server.owner_url, "select current_user::text || current_database()") == (
            "tallybook_ownertallybook"
        )
        assert await value(server.owner_url, "show server_encoding") == "UTF8"
        assert (
            await value(server.owner_url, "select datlocale from pg_database where datname = 'tallybook'") == "C.UTF-8"
        )
        assert await value(server.owner_url, "select rolsuper from pg_roles where rolname = current_user") is False
        assert await value(server.superuser_url, "select bool_and(rolpassword like 'SCRAM%') from pg_authid")
    assert [(place, place.stat().st_mode, place.stat().st_uid) for place in (parent, *parent.parents)] == before
    assert alive(parent / "data") == []


async def test_what_was_stored_is_there_at_the_next_start(data_dir: Path) -> None:
    async with embedded.running(data_dir, exclusive=True) as server:
        assert await kept(server) == "a post"
        assert await value(server.owner_url, "show fsync") == "on"
        assert await value(server.owner_url, "show timezone") == "UTC"
        assert await value(server.owner_url, "show jit") == "off"


async def test_a_clean_stop_leaves_no_server_and_no_socket(data_dir: Path) -> None:
    async with embedded.running(data_dir, exclusive=True) as server:
        assert alive(data_dir)
    assert alive(data_dir) == []
    assert not Path(server.host).exists()


async def test_an_error_within_stops_the_server_too(data_dir: Path) -> None:
    with pytest.raises(RuntimeError):
        async with embedded.running(data_dir, exclusive=True):
            raise RuntimeError
    assert alive(data_dir) == []


async def test_a_killed_server_recovers_at_the_next_start(data_dir: Path) -> None:
    with held(data_dir, "product") as (product, url):
        await value(url, "create table later (n int)")
        product.kill()
        product.wait()
        os.kill(server_pid(data_dir), signal.SIGKILL)
    assert (cluster(data_dir) / "postmaster.pid").exists()
    async with embedded.running(data_dir, exclusive=True) as server:
        assert await kept(server) == "a post"
        assert await value(server.superuser_url, "select count(*) from later") == 0
    assert alive(data_dir) == []


async def test_the_next_product_takes_over_the_server_of_a_killed_one(data_dir: Path) -> None:
    with held(data_dir, "product") as (product, _):
        product.kill()
        product.wait()
    orphan = server_pid(data_dir)
    assert orphan in alive(data_dir)
    async with embedded.running(data_dir, exclusive=True) as server:
        assert await kept(server) == "a post"
        assert server_pid(data_dir) == orphan
    assert alive(data_dir) == []


async def test_a_stale_lock_whose_number_another_process_bears_is_no_hindrance(data_dir: Path) -> None:
    with held(data_dir, "product") as (product, _):
        product.kill()
        product.wait()
        os.kill(server_pid(data_dir), signal.SIGKILL)
    eventually(lambda: not alive(data_dir))
    account = programs.account_for(cluster(data_dir))
    with subprocess.Popen(["sleep", "600"], cwd="/", **account.options) as stranger:
        lock = cluster(data_dir) / "postmaster.pid"
        lock.write_text("\n".join([str(stranger.pid), *lock.read_text().splitlines()[1:]]))
        async with embedded.running(data_dir, exclusive=True) as server:
            assert await kept(server) == "a post"
        assert stranger.poll() is None
        stranger.kill()


async def test_a_second_product_on_the_directory_is_refused_by_name(data_dir: Path) -> None:
    with held(data_dir, "product") as (product, _):
        with pytest.raises(WrongSetup, match=rf"already runs on .* \(process {product.pid}\)"):
            async with embedded.running(data_dir, exclusive=True):
                pass
        assert alive(data_dir)


async def test_a_second_product_is_told_apart_from_another_program_on_the_port(data_dir: Path) -> None:
    """Whoever starts it twice by mistake is not sent to look for another port."""
    embedded.refuse_second(data_dir)
    with held(data_dir, "product") as (product, _), pytest.raises(WrongSetup, match=rf"\(process {product.pid}\)"):
        embedded.refuse_second(data_dir)
    embedded.refuse_second(data_dir)


async def test_a_command_beside_a_server_that_hangs_ends_with_a_sentence(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watchdog that asks for health must be answered, and not hang with what it watches."""
    monkeypatch.setattr(embedded, "ANSWERS_WITHIN", 2)
    async with embedded.running(data_dir, exclusive=True):
        os.kill(server_pid(data_dir), signal.SIGSTOP)
        try:
            with pytest.raises(WrongSetup, match="runs, and has not answered for 2 seconds"):
                async with embedded.running(data_dir, exclusive=False):
                    pass
        finally:
            os.kill(server_pid(data_dir), signal.SIGCONT)


async def test_a_command_attaches_and_leaves_the_running_server_alone(data_dir: Path) -> None:
    async with embedded.running(data_dir, exclusive=True) as product:
        pid = server_pid(data_dir)
        async with embedded.running(data_dir, exclusive=False) as command:
            assert command == product
        assert server_pid(data_dir) == pid
        assert await kept(product) == "a post"


async def test_a_product_that_stops_leaves_the_server_to_the_command_beside_it(data_dir: Path) -> None:
    with held(data_dir, "product") as (product, _):
        async with embedded.running(data_dir, exclusive=False) as command:
            product.terminate()
            assert product.wait() == 0
            assert await kept(command) == "a post"
    assert alive(data_dir) == []


async def test_commands_at_once_share_one_server_and_the_last_ends_it(tmp_path: Path) -> None:
    data_dir, all_there = tmp_path / "data", asyncio.Barrier(4)

    async def command() -> str:
        async with embedded.running(data_dir, exclusive=False) as server:
            await all_there.wait()
            await value(server.owner_url, "select 1")
            return server.host

    hosts = await asyncio.gather(*(command() for _ in range(4)))
    assert len(set(hosts)) == 1
    assert alive(data_dir) == []


async def test_a_server_that_dies_is_started_again_at_the_same_address(data_dir: Path) -> None:
    async with embedded.running(data_dir, exclusive=True) as server:
        first = server_pid(data_dir)
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(eventually, lambda: answers(server.superuser_url) and server_pid(data_dir) != first)
        assert await kept(server) == "a post"
    assert alive(data_dir) == []


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


async def test_a_path_may_have_spaces_and_be_longer_than_a_socket_may(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("a folder, with 'quotes' and spaces " * 5) / ("ü" * 100)
    long.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    copy(prepared, long / "my data")
    async with embedded.running(long / "my data", exclusive=True) as server:
        assert await kept(server) == "a post"


async def test_a_directory_of_another_major_version_gets_a_clear_sentence(data_dir: Path) -> None:
    (cluster(data_dir) / "PG_VERSION").write_text("15\n")
    with pytest.raises(WrongSetup, match=r"written by PostgreSQL 15 and this release brings PostgreSQL 18.*backup"):
        async with embedded.running(data_dir, exclusive=True):
            pass


async def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "letter.txt").write_text("dear all")
    with pytest.raises(WrongSetup, match="something other than a database"):
        async with embedded.running(tmp_path, exclusive=True):
            pass
    assert (tmp_path / "postgres" / "letter.txt").exists()


async def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    with (cluster(data_dir) / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = 'many'\n")
    with pytest.raises(WrongSetup, match=r"did not start.*shared_buffers"):
        async with embedded.running(data_dir, exclusive=True):
            pass
    assert alive(data_dir) == []


async def test_credentials_of_another_database_get_a_clear_sentence(data_dir: Path) -> None:
    (data_dir / "credentials.json").write_text(json.dumps({"postgres": "wrong"}))
    with pytest.raises(WrongSetup, match=r"credentials\.json"):
        async with embedded.running(data_dir, exclusive=True):
            pass
    assert alive(data_dir) == []


async def test_nobody_connects_without_the_password_and_only_the_owner_reads_it(data_dir: Path) -> None:
    async with embedded.running(data_dir, exclusive=True) as server:
        assert stat.S_IMODE((data_dir / "credentials.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(Path(server.host).stat().st_mode) == 0o700
        for role in ("postgres", "tallybook_owner"):
            address = f"host={server.host} dbname=tallybook user={role}"
            with pytest.raises(psycopg.OperationalError, match="no password supplied"):
                await psycopg.AsyncConnection.connect(address, passfile="/dev/null")
            with pytest.raises(psycopg.OperationalError, match="authentication failed"):
                await psycopg.AsyncConnection.connect(address, password="guessed")
        listening = await value(server.superuser_url, "show listen_addresses")
        assert listening == ""


@only_root
async def test_another_account_does_not_even_reach_the_socket(data_dir: Path) -> None:
    async with embedded.running(data_dir, exclusive=True) as server:
        socket = f"{server.host}/{one.SOCKET_NAME}"
        command = ["test", "-e", socket]
        assert subprocess.run(command, check=False, cwd="/").returncode == 0
        stranger = subprocess.run(command, check=False, cwd="/", user=12345, group=12345, extra_groups=[])
        assert stranger.returncode != 0


async def test_a_role_keeps_the_password_it_was_given_first(data_dir: Path) -> None:
    server = embedded.Server(data_dir, "/somewhere with spaces")
    first = server.password_for("tallybook_dev")
    assert embedded.Server(data_dir, "/elsewhere").password_for("tallybook_dev") == first
    address = urlsplit(server.url_for("tallybook_dev"))
    assert (address.username, address.password) == ("tallybook_dev", first)
    assert parse_qs(address.query) == {"host": ["/somewhere with spaces"], "port": ["5432"]}


def test_the_servers_log_stays_within_bounds(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text("x" * 100)
    one.trim_log(log, limit=10)
    assert log.read_text() == ""
    assert (tmp_path / "postgres.log.1").read_text() == "x" * 100


@only_root
async def test_programs_in_a_private_folder_are_copied_once_to_where_the_server_may_run_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "private site"
    site.mkdir(mode=0o700)
    spec = importlib.util.find_spec(programs.PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    for name in (programs.PACKAGE, f"{programs.PACKAGE}.libs"):
        copy(Path(spec.origin).parents[1] / name, site / name)
    monkeypatch.syspath_prepend(site)
    with tempfile.TemporaryDirectory(prefix="reachable") as reachable:
        Path(reachable).chmod(0o755)
        monkeypatch.setattr(programs, "REACHABLE_COPIES", Path(reachable) / "copies")
        account = programs.account_for(tmp_path / "absent")
        first = await asyncio.to_thread(programs.programs_for, account)
        assert first.folder.is_relative_to(reachable)
        made = first.folder.stat().st_ino
        again = await asyncio.to_thread(programs.programs_for, account)
        assert (again, again.folder.stat().st_ino) == (first, made)
        async with embedded.running(tmp_path / "data", exclusive=True) as server:
            assert await value(server.owner_url, "select 1") == 1


@only_root
def test_root_without_rights_over_other_accounts_processes_as_in_a_container_finds_its_server(data_dir: Path) -> None:
    lowered = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"]
    code = HOLD.replace("await stopped.wait()", "print(sys.argv[2])")
    for how in ("product", "command"):
        command = [*lowered, sys.executable, "-c", code, str(data_dir), how]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert done.stdout.splitlines()[1:] == [how]
        assert alive(data_dir) == []


@only_root
def test_an_ordinary_account_needs_nothing_of_root() -> None:
    if not programs._can_run(programs.installed_programs(), programs.Account(NOBODY, NOBODY)):
        pytest.skip("an ordinary account cannot reach what root installed here")
    with tempfile.TemporaryDirectory(prefix="ordinary", dir="/tmp") as home:
        os.chown(home, NOBODY, NOBODY)
        command = [sys.executable, "-c", ORDINARY, f"{home}/my data"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "TMPDIR": home})
        assert (done.stdout, done.stderr) == ("tallybook_owner\n", "")
        assert alive(Path(home) / "my data") == []
