"""If whoever thinks out answers fails, people are told: health, an alarm, and the programs that listen."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallybook.alerting import Alerting
from tallybook.alerts_file import AlertsEntry
from tallybook.app import App
from tallybook.channels.llm.client import Endpoint
from tallybook.core import outcomes as core_outcomes
from tallybook.core.alarms import Terms
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.health_words import is_known
from tallybook.core.login_limits import Limits
from tallybook.core.messages import Status
from tallybook.inbox.answer_types import FAQ, MODEL, ModelTerms
from tallybook.inbox.service import answering, outcomes, responders
from tallybook.inbox.service.model_answers import Brain
from tallybook.inbox.store.responders import Failing
from tallybook.settings import Settings
from tests.channels.whatsapp.bodies import body, change, said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.fake_llm.server import FakeModel
from tests.inbox.test_answering import shop, turn, written
from tests.inbox.test_hooks import Receiver, deliver, hook
from tests.inbox.test_model_answers import KEY, ODD, decide

__all__ = ["shop"]
TERMS = ModelTerms("small", "You are Noa.", seconds=5.0)
HANDED_OVER = ["conversation.handed_over"]
NOW = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)


@pytest.fixture
def model() -> Iterator[FakeModel]:
    with FakeModel(KEY) as running:
        yield running


@pytest.fixture
async def brain(model: FakeModel) -> AsyncIterator[Brain]:
    endpoint = Endpoint(model.address, KEY)
    yield Brain(endpoint, TERMS)
    await endpoint.aclose()


async def ask(db: Database, shop: Business, brain: Brain, number: int, words: str = ODD) -> tuple[str, str, str]:
    """One more customer asks, and it is decided."""
    await come(db, body(change("messages", written(words, number) | {"from": f"2782000{number:04}"})))
    brain.rest.until = 0.0
    return await decide(db, shop, brain)


async def test_a_model_that_fails_again_and_again_is_an_alarm_until_it_answers(
    db: Database, shop: Business, model: FakeModel, brain: Brain, database_url: str, tmp_path: Path
) -> None:
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": database_url}, tmp_path)
    alerting = Alerting(App(settings, db, [b"k" * 32], Limits(b"k" * 32)))
    alerting.entry = AlertsEntry(Terms(timedelta(0), timedelta(0)))

    async def look() -> tuple[str, list[str]]:
        checks = await db.run("look", lambda conn: responders.checks(conn, shop, datetime.now(UTC)))
        return checks[0].state, [*await alerting.judge(shop, checks), *await alerting.judge(shop, checks)]

    for number in range(2):
        model.fails(401)
        assert (await ask(db, shop, brain, number))[0] == "handed_over"
        assert await look() == ("ok", [])
    # A known answer is given without it, which says nothing of whether it works.
    model.fails(401)
    assert (await ask(db, shop, brain, 2, "What are your opening hours?"))[0] == "answered"
    assert await look() == ("late", ["responder"])
    ((count,),) = await rows(db, "select count(*)::int from reply_decisions where failed = 'model'")
    assert count == 3
    model.says("No cats, please.")
    assert (await ask(db, shop, brain, 3))[0] in {"answered", "handed_over"}
    assert await look() == ("ok", ["responder"])


async def test_an_answer_that_cannot_be_made_counts_as_a_failure(db: Database, shop: Business) -> None:
    await come(db, said(written("What are your opening hours?")))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    at = turn(shop)
    given_up = await db.run("give up", lambda conn: answering.give_up(conn, at, thread))
    assert given_up is not None
    await db.run("decide", lambda conn: answering.settle(conn, at, given_up))
    assert await rows(db, "select decision, failed from reply_decisions") == [("handed_over", FAQ)]


@pytest.mark.parametrize(
    ("failing", "state"),
    [
        ([], "ok"),
        ([Failing(MODEL, 2, NOW)], "ok"),
        ([Failing(MODEL, 3, NOW)], "late"),
        ([Failing(FAQ, 1, NOW), Failing(MODEL, 10, NOW)], "wrong"),
        ([Failing(FAQ, 12, NOW), Failing(MODEL, 10, NOW)], "wrong"),
    ],
)
def test_it_is_late_from_three_failures_in_a_row_and_wrong_from_ten(failing: list[Failing], state: str) -> None:
    check = responders.judge(failing)
    assert check.state == state
    assert is_known(check.says), "no words but ours, in each language"


async def test_programs_that_listen_are_told_of_each_customer_who_is_left_to_a_person(
    db: Database, shop: Business, model: FakeModel, brain: Brain
) -> None:
    await hook(db, shop, HANDED_OVER)
    model.fails(401)
    await ask(db, shop, brain, 1)
    await ask(db, shop, brain, 2, "Give me an agent")
    model.fails(401)
    await ask(db, shop, brain, 3, "What are your opening hours?")
    receiver = Receiver()
    await deliver(db, receiver)
    await deliver(db, receiver)
    told = [json.loads(call.body) for call in receiver.calls]
    assert [one["type"] for one in told] == HANDED_OVER * 2
    assert [one["details"] for one in told] == [
        {"reason": "no known answer fits surely enough; the model refused our key", "failed": "model"},
        {"reason": "the customer asked for a person"},
    ]
    assert [one["contact"]["phone"] for one in told] == ["+27820000001", "+27820000002"]


async def test_programs_are_told_where_an_answer_did_not_leave(db: Database, shop: Business) -> None:
    await hook(db, shop, HANDED_OVER)
    await come(db, said(written("What are your opening hours?")))
    await answering.decide_due(db, turn(shop))
    await rows(db, "update outbox set state = 'parked', reason = 'No.' returning id")
    ((key,),) = await rows(db, "select dedup_key from outbox")
    became = [core_outcomes.Became("whatsapp", key, Status.PARKED)]
    for _ in range(2):
        await db.run("tell", lambda conn: outcomes.told(conn, shop.id, became))
    receiver = Receiver()
    await deliver(db, receiver)
    assert [json.loads(call.body)["details"] for call in receiver.calls] == [
        {"reason": "there was an answer, and it was not sent: No."}
    ]
