"""The promise: one thread for each customer, each message in it once, every count exact, whatever order it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tallybook.core import log, receive
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.receive import Received
from tests import logs
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import BSUID, CUSTOMER, ECHO, NOON, OTHER, OURS, body, change, contact, said, text
from tests.channels.whatsapp.test_received import add, come, process
from tests.core.worked import rows

THREADS = """
select canonical_key, customer_number, customer_name, last_seq, inbound, last_body, last_source,
    extract(epoch from last_message_at)::int, extract(epoch from last_customer_message_at)::int, is_open
from whatsapp_conversation order by canonical_key
"""
MESSAGES = """
select provider_message_id, direction, source, body, message_type, status, extract(epoch from said_at)::int,
    quoted_message_stanza_id, counted
from whatsapp_message order by said_at, provider_message_id
"""
REACTIONS = "select about, who, emoji from message_reactions order by 1, 2"
WINDOWS = "select channel, account, extract(epoch from last_inbound_at)::int from conversation_windows"
WAITING = "select count(*)::int from waiting_reports union all select count(*)::int from waiting_changes"
KEY = f"phone:1:+{CUSTOMER}"


@pytest.fixture
async def number(db: Database, business: Business) -> str:
    await add(db, business)
    return bodies.NUMBER


async def told(db: Database) -> list[Any]:
    """All that the inbox knows, but for numbers of its own."""
    return [await rows(db, one) for one in (THREADS, MESSAGES, REACTIONS, WINDOWS, WAITING)]


def by_us(words: str, number: int, at: int) -> dict[str, Any]:
    return bodies.message("text", number, text={"body": words}) | {"from": OURS, "to": CUSTOMER, "timestamp": str(at)}


async def test_a_first_message_makes_a_thread_and_the_next_ones_are_added(db: Database, number: str) -> None:
    await come(db, said(text()), said(text("And on Sunday?", 2)))
    assert await rows(db, THREADS) == [
        (KEY, f"+{CUSTOMER}", "Naledi", 2, 2, "And on Sunday?", "customer", NOON + 2, NOON + 2, True)
    ]
    assert await rows(db, "select seq, late from whatsapp_message order by seq") == [(1, False), (2, False)]
    assert await rows(db, WINDOWS) == [("whatsapp", number, NOON + 2)]


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    """The inbox's lines in the log file, as somebody's grep finds them."""
    file = tmp_path / "tallybook.log"
    with logs.as_they_were():
        log.configure("plain", file, "INFO", "prod")
        yield lambda: [line.partition(" - INFO - ")[2] for line in file.read_text().splitlines() if "[WA-" in line]


async def test_a_message_that_comes_again_is_known_and_said_so(
    db: Database, number: str, logged: Callable[[], list[str]]
) -> None:
    """By itself, beside what is new, twice in one webhook; a report that comes again is counted, and is no message."""
    await come(db, said(text()))
    ((stored,),) = await rows(db, "select id from messages")
    again = f"[WA-DEDUPE] ⏭️ Skipping duplicate message_id={stored}"
    before, lines, counts = await told(db), len(logged()), counted()
    await come(db, said(text()) + b" ")
    assert await told(db) == before
    assert logged()[lines:] == [again]
    assert counted() == (counts[0] + 1, counts[1] + 1)
    lines = len(logged())
    await come(db, said(text("Hello?", 2), text()))
    assert [line for line in logged()[lines:] if "WA-DEDUPE" in line] == [again]
    assert counted() == (counts[0] + 2, counts[1] + 2)
    await come(db, said(text("Hi", 3), text("Hi", 3)))
    assert counted() == (counts[0] + 3, counts[1] + 2)
    for space in (b"", b" "):
        await come(db, body(change("statuses", bodies.status("read", 30))) + space)
    assert counted() == (counts[0] + 4, counts[1] + 2), "a report is no message of a thread"


def counted() -> tuple[float, float]:
    """What core knew already, and messages that a thread had."""
    known = {"channel": "whatsapp", "became": "known"}
    return (
        REGISTRY.get_sample_value("tallybook_messages_total", known) or 0.0,
        REGISTRY.get_sample_value("tallybook_inbox_duplicates_total", {"channel": "whatsapp"}) or 0.0,
    )


async def test_what_a_batch_did_is_said_in_the_words_that_people_search_for(
    db: Database, number: str, logged: Callable[[], list[str]]
) -> None:
    await come(db, said(text()))
    ((conversation, message),) = await rows(db, "select conversation_id, id from whatsapp_message")
    assert logged() == [
        f"[WA-SESSION] ✅ UPSERT completed: session_id={conversation}",
        f"[WA-SESSION] ✅ Conversation tracked: conv_id={conversation}",
        f"[WA-SAVE] ✅ Message saved: id={message}, conv_id={conversation} (NOT NULL)",
    ]
    assert CUSTOMER not in str(logged())


async def test_of_a_large_batch_each_line_is_there_too(
    db: Database, number: str, logged: Callable[[], list[str]]
) -> None:
    some = [text(f"Message {place}", place) | {"from": f"2782000{place % 20:04}"} for place in range(1, 151)]
    await come(db, body(change("messages", *some)))
    filed = await rows(db, "select id, conversation_id from whatsapp_message")
    assert len(filed) == 150
    threads = {conversation for _, conversation in filed}
    assert sorted(logged()) == sorted(
        [f"[WA-SAVE] ✅ Message saved: id={one}, conv_id={of} (NOT NULL)" for one, of in filed]
        + [f"[WA-SESSION] ✅ UPSERT completed: session_id={one}" for one in threads]
        + [f"[WA-SESSION] ✅ Conversation tracked: conv_id={one}" for one in threads]
    )


async def test_what_our_people_type_on_the_phone_is_theirs_and_moves_no_customer_s_clock(
    db: Database, number: str
) -> None:
    await come(db, said(text()), body(change("message_echoes", by_us("We open at nine", 40, NOON + 90))))
    ((_, _, _, last_seq, inbound, last_body, source, last, customer, _),) = await rows(db, THREADS)
    assert (last_seq, inbound, last_body, source) == (2, 1, "We open at nine", "human")
    assert (last, customer) == (NOON + 90, NOON + 1)
    assert await rows(db, WINDOWS) == [("whatsapp", number, NOON + 1)]


async def test_a_late_message_is_marked_and_moves_no_clock_back_and_reopens_nothing(db: Database, number: str) -> None:
    await come(db, said(text("The later", 9)))
    await rows(db, "update whatsapp_conversation set is_open = false returning id")
    await come(db, said(text("The earlier", 2)))
    ((_, _, _, _, inbound, last_body, _, last, customer, is_open),) = await rows(db, THREADS)
    assert (inbound, last_body, last, customer, is_open) == (2, "The later", NOON + 9, NOON + 9, False)
    assert await rows(db, "select body, late from whatsapp_message order by seq") == [
        ("The later", False), ("The earlier", True),
    ]  # fmt: skip
    await come(db, said(text("A new question", 10)))
    assert await rows(db, "select is_open from whatsapp_conversation") == [(True,)]


async def test_history_is_shown_and_waits_for_nobody(db: Database, number: str) -> None:
    await come(db, body(change("history", bodies.PAST, field="history")))
    ((key, _, _, last_seq, inbound, *_),) = await rows(db, THREADS)
    assert (key, last_seq, inbound) == (KEY, 3, 0)
    assert await rows(db, WINDOWS) == []
    await come(db, said(text("Now I am here", 60)))
    assert [row[4] for row in await rows(db, THREADS)] == [1]


async def test_a_person_with_a_phone_and_an_id_is_one_by_either(db: Database, number: str) -> None:
    alone = text("No number here", 2) | {"from": "", "from_user_id": BSUID}
    await come(db, said(text()), body(change("messages", alone, contacts=[contact(wa_id=None)])))
    assert [row[3] for row in await rows(db, THREADS)] == [2]
    assert await rows(db, "select kind, value from contact_identities order by 1") == [
        ("phone", f"+{CUSTOMER}"), ("user_id", BSUID),
    ]  # fmt: skip


async def test_a_message_is_never_without_a_thread_and_two_businesses_share_nothing(
    db: Database, number: str, business: Business
) -> None:
    with pytest.raises(Exception, match="null value in column"):
        await rows(
            db, "insert into whatsapp_message (business_id, to_number, direction, status, source, seq)"
            f" values ({business.id}, '+1', 'in', 'received', 'customer', 1)",
        )  # fmt: skip
    with pytest.raises(Exception, match="whatsapp_message_conversation_fkey"):
        await rows(
            db, "insert into whatsapp_message (business_id, to_number, direction, status, source, seq, conversation_id)"
            f" values ({business.id}, '+1', 'in', 'received', 'customer', 1, 99)",
        )  # fmt: skip


async def test_states_only_rise_whatever_order_they_are_told_in(db: Database, number: str) -> None:
    echo = change("message_echoes", ECHO)
    reports = [change("statuses", bodies.status(one, 40, NOON + 50)) for one in ("read", "sent", "delivered", "failed")]
    await come(db, body(reports[0]), body(echo), *(body(one) for one in reports[1:]))
    assert await rows(db, "select status, read_at is not null, delivered_at is not null from whatsapp_message") == [
        ("read", True, True)
    ]
    assert await rows(db, WAITING) == [(0,), (0,)]


async def test_what_is_taken_back_says_nothing_and_waits_for_nobody(db: Database, number: str) -> None:
    revoke = bodies.message("revoke", 17, revoke={"original_message_id": "wamid.0001"})
    await come(db, said(text()), said(text("Another", 2)))
    await rows(db, "update whatsapp_conversation set read_seq = 1, read_inbound = 1 returning id")
    await come(db, said(revoke))
    assert await rows(db, "select inbound, read_inbound from whatsapp_conversation") == [(1, 0)]
    assert await rows(db, "select status, body from whatsapp_message order by seq") == [
        ("deleted", ""), ("received", "Another"),
    ]  # fmt: skip


async def test_the_list_shows_what_the_newest_message_says_by_now(db: Database, number: str) -> None:
    """Words that were taken back are shown nowhere; what is changed of an older message is not shown there."""
    shown = "select last_body, last_type from whatsapp_conversation"

    def edit(place: int, words: str, about: str) -> Any:
        told = {"original_message_id": about, "message": {"type": "text", "text": {"body": words}}}
        return said(bodies.message("edit", place, edit=told))

    async def took_back(place: int, about: str) -> None:
        await come(db, said(bodies.message("revoke", place, revoke={"original_message_id": about})))

    await come(db, said(text("Is it open?")), said(text("My card is", 2)))
    await come(db, edit(16, "Is it shut?", "wamid.0001"), edit(17, "My cat is", "wamid.0002"))
    assert await rows(db, shown) == [("My cat is", "text")]
    await took_back(18, "wamid.0001")
    assert await rows(db, shown) == [("My cat is", "text")]
    await took_back(19, "wamid.0002")
    assert await rows(db, shown) == [("", "deleted")]
    await come(db, edit(20, "My hat is", "wamid.0002"))
    assert await rows(db, shown) == [("", "deleted")], "what was taken back says nothing any more"
    await come(db, said(text("Hello again", 30)))
    assert await rows(db, shown) == [("Hello again", "text")]


async def test_nobody_changes_what_somebody_else_said(db: Database, number: str) -> None:
    edit = {"original_message_id": "wamid.0040", "message": {"type": "text", "text": {"body": "You get it for free"}}}
    revoke = {"original_message_id": "wamid.0001"}
    theirs = [bodies.message("edit", 50, edit=edit), bodies.message("revoke", 51, revoke=revoke)]
    wrong = change(
        "messages", *(one | {"from": OTHER} for one in theirs), contacts=[contact(OTHER, None, name="Thabo")]
    )
    await come(db, body(wrong))
    await come(
        db, said(text()), body(change("message_echoes", by_us("It costs 100", 40, NOON + 5))), body(wrong, time=1)
    )
    assert [row[3] for row in await rows(db, MESSAGES)] == ["Is it open today?", "It costs 100"]
    assert [row[4] for row in await rows(db, THREADS)] == [1]


async def test_of_whom_nothing_is_told_each_message_stands_alone(db: Database, number: str) -> None:
    await come(db, body(change("messages", *(text(number=place) | {"from": ""} for place in (1, 2)))))
    assert await rows(db, "select count(*)::int from whatsapp_conversation") == [(2,)]


async def test_a_time_that_is_yet_to_come_holds_nothing_open(db: Database, number: str) -> None:
    ahead = bodies.REACTION | {"timestamp": "99999999999"}
    await come(db, said(text()), said(ahead))
    assert await rows(db, "select at <= now() from message_reactions") == [(True,)]


@pytest.mark.parametrize("people", [1, 200])
async def test_two_hundred_webhooks_at_once_make_one_thread_for_each_customer(
    db: Database, number: str, people: int
) -> None:
    posts = []
    for place in range(200):
        wa_id = f"2782000{place % people:04}"
        one = text(f"Message {place}", 100 + place) | {"from": wa_id}
        posts.append(body(change("messages", one, contacts=[contact(wa_id, None)])))
    received = [Received("whatsapp", one, datetime.now(UTC)) for one in posts]
    await db.run("store", lambda conn: receive.store(conn, received))
    await asyncio.gather(*(process(db) for _ in range(8)))
    assert await rows(db, "select count(*)::int, sum(last_seq)::int, sum(inbound)::int from whatsapp_conversation") == [
        (people, 200, 200)
    ]
    assert await rows(
        db, "select count(*)::int, count(distinct (conversation_id, seq))::int from whatsapp_message"
    ) == [(200, 200)]
    assert await rows(db, "select count(*)::int from contacts") == [(people,)]
