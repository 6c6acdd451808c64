"""A language model is asked as its API wants, within a time and a size, and every way in which it fails has a name."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from tallybook.channels.llm import client
from tallybook.channels.llm.chat import Asked, Call, Fault, ModelFault, Said, Tool
from tallybook.channels.llm.client import MAX_ANSWER, Endpoint
from tests.core.worked import until
from tests.fake_llm.server import FakeModel

KEY = "a-key-of-the-tests"
LOOK = Tool("look", "Looks.", {"type": "object", "properties": {}})


@pytest.fixture
def model() -> Iterator[FakeModel]:
    with FakeModel(KEY) as running:
        yield running


@pytest.fixture
async def endpoint(model: FakeModel) -> AsyncIterator[Endpoint]:
    one = Endpoint(model.address, KEY)
    yield one
    await one.aclose()


def asked(*more: Said, seconds: float = 5) -> Asked:
    said = (Said("system", "Be kind."), Said("user", "Are you open?"), *more)
    return Asked("small", said, (LOOK,), 100, seconds)


async def fault_of(endpoint: Endpoint, question: Asked) -> ModelFault:
    with pytest.raises(ModelFault) as caught:
        await endpoint.ask(question)
    assert caught.value.__cause__ is None
    assert KEY not in repr(endpoint) + str(caught.value)
    return caught.value


async def test_a_question_gets_its_answer_with_what_it_used(model: FakeModel, endpoint: Endpoint) -> None:
    model.says("Until six.")
    reply = await endpoint.ask(asked())
    assert (reply.text, reply.cut, reply.tokens_in, reply.tokens_out) == ("Until six.", False, 100, 20)
    model.says("Until", finish="length")
    assert (await endpoint.ask(asked())).cut


async def test_a_tool_is_asked_for_and_answered(model: FakeModel, endpoint: Endpoint) -> None:
    model.uses(("look", {"at": "it"}))
    (call,) = (await endpoint.ask(asked())).calls
    assert call == Call("call_0", "look", '{"at": "it"}')
    model.says("It is there.")
    reply = await endpoint.ask(asked(Said("assistant", "", (call,)), Said("tool", "there", answers=call.id)))
    assert reply.text == "It is there."
    assert model.refused == []


@pytest.mark.parametrize(
    ("status", "fault"),
    [(401, Fault.KEY), (403, Fault.KEY), (429, Fault.BUSY), (400, Fault.REFUSED), (404, Fault.REFUSED),
     (302, Fault.REFUSED), (500, Fault.AWAY), (503, Fault.AWAY)],
)  # fmt: skip
async def test_each_refusal_has_a_name_and_is_tried_once(
    model: FakeModel, endpoint: Endpoint, status: int, fault: Fault
) -> None:
    model.fails(status, location="http://127.0.0.1:1/")
    assert (await fault_of(endpoint, asked())).fault is fault
    assert len(model.asked) == 1


async def test_it_is_told_how_long_to_wait(model: FakeModel, endpoint: Endpoint) -> None:
    model.fails(429, retry_after="7")
    assert (await fault_of(endpoint, asked())).retry_after == 7
    model.fails(429, retry_after="soon")
    assert (await fault_of(endpoint, asked())).retry_after is None


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"choices": []}', b'{"choices": 3}', b"null", b'"\xff"'])
async def test_what_cannot_be_read_is_no_answer(model: FakeModel, endpoint: Endpoint, content: bytes) -> None:
    model.order(200, content)
    assert (await fault_of(endpoint, asked())).fault is Fault.MALFORMED


async def test_an_answer_that_is_too_large_or_packed_is_not_read(model: FakeModel, endpoint: Endpoint) -> None:
    model.order(200, b" " * (MAX_ANSWER + 1))
    assert (await fault_of(endpoint, asked())).fault is Fault.TOO_LARGE
    model.order(200, b"{}", {"content-encoding": "gzip"})
    assert (await fault_of(endpoint, asked())).fault is Fault.TOO_LARGE


async def test_who_answers_slowly_is_not_waited_for(model: FakeModel, endpoint: Endpoint) -> None:
    order = model.order(200, b"{}", slow=True)
    fault = await fault_of(endpoint, asked(seconds=0.2))
    assert fault.fault is Fault.SLOW
    order.let_go.set()


async def test_a_wrong_key_and_an_endpoint_that_is_not_there(model: FakeModel) -> None:
    for one, fault in ((Endpoint(model.address, "other"), Fault.KEY), (Endpoint(model.address), Fault.KEY),
                       (Endpoint("http://127.0.0.1:1/v1", KEY), Fault.AWAY)):  # fmt: skip
        with pytest.raises(ModelFault) as caught:
            await one.ask(asked())
        assert caught.value.fault is fault
        await one.aclose()


async def test_a_question_that_is_given_up_is_given_up(model: FakeModel, endpoint: Endpoint) -> None:
    order = model.order(200, b"{}", slow=True)
    asking = asyncio.create_task(endpoint.ask(asked(seconds=30)))
    await asyncio.to_thread(order.held.wait, 10)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@dataclass
class Library:
    """The library, and on which threads it was first asked for anything; ``is_imported`` makes that slow."""

    threads: list[threading.Thread] = field(default_factory=list)
    is_imported: threading.Event = field(default_factory=threading.Event)

    def __getattr__(self, name: str) -> Any:
        self.threads.append(threading.current_thread())
        assert self.is_imported.wait(20)
        return getattr(openai, name)


async def test_the_first_questions_keep_nobody_waiting_while_the_library_is_imported(
    model: FakeModel, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    monkeypatch.setattr(client, "openai", library)
    for _ in range(3):
        model.says("Until six.")
    given_up, *asking = [asyncio.create_task(endpoint.ask(asked())) for _ in range(3)]

    async def all_wait() -> bool:
        return len(library.threads) == 3

    await until(all_wait)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    library.is_imported.set()
    assert [one.text for one in await asyncio.gather(*asking)] == ["Until six."] * 2
    assert threading.main_thread() not in library.threads
    assert (await endpoint.ask(asked())).text == "Until six."
    assert len(library.threads) == 3, "it is made once"
