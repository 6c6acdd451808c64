"""The promise: what a conversation was about and what it suggests is known or not said, and people take it over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tallybook.channels.llm.client import Endpoint
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import Conflict, NotFound
from tallybook.inbox import finding_rules
from tallybook.inbox.answer_types import ModelTerms
from tallybook.inbox.finding_rules import Take
from tallybook.inbox.service import closing, contacts, leads, summaries
from tallybook.inbox.service.model_summaries import Summing
from tallybook.inbox.session_jobs import Manner, once
from tallybook.inbox.session_types import Gist, Spoken, Topic
from tests import world
from tests.channels.whatsapp.bodies import CUSTOMER, OURS, body, change, said, text
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.fake_llm.server import FakeModel
from tests.inbox.test_states import work_off
from tests.world import Someone

FOUND = """
select topic, topic_confidence, topic_source, suggested_status, suggested_by, found_name, found_email
from conversation_sessions order by id
"""
DETECTED = "select detected_topic_id, detected_topic_confidence, detected_topic_source from whatsapp_conversation"
NOTHING = ("", None, None, None, None, None, None)
SAID = [
    Spoken("customer", "I am Naledi Khumalo, naledi@example.org. What is the price?", "text", datetime.now(UTC)),
    Spoken("human", "Ask boss@example.org", "text", datetime.now(UTC)),
]
WHOLE = {"summary": "Asked for the price.", "topic": "price", "confidence": 0.9, "status": "qualified",
         "name": "Naledi Khumalo", "email": "naledi@example.org"}  # fmt: skip


async def end(db: Database, who: Someone) -> int:
    """Somebody closes the thread; its number."""
    ((number,),) = await rows(db, "select id from whatsapp_conversation")
    await db.run("close", lambda conn: closing.close(conn, who.caller, [number]))
    return int(number)


async def lead(db: Database, who: Someone) -> int:
    ((contact,),) = await rows(db, "select contact_id from whatsapp_conversation")
    return await db.run("lead", lambda conn: contacts.make_lead(conn, who.caller, contact))


async def answered(db: Database) -> None:
    ours = text("At nine", 50) | {"from": OURS, "to": CUSTOMER}
    await come(db, body(change("message_echoes", ours)))


async def knows(db: Database, question: str) -> int:
    ((number,),) = await rows(
        db, f"insert into inbox_answers (question, answer) values ('{question}', 'At nine.') returning id"
    )
    return int(number)


async def test_the_topic_is_the_known_question_that_the_customer_s_is_like(
    db: Database, shop: Business, bia: Someone
) -> None:
    number = await knows(db, "When do you open on Sunday?")
    await come(db, said(text("Do you open on Sunday?")))
    await end(db, bia)
    ((topic, sure, source, *more),) = await rows(db, FOUND)
    assert (topic, source, more) == ("When do you open on Sunday?", "known_answer", [None] * 4)
    assert 0.7 <= sure <= 1
    assert await rows(db, DETECTED) == [(number, sure, "known_answer")]


async def test_of_what_nobody_knows_nothing_is_said(db: Database, shop: Business, bia: Someone) -> None:
    await knows(db, "When do you open on Sunday?")
    await come(db, said(text("Is my parcel with you?")))
    await answered(db)
    await end(db, bia)
    assert await rows(db, FOUND) == [NOTHING]
    assert await rows(db, DETECTED) == [(None, None, None)]


async def test_a_new_lead_that_was_answered_is_suggested_as_contacted_and_moved_by_a_person_alone(
    db: Database, shop: Business, bia: Someone
) -> None:
    await come(db, said(text("Write to naledi@example.org, please.")))
    number = await lead(db, bia)
    await answered(db)
    thread = await end(db, bia)
    assert await rows(db, FOUND) == [("", None, None, "contacted", "local", None, "naledi@example.org")]
    assert await rows(db, "select status, email from leads") == [("new", None)]

    async def take(what: Take) -> None:
        await db.run("take", lambda conn: summaries.take_over(conn, bia.caller, thread, 1, what))

    for what in (Take.STATUS, Take.STATUS, Take.EMAIL, Take.EMAIL):
        await take(what)
    assert await rows(db, "select status, email from leads") == [("contacted", "naledi@example.org")]
    assert len(await rows(db, "select id from lead_changes")) == 1
    await db.run("move", lambda conn: leads.change(conn, bia.caller, number, "won", "a key"))
    with pytest.raises(Conflict):
        await take(Take.STATUS)
    with pytest.raises(Conflict):
        await take(Take.NAME)
    assert await rows(db, "select status from leads") == [("won",)]


async def test_nobody_of_another_business_takes_anything_over(db: Database, shop: Business, bia: Someone) -> None:
    await come(db, said(text("Write to naledi@example.org, please.")))
    await lead(db, bia)
    thread = await end(db, bia)
    async with db.transaction() as conn:
        other = await world.bia(conn, await world.kinneret_tours(conn), login="other")
        with pytest.raises(NotFound):
            await summaries.take_over(conn, other.caller, thread, 1, Take.EMAIL)


async def test_what_a_model_finds_is_checked_and_only_suggested(
    db: Database, shop: Business, bia: Someone
) -> None:  # fmt: skip
    await come(db, said(text(SAID[0].body)))
    await lead(db, bia)
    thread = await end(db, bia)
    with FakeModel("a key") as fake:
        model = Endpoint(fake.address, "a key")
        fake.says("```json\n" + json.dumps(WHOLE) + "\n```")
        summing = Summing(db, model, ModelTerms("small", max_tokens=100))

        async def manner(_: Business) -> Manner:
            return Manner(has_model=True)

        await once(db, manner)
        await work_off(db, summing.summarise)
        await model.aclose()
        assert '["new", "contacted", "qualified", "won", "lost"]' in str(fake.asked[0]["messages"][0]["content"])
    assert await rows(db, FOUND) == [
        ("price", 0.9, "model", "qualified", "model", "Naledi Khumalo", "naledi@example.org")
    ]
    assert await rows(db, DETECTED) == [(None, 0.9, "model")]
    assert await rows(db, "select summary, summary_source from conversation_sessions") == [
        ("Asked for the price.", "model")
    ]
    assert await rows(db, "select name, status, email from leads") == [("Naledi", "new", None)]
    for what in Take:
        await db.run("take", lambda conn, what=what: summaries.take_over(conn, bia.caller, thread, 1, what))
    assert await rows(db, "select name, status, email from leads") == [
        ("Naledi Khumalo", "qualified", "naledi@example.org")
    ]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"status": "rich"}, {"status": None}),
        ({"status": None, "topic": None}, {"status": None, "topic": None}),
        ({"confidence": 0.5}, {"status": None, "topic": None}),
        ({"confidence": 7}, {"status": None, "topic": None}),
        ({"confidence": None}, {"status": None, "topic": None}),
        ({"topic": "word " * 40}, {"topic": None}),
        ({"topic": "price\u202e"}, {"topic": None}),
        ({"email": "boss@example.org"}, {"email": None}),
        ({"email": "thabo@example.org"}, {"email": None}),
        ({"name": "Thabo"}, {"name": None}),
        ({"name": "Nale"}, {"name": None}),
    ],
)
def test_what_was_not_said_or_is_not_sure_is_left_out(more: dict[str, Any], expected: dict[str, Any]) -> None:
    whole = {"topic": Topic("price", 0.9, "model"), "status": "qualified", "name": "Naledi Khumalo",
             "email": "naledi@example.org"}  # fmt: skip
    found = finding_rules.read(json.dumps(WHOLE | more), SAID, ["new", "qualified"])
    assert found == Gist("Asked for the price.", **(whole | expected))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (" In words alone. ", Gist("In words alone.")), ("", None), ("{", None), ('{"summary": " "}', None),
        ('{"summary": 7}', None), ('{"topic": "price"}', None),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_no_summary(told: str, expected: Gist | None) -> None:
    assert finding_rules.read(told, SAID, []) == expected
