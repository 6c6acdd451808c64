"""What the bot is asked it answers, whatever else speaks by itself, and no answer of it is lost without a word."""

from __future__ import annotations

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.inbox.answer_types import Choice
from tallybook.inbox.automation_types import Outcome
from tallybook.inbox.service import answering
from tests import world
from tests.channels.whatsapp.bodies import said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.automated import fire, rule
from tests.inbox.test_answering import OPENING, OUTBOX, shop, turn, written

__all__ = ["shop"]
QUESTION = "What are your opening hours?"


async def test_what_a_rule_says_by_itself_is_no_answer_and_does_not_silence_the_bot(
    db: Database, shop: Business
) -> None:
    boss = await db.run("add", lambda conn: world.bia(conn, shop))
    await rule(db, boss, {"on": "first"}, actions={"text": "Welcome!"})
    await come(db, said(written(QUESTION)))
    assert await fire(db, shop) == {Outcome.DONE: 1}
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    assert [row[2] for row in await rows(db, OUTBOX)] == ["Welcome!", OPENING]
