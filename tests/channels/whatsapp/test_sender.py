"""What leaves through the Cloud API, and what each of its answers is taken to mean."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tallybook.channels.posting import MAX_ANSWER
from tallybook.channels.whatsapp import answers
from tallybook.channels.whatsapp import outgoing as wire
from tallybook.channels.whatsapp.answers import OfNumber, PairLimited
from tallybook.channels.whatsapp.sender import LIMITS, WhatsAppSender
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tests.channels.whatsapp.bodies import BSUID, CUSTOMER, NUMBER
from tests.cloud_api.server import FakeCloudApi

TOKEN = "a-token-of-the-tests"


def an_answer(to: str = f"+{CUSTOMER}", text: str = "Yes, until six.", **body: Any) -> Outgoing:
    return Outgoing("whatsapp", NUMBER, to, "inbox:1:k", {"text": text} | body)


@pytest.fixture
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: TOKEN}) as api:
        api.hear(NUMBER, CUSTOMER)
        yield api


async def the_token(account: str) -> str | None:
    return TOKEN if account == NUMBER else None


@pytest.fixture
async def sender(api: FakeCloudApi) -> AsyncIterator[WhatsAppSender]:
    sender = WhatsAppSender(api.address, the_token, answer_timeout=1.0)
    yield sender
    await sender.aclose()


async def test_a_text_is_sent_by_its_number_with_our_key_and_what_it_quotes(
    api: FakeCloudApi, sender: WhatsAppSender
) -> None:
    assert await sender.send(an_answer(quote="wamid.0001")) == "wamid.OURS000001"
    (taken,) = api.taken
    assert (taken.number, taken.to, taken.text) == (NUMBER, CUSTOMER, "Yes, until six.")
    assert (taken.key, taken.quotes) == ("inbox:1:k", "wamid.0001")


async def test_who_has_no_phone_is_reached_by_their_user_id(api: FakeCloudApi, sender: WhatsAppSender) -> None:
    api.hear(NUMBER, BSUID)
    await sender.send(an_answer(to=BSUID))
    assert [one.to for one in api.taken] == [BSUID]
    body = wire.request_of(an_answer(to=BSUID)).body
    assert body["recipient"] == BSUID
    assert "to" not in body


@pytest.mark.parametrize(
    "outgoing",
    [
        an_answer(text=" \n"), an_answer(text="a" * 4097), an_answer(to=""),
        Outgoing("whatsapp", "../me", f"+{CUSTOMER}", "k", {"text": "x"}),
        Outgoing("whatsapp", NUMBER, f"+{CUSTOMER}", "k" * 513, {"text": "x"}),
        Outgoing("whatsapp", NUMBER, f"+{CUSTOMER}", "k", {}),
    ],
)  # fmt: skip
def test_what_the_api_could_not_take_is_refused_before_it_leaves(outgoing: Outgoing) -> None:
    with pytest.raises(Refused):
        wire.request_of(outgoing)


async def test_the_longest_text_is_taken(api: FakeCloudApi, sender: WhatsAppSender) -> None:
    await sender.send(an_answer(text="א" * wire.LONGEST_TEXT))
    assert len(api.taken[0].text) == wire.LONGEST_TEXT


@pytest.mark.parametrize(
    ("order", "error", "taken"),
    [
        ({"kind": "drop"}, OutcomeUnknown, 0),
        ({"kind": "drop", "after": True}, OutcomeUnknown, 1),
        ({"kind": "slow"}, OutcomeUnknown, 1),
        ({"kind": "garbled", "text": "<html>"}, OutcomeUnknown, 1),
        ({"kind": "garbled", "text": "{}"}, OutcomeUnknown, 1),
        ({"kind": "garbled", "text": '{"messages": [{"id": "wamid.1"}], "more": "' + "x" * MAX_ANSWER + '"}'},
         OutcomeUnknown, 1),
        ({"kind": "says", "code": None, "status": 500}, OutcomeUnknown, 0),
        ({"kind": "says", "code": None, "status": 503}, Unreachable, 0),
        ({"kind": "says", "code": 2, "status": 500}, Unreachable, 0),
    ],
)  # fmt: skip
async def test_what_may_have_been_sent_is_never_called_a_failure(
    api: FakeCloudApi, sender: WhatsAppSender, order: dict[str, Any], error: type[Exception], taken: int
) -> None:
    api.order(**order)
    with pytest.raises(error):
        await sender.send(an_answer())
    assert len(api.taken) == taken


async def test_an_api_that_is_not_there_has_sent_nothing() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sender = WhatsAppSender(f"http://127.0.0.1:{port}", the_token)
    with pytest.raises(Unreachable):
        await sender.send(an_answer())
    await sender.aclose()


async def test_a_redirect_is_not_followed_and_takes_no_token_along(api: FakeCloudApi, sender: WhatsAppSender) -> None:
    api.order("says", status=302, headers={"location": f"{api.address}/elsewhere"})
    with pytest.raises(Refused, match="TALLYBOOK_WHATSAPP_API_URL"):
        await sender.send(an_answer())
    assert len(api.paths) == 1


async def test_without_a_token_that_can_be_had_nothing_leaves(api: FakeCloudApi) -> None:
    async def none(account: str) -> str | None:
        return None

    async def broken(account: str) -> str | None:
        raise OSError("the database is away")

    async def two_lines(account: str) -> str | None:
        return "a\r\nx-evil: 1"

    for token_of, error in ((none, OfNumber), (broken, Unreachable), (two_lines, OfNumber)):
        sender = WhatsAppSender(api.address, token_of)
        with pytest.raises(error) as raised:
            await sender.send(an_answer())
        assert (raised.value.of_line, raised.value.permanent) == (True, False), "it waits until there is one"
        await sender.aclose()
    assert api.paths == []


async def test_the_token_is_in_the_header_alone(
    api: FakeCloudApi, sender: WhatsAppSender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await sender.send(an_answer())
    api.order("says", code=190, status=401)
    with pytest.raises(OfNumber) as raised:
        await sender.send(an_answer())
    assert [head["authorization"] for head in api.heads] == [f"Bearer {TOKEN}"] * 2
    assert TOKEN not in f"{caplog.text} {raised.value} {sender!r} {api.paths} {an_answer()}"


async def test_the_fake_is_as_strict_as_the_api(api: FakeCloudApi) -> None:
    good = dict(wire.request_of(an_answer()).body)
    async with httpx.AsyncClient(base_url=api.address, headers={"authorization": f"Bearer {TOKEN}"}) as client:

        async def code_of(body: dict[str, Any], number: str = NUMBER, **headers: str) -> int:
            answer = await client.post(f"/{number}/messages", json=body, headers=headers)
            return 0 if answer.status_code == 200 else answer.json()["error"]["code"]

        assert await code_of(good, authorization="Bearer another") == 190
        assert await code_of(good, number="2") == 100
        assert await code_of(good | {"messaging_product": "x"}) == 100
        assert await code_of(good | {"type": "carousel"}) == 131051
        assert await code_of(good | {"text": {"body": "a" * 4097}}) == 100
        assert await code_of(good | {"to": f"+{CUSTOMER}"}) == 131009
        assert await code_of(good | {"to": "27820000002"}) == 131047
        assert await code_of(good) == 0
        api.shift = 24 * 3600 + 1
        assert await code_of(good) == 131047
        api.hear(NUMBER, CUSTOMER)
        assert [await code_of(good) for _ in range(46)] == [0] * 45 + [131056]
    assert len(api.taken) == 46


def says(code: int, **more: int) -> bytes:
    return json.dumps({"error": {"code": code, "message": f"to {CUSTOMER}", **more}}).encode()


@pytest.mark.parametrize(
    ("code", "error", "of_line", "wait"),
    [
        (4, RateLimited, True, 300), (80007, RateLimited, True, 900), (130429, RateLimited, True, 2),
        (131048, RateLimited, True, 3600), (133016, RateLimited, True, 3600), (131057, RateLimited, True, 60),
        (131056, PairLimited, False, 6),
        (190, OfNumber, True, None), (10, OfNumber, True, None), (200, OfNumber, True, None),
        (299, OfNumber, True, None), (131031, OfNumber, True, None), (368, OfNumber, True, None),
        (131042, OfNumber, True, None),
        (1, SendError, False, None), (131000, SendError, False, None), (2, Unreachable, True, None),
        (131016, Unreachable, True, None),
        (131047, Refused, False, None), (131026, Refused, False, None), (131050, Refused, False, None),
        (131049, Refused, False, None), (130472, Refused, False, None), (131053, Refused, False, None),
        (132001, Refused, False, None), (100, Refused, False, None), (999_999, Refused, False, None),
    ],
)  # fmt: skip
def test_a_code_means_one_thing_whatever_the_status_and_is_told_in_our_own_words(
    code: int, error: type[SendError], of_line: bool, wait: float | None
) -> None:
    for status in (400, 401, 403, 429, 500):
        with pytest.raises(SendError) as raised:
            answers.outcome_of(status, {}, says(code))
        assert type(raised.value) is error
        assert (raised.value.of_line, raised.value.retry_after) == (of_line, wait)
        assert raised.value.permanent == (error is Refused)
        assert CUSTOMER not in str(raised.value), "an error's words may name people"


def test_after_a_day_the_person_is_told_that_a_template_is_needed() -> None:
    with pytest.raises(Refused, match="only a template"):
        answers.outcome_of(400, {}, says(131047))


def test_a_number_that_is_not_there_is_the_numbers_own_fault() -> None:
    with pytest.raises(OfNumber, match="does not know this number"):
        answers.outcome_of(400, {}, says(100, error_subcode=33))


@pytest.mark.parametrize(
    ("status", "error"),
    [(302, Refused), (401, OfNumber), (404, Refused), (429, RateLimited), (502, OutcomeUnknown), (504, OutcomeUnknown)],
)
def test_an_answer_without_a_code_means_what_its_status_says(status: int, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        answers.outcome_of(status, {"retry-after": "90"}, b"<html>")
    assert getattr(raised.value, "retry_after", None) == (90 if status == 429 else None)


def test_the_sender_says_how_it_is_settled_and_how_fast_it_may_go() -> None:
    sender = WhatsAppSender("http://127.0.0.1:9", the_token)
    assert sender.settlement is Settlement.BY_REPORT
    assert [(one.count, one.seconds) for one in LIMITS.windows] == [(80, 1)]
    assert LIMITS.cooldown == 6


async def test_that_somebody_writes_is_shown_by_the_call_that_marks_as_read(
    api: FakeCloudApi, sender: WhatsAppSender
) -> None:
    await sender.show_typing(NUMBER, "wamid.0001")
    assert api.reads == [(NUMBER, "wamid.0001", True)]
    assert api.taken == []
