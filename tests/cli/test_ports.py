"""One port has one product: a second one is refused with a sentence, and nobody's request reaches the wrong one."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tallybook.core.errors import WrongSetup
from tallybook.core.file_lock import lock_file, try_lock
from tallybook.web.listening import listening
from tests.proof.product import PATIENCE, Product, free_port, kill, wait_until
from tests.web.browser import Site


@pytest.fixture
def held() -> Iterator[socket.socket]:
    other = socket.create_server(("127.0.0.1", 0))
    yield other
    other.close()


async def test_a_port_is_had_by_one_alone_even_beside_one_who_would_share_it(held: socket.socket) -> None:
    port = held.getsockname()[1]
    with pytest.raises(WrongSetup, match=rf"Port {port} is taken .*; choose another with TALLYBOOK_PORT\."):
        async with listening("127.0.0.1", port, patience=0):
            pass
    async with listening("127.0.0.1", free := free_port()):
        with socket.socket() as sharing:
            sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                sharing.bind(("127.0.0.1", free))


async def test_of_many_who_want_a_port_at_once_one_has_it() -> None:
    port, all_tried = free_port(), asyncio.Event()
    had: list[int] = []

    async def take(number: int) -> None:
        try:
            async with listening("127.0.0.1", port, patience=0):
                had.append(number)
                await all_tried.wait()
        except WrongSetup:
            pass

    tries = [asyncio.create_task(take(number)) for number in range(16)]
    await asyncio.wait(tries, timeout=0.5)
    all_tried.set()
    await asyncio.gather(*tries)
    assert len(had) == 1


async def test_whoever_is_about_to_leave_is_waited_for(held: socket.socket) -> None:
    threading.Timer(0.3, held.close).start()
    async with listening("127.0.0.1", held.getsockname()[1]) as ours:
        assert ours.getsockname()[1] > 0


async def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(WrongSetup, match=r"cannot listen on 192\.0\.2\.1; set TALLYBOOK_HOST"):
        async with listening("192.0.2.1", free_port(), patience=0):
            pass


def test_a_second_product_on_the_port_ends_with_a_sentence_and_the_first_goes_on(
    fresh_url: str, fresh_owner_url: str, tmp_path: Path
) -> None:
    first = Product(tmp_path / "first", database_url=fresh_url, owner_database_url=fresh_owner_url)
    second = Product(tmp_path / "second", port=first.settings["port"])
    try:
        running = first.start("run")
        running.hears(f"Tallybook: {first.address}")
        assert httpx.get(f"{first.address}/healthz").status_code == 200, "what is announced is there"
        said = second.run("run", fails=True)
        assert said.count("is taken by another program; choose another with TALLYBOOK_PORT.") == 1
        assert "Tallybook:" not in said
        assert "Traceback" not in said
        assert not (second.data_dir / "postgres").exists(), "nothing was begun"
        web = next(pid for pid, line in running.children.items() if " serve " in line)
        kill(web)
        wait_until(lambda: any(" serve " in line for pid, line in running.children.items() if pid != web), "a new one")
        assert httpx.get(f"{first.address}/healthz", timeout=PATIENCE).status_code == 200, "nobody was turned away"
        assert running.stop() == 0
    finally:
        first.close()
        second.close()


def test_whoever_starts_the_product_twice_is_told_that_it_runs_and_not_to_take_another_port(
    tmp_path: Path, held: socket.socket
) -> None:
    product = Product(tmp_path, port=str(held.getsockname()[1]))
    product.data_dir.mkdir(mode=0o700)
    try:
        with lock_file(product.data_dir / "product.lock") as lock:
            assert try_lock(lock, fcntl.LOCK_EX)
            said = product.run("run", fails=True)
        assert "Tallybook already runs on" in said
        assert "TALLYBOOK_PORT" not in said
    finally:
        product.close()


def test_serve_alone_is_refused_too(database_url: str, tmp_path: Path, held: socket.socket) -> None:
    product = Product(tmp_path, port=str(held.getsockname()[1]), database_url=database_url)
    try:
        assert "is taken by another program" in product.run("serve", fails=True)
    finally:
        product.close()


def test_a_part_that_is_refused_at_its_first_start_ends_the_product(tmp_path: Path, held: socket.socket) -> None:
    """A loop of starts would only hide the sentence. The password, which is made once, is said all the same."""
    port = held.getsockname()[1]
    product = Product(tmp_path, worker_metrics_port=str(port))
    try:
        said = product.run("run", fails=True)
        assert f"The worker's port {port} cannot be had" in said
        assert "is started again" not in said
        assert "one-time password" in said
    finally:
        product.close()


@pytest.mark.soak
async def test_a_stop_and_a_start_at_once_lose_nobody(database_url: str, tmp_path: Path) -> None:
    """The old one is still ending while the new one starts on its port."""
    site = Site(database_url, tmp_path)
    await site.start()
    old = site.process
    assert old is not None
    old.terminate()
    await site.start()
    assert await asyncio.wait_for(old.wait(), 20) == 0
    assert await site.stop() == 0
