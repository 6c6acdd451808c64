"""A host whose name server says nothing keeps nobody waiting but those who ask for it, and these not for ever."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tallybook.channels.webhook_out.addresses import LookUps, checked
from tallybook.channels.webhook_out.calls import Call, Caller
from tallybook.channels.webhook_out.client import Hook, Webhooks
from tallybook.core.channel import Unreachable
from tallybook.core.messages import Outgoing

SOON = 5.0  # seconds
THREADS = 4


@dataclass
class Silent:
    """A name server that says nothing until it is let."""

    let: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        self.let.wait(60)
        if host.startswith("nobody"):
            raise socket.gaierror(socket.EAI_NONAME, "nobody")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    silent = Silent()
    monkeypatch.setattr(socket, "getaddrinfo", silent)
    yield silent
    silent.let.set()


async def test_look_ups_that_hang_keep_nothing_else_waiting_that_needs_a_thread(silent: Silent) -> None:
    look = LookUps()
    asking = [asyncio.ensure_future(look(f"{number}.test", 443)) for number in range(40)]
    async with asyncio.timeout(SOON):
        while len(silent.asked) < THREADS:
            await asyncio.sleep(0)  # they ask in threads
        assert await asyncio.to_thread(lambda: "read") == "read"
    silent.let.set()
    assert await asyncio.gather(*asking) == [["192.0.2.1"]] * 40


async def test_a_host_is_looked_up_once_at_a_time_and_who_gives_up_takes_the_answer_from_nobody(silent: Silent) -> None:
    look = LookUps()
    first, second = (asyncio.ensure_future(look("one.test", 443)) for _ in range(2))
    while not silent.asked:
        await asyncio.sleep(0)  # it asks in a thread
    first.cancel()
    other = asyncio.ensure_future(look("one.test", 443))
    await asyncio.sleep(0)  # it joins who asks already
    silent.let.set()
    assert [await second, await other] == [["192.0.2.1"]] * 2
    assert silent.asked == ["one.test"]
    await look("one.test", 443)
    assert silent.asked == ["one.test"] * 2
    with pytest.raises(Unreachable):
        await checked("nobody.test", 443, look, internal=False)


async def test_a_call_ends_in_its_time_though_its_host_is_not_found(silent: Silent) -> None:
    call = Call("https://hooks.test/told", ["key"], "message.received:1", b"{}")
    hook = Hook("pager", "https://pager.test/alarm", "key")
    letter = Outgoing("webhook", "alarms", "pager", "alarm:parked:1:begun:pager", {})
    async with asyncio.timeout(SOON):
        with pytest.raises(TimeoutError):
            await Caller(resolve=LookUps(), seconds=0.05).post(call)
        with pytest.raises(Unreachable):
            await Webhooks(lambda _: hook, resolve=LookUps(), seconds=0.05).send(letter)
