"""A question whose telling word was mistyped finds its answer through the database; what is unsure is a person's."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.inbox import responder
from tallybook.inbox.service import answering, faq
from tallybook.inbox.store import answers
from tests.channels.whatsapp.bodies import said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.test_answering import DECISIONS, turn, written

ADD = "insert into inbox_answers (question, answer, language) values (%s, %s, %s)"
MANY = "insert into inbox_answers (question, answer) select md5(i::text), 'x' from generate_series(1, 3000) i"
ADDRESS, FREE, HOURS, PARKING = "Herzl 7, Haifa.", "המשלוח חינם.", "מתשע עד שש.", "Behind the house."
KNOWN = [
    ("What is your address?", ADDRESS, "en"),
    ("Where can I park my lorry?", PARKING, "en"),
    ("כמה עולה המשלוח?", FREE, "he"),
    ("מה שעות הפתיחה?", HOURS, "he"),
]


@pytest.fixture
async def known(db: Database, shop: Business) -> Business:
    async with db.transaction() as conn:
        for one in KNOWN:
            await conn.execute(ADD, one)
    return shop


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("What is the adress?", ADDRESS),
        ("the adddress please", ADDRESS),
        ("Good morning! can you tell me your AADDRESS please", ADDRESS),
        ("כמה עולה המשלווח?", FREE),
        ("כמה עולה המישלוח", FREE),
        ("מה שעות פתיחא?", HOURS),
    ],
)
async def test_a_slip_of_the_finger_still_finds_its_answer(
    db: Database, known: Business, asked: str, answer: str
) -> None:
    await come(db, said(written(asked)))
    await answering.decide_due(db, turn(known))
    assert [row[1:4:2] for row in await rows(db, DECISIONS)] == [("answered", answer)]
    tried = await db.run("try", lambda conn: faq.tried(conn, known, asked, datetime.now(UTC)))
    assert tried.answer is not None
    assert tried.answer.answer == answer


@pytest.mark.parametrize("asked", ["My adress is wrong on the parcel", "כמה עולה המשלווח לאילת ביום שישי?", "xyzzyx"])
async def test_what_is_only_like_a_known_question_is_a_person_s(db: Database, known: Business, asked: str) -> None:
    await come(db, said(written(asked)))
    await answering.decide_due(db, turn(known))
    assert [row[1:3] for row in await rows(db, DECISIONS)] == [("handed_over", responder.NOT_SURE)]


async def test_two_answers_that_fit_a_slip_alike_are_a_person_s(db: Database, known: Business) -> None:
    async with db.transaction() as conn:
        await conn.execute(ADD, ("The address?", "Another place.", "en"))
    await come(db, said(written("What is the adress?")))
    await answering.decide_due(db, turn(known))
    assert [row[1] for row in await rows(db, DECISIONS)] == ["handed_over"]


async def test_no_other_business_s_answers_are_found(db: Database, known: Business) -> None:
    sought = responder.sought("What is the adress?")
    assert sought is not None
    ours = await db.run("find", lambda conn: answers.known(conn, known.id, sought))
    theirs = await db.run("find", lambda conn: answers.known(conn, known.id + 1, sought))
    assert [[one.answer for one in found] for found in (ours, theirs)] == [[ADDRESS], []]


async def test_among_many_answers_the_index_is_used(db: Database, known: Business, owner_url: str) -> None:
    """Of thousands of answers a few are looked at, not each."""
    sought = responder.sought("What is the adress of your warehose in Jerusalme?")
    assert sought is not None
    async with await psycopg.AsyncConnection.connect(owner_url) as owner:
        await owner.execute("set search_path to public, extensions")
        await owner.execute(MANY)
        await owner.execute("analyze inbox_answers")
        plan = await owner.execute(f"explain {answers.SPELT}".encode(), answers.values_of(known.id, sought))
        lines = "\n".join(line[0] for line in await plan.fetchall())
        assert "inbox_answers_spelling" in lines, lines
        assert [one.answer for one in await answers.known(owner, known.id, sought)] == [ADDRESS]
        await owner.rollback()


def test_a_long_text_asks_for_few_spellings() -> None:
    """What a customer writes must not keep the database busy for long."""
    sought = responder.sought(" ".join(f"והבמשכל{number:05d}א" for number in range(500)))
    assert sought is not None
    assert len(sought.spellings) <= responder.MOST_SPELLINGS
