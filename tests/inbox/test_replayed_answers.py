"""An answer of the bot that was put aside and leaves after all, since a person had it sent again, answers its burst."""

from __future__ import annotations

import pytest

from tallybook.core import outbox
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.messages import Status
from tallybook.core.outbox import Report
from tallybook.core.parked import Ref, Replayer
from tallybook.inbox.service import answering, outcomes
from tests.channels.whatsapp.bodies import said
from tests.channels.whatsapp.test_received import come
from tests.cloud_api.server import FakeCloudApi
from tests.core.worked import rows
from tests.inbox.test_answering import OPENING, shop, turn, written
from tests.inbox.test_withdrawing import api, send

__all__ = ["api", "shop"]
MADE = "select decision, reason, body from reply_decisions"
SAID = "select status, failed_reason from whatsapp_message where direction = 'out'"
REFUSED = 131009  # a value that is not valid, which no second try makes so


@pytest.fixture
async def parked(db: Database, shop: Business, api: FakeCloudApi) -> str:
    """An answer that was refused, whose burst is a person's; how it is called among what is put aside."""
    await come(db, said(written("What are your opening hours?")))
    await answering.decide_due(db, turn(shop))
    api.order("says", code=REFUSED)
    await send(db, shop, api)
    ((decision, reason, _),) = await rows(db, MADE)
    assert (decision, reason.partition(": ")[0]) == ("handed_over", outcomes.NOT_LEFT)
    ((number, state),) = await rows(db, "select id, state from outbox")
    assert (state, api.texts) == ("parked", [])
    return f"outgoing:{number}"


async def replay(db: Database, ref: str) -> bool:
    (one,) = await Replayer(db, {}).replay([Ref.of(ref)])
    return one.replayed


async def test_once_it_was_sent_again_by_a_person_its_burst_is_answered(
    db: Database, shop: Business, api: FakeCloudApi, parked: str
) -> None:
    assert await replay(db, parked)
    ((before, _, _),) = await rows(db, MADE)
    assert before == "handed_over", "until it has left"
    await send(db, shop, api)
    assert api.texts == [OPENING]
    assert await rows(db, MADE) == [("answered", outcomes.AFTER_ALL, OPENING)]
    assert await rows(db, SAID) == [("sent", None)]
    assert not await replay(db, parked)
    assert await answering.decide_due(db, turn(shop)) == {}


async def test_one_that_fails_again_stays_a_person_s(
    db: Database, shop: Business, api: FakeCloudApi, parked: str
) -> None:
    for _ in range(2):
        api.order("says", code=REFUSED)
        assert await replay(db, parked)
        await send(db, shop, api)
        assert [row[0] for row in await rows(db, MADE)] == ["handed_over"]
    await replay(db, parked)
    await send(db, shop, api)
    assert [row[0] for row in await rows(db, MADE)] == ["answered"]


async def test_a_report_that_it_came_says_the_same_however_often_and_whatever_it_was_handed_over_for(
    db: Database, shop: Business, parked: str
) -> None:
    ((key,),) = await rows(db, "select dedup_key from outbox")
    for status in (Status.DELIVERED, Status.SENT, Status.READ):
        report = Report(channel="whatsapp", status=status, dedup_key=key)
        await db.run("settle", lambda conn, report=report: outbox.settle(conn, shop.id, report, outcomes.told))
    assert await rows(db, MADE) == [("answered", outcomes.AFTER_ALL, OPENING)]
    # What was handed over for a reason of its own stays so.
    await rows(db, "update reply_decisions set decision = 'handed_over', reason = 'the customer asked' returning seq")
    report = Report(channel="whatsapp", status=Status.READ, dedup_key=key)
    await db.run("settle", lambda conn: outbox.settle(conn, shop.id, report, outcomes.told))
    assert [row[0] for row in await rows(db, MADE)] == ["handed_over"]
