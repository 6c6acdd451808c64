"""What somebody of ours answers stands in the thread at once, is sent once, and says honestly what became of it."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tallybook.app import whatsapp_sender
from tallybook.core import audit, channel_accounts, ingest, outbox, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.core.sending import Post, deliver
from tallybook.inbox.service import outcomes, sending
from tallybook.inbox.service.filing import Inbox
from tallybook.inbox.service.sending import WindowClosed
from tallybook.inbox.store import receipts
from tallybook.settings import Settings
from tests import world
from tests.channels.whatsapp.bodies import BSUID, CUSTOMER, NUMBER, OURS, body, change, contact, said, status, text
from tests.channels.whatsapp.test_received import HOOK, SEAL, come
from tests.cloud_api.server import FakeCloudApi, Taken
from tests.core.worked import rows, until

TOKEN = "a-token-of-the-tests"
STOP = asyncio.Event()
MESSAGES = """
select seq, direction, source, body, status, provider_message_id, failed_reason from whatsapp_message order by seq
"""
OUTBOX = "select state, account, recipient, priority from outbox order by id"
SHOWN = """
select last_seq, last_body, last_source, last_message_at > last_customer_message_at from whatsapp_conversation
"""
CLOCKS = "select last_customer_message_at, inbound, read_inbound from whatsapp_conversation"


@pytest.fixture
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: TOKEN}) as api:
        api.hear(NUMBER, CUSTOMER)
        api.hear(NUMBER, BSUID)
        yield api


@pytest.fixture
async def number(db: Database, business: Business) -> str:
    """The business's number, with its token."""
    caller = people.command_line(business.id)
    new = NewAccount("whatsapp", NUMBER, token=TOKEN)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))
    return NUMBER


@pytest.fixture
async def post(db: Database, business: Business, api: FakeCloudApi) -> AsyncIterator[Post]:
    """The outbox as the worker sends it."""
    sender = whatsapp_sender(Settings.load({"TALLYBOOK_WHATSAPP_API_URL": api.address}), db, SEAL)
    sender.answer_timeout = 1.0
    yield Post({sender.name: sender}, tell=outcomes.told)
    await sender.aclose()


@pytest.fixture
async def agent(db: Database, business: Business) -> Caller:
    return (await db.run("add", lambda conn: world.ana(conn, business, role=Role.AGENT))).caller


def now(seconds: int = 0) -> int:
    return int(datetime.now(UTC).timestamp()) + seconds


def written(words: str = "Is it open today?", number: int = 1, **more: Any) -> dict[str, Any]:
    """A message of a customer, of this moment."""
    return text(words, number, timestamp=str(now()), **more)


@pytest.fixture
async def thread(db: Database, number: str) -> int:
    """A customer's thread, in which they wrote just now."""
    await come(db, said(written()))
    ((conversation,),) = await rows(db, "select id from whatsapp_conversation")
    return int(conversation)


async def answer(db: Database, who: Caller, thread: int, words: str = "Until six.", key: str = "k") -> int:
    return await db.run("answer", lambda conn: sending.send_text(conn, who, thread, words, key))


async def change_windows(db: Database, by: timedelta) -> None:
    async with db.transaction() as conn:
        await conn.execute("update conversation_windows set last_inbound_at = last_inbound_at + %s", [by])


async def ours(db: Database) -> list[tuple]:
    return [row[3:] for row in await rows(db, MESSAGES) if row[1] == "out"]


async def test_an_answer_stands_in_the_thread_at_once_and_moves_no_clock_of_the_customers(
    db: Database, agent: Caller, thread: int
) -> None:
    before = await rows(db, CLOCKS)
    message_id = await answer(db, agent, thread)
    assert await rows(db, "select id, sent_by, late from whatsapp_message where direction = 'out'") == [
        (message_id, agent.account_id, False)
    ]
    assert (await rows(db, MESSAGES))[1] == (2, "out", "human", "Until six.", "queued", None, None)
    assert await rows(db, CLOCKS) == before
    seen = (
        "select last_seq, last_body, last_source, last_message_at > last_customer_message_at from whatsapp_conversation"
    )
    assert await rows(db, seen) == [(2, "Until six.", "human", True)]
    assert await rows(db, OUTBOX) == [("waiting", NUMBER, f"+{CUSTOMER}", 1)]


async def test_it_is_sent_by_the_number_written_to_and_the_thread_hears_that(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    message_id = await answer(db, agent, thread)
    await deliver(db, business.id, post, STOP)
    (taken,) = api.taken
    key = f"inbox:{thread}:k"
    assert taken == Taken(taken.id, NUMBER, CUSTOMER, "Until six.", key, None, taken.at)
    assert await ours(db) == [("Until six.", "sent", taken.id, None)]
    (entry,) = await db.run("look", lambda conn: audit.recent(conn, business.id, "conversation"))
    assert (entry.who, entry.action, entry.after) == (agent.name, "conversation.answered", {"message": message_id})


async def test_the_lines_of_a_form_are_lines_and_no_more(db: Database, agent: Caller, thread: int) -> None:
    await answer(db, agent, thread, " Until six.\r\n\r\nSee you! \r\n")
    assert [row[0] for row in await ours(db)] == ["Until six.\n\nSee you!"]


async def test_two_presses_at_once_with_one_key_send_once(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    first, *others = await asyncio.gather(*(answer(db, agent, thread) for _ in range(8)))
    assert set(others) == {first}
    await deliver(db, business.id, post, STOP)
    assert await answer(db, agent, thread) == first
    await deliver(db, business.id, post, STOP)
    assert api.texts == ["Until six."]
    assert await rows(db, "select last_seq from whatsapp_conversation") == [(2,)]
    with pytest.raises(Conflict, match="Another text"):
        await answer(db, agent, thread, "Until seven.")


async def test_answers_and_messages_at_once_get_places_of_their_own(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    said_next = [said(written(f"And number {one}?", one)) for one in range(2, 6)]
    await asyncio.gather(
        *(answer(db, agent, thread, f"Answer {one}", f"k{one}") for one in range(4)), come(db, *said_next)
    )
    assert [row[0] for row in await rows(db, MESSAGES)] == list(range(1, 10))
    await deliver(db, business.id, post, STOP)
    by_place = [row[3] for row in await rows(db, MESSAGES) if row[1] == "out"]
    assert sorted(api.texts) == sorted(by_place)
    assert len(api.texts) == 4


async def test_after_a_day_only_a_template_can_be_sent_and_a_repeat_of_what_was_sent_is_still_harmless(
    db: Database, agent: Caller, thread: int
) -> None:
    first = await answer(db, agent, thread)
    await change_windows(db, -timedelta(hours=24, seconds=1))
    with pytest.raises(WindowClosed, match="template"):
        await answer(db, agent, thread, key="k2")
    assert await answer(db, agent, thread) == first
    allowed = await db.run("ask", lambda conn: sending.window_of(conn, agent, thread))
    assert allowed.open is False
    await come(db, said(written("Hello?", 2)))
    await answer(db, agent, thread, key="k2")


async def test_our_own_words_open_no_window(db: Database, agent: Caller, number: str) -> None:
    typed = written("We open at nine", 40) | {"from": OURS, "to": CUSTOMER}
    await come(db, body(change("message_echoes", typed, field="smb_message_echoes")))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    with pytest.raises(WindowClosed):
        await answer(db, agent, thread)


async def test_what_waits_when_the_window_closes_is_not_sent_and_says_so(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await answer(db, agent, thread)
    async with db.transaction() as conn:
        await conn.execute("update outbox set expires_at = now() - interval '1 second'")
    await deliver(db, business.id, post, STOP)
    assert api.taken == []
    assert await ours(db) == [("Until six.", "failed", None, "too old to be of use")]


@pytest.mark.parametrize("words", ["", " \n ", "a" * 4097, "a\0b", "\ud83d"])
async def test_a_text_that_cannot_be_sent_is_refused(db: Database, agent: Caller, thread: int, words: str) -> None:
    with pytest.raises(Invalid):
        await answer(db, agent, thread, words)
    assert await rows(db, OUTBOX) == []


@pytest.mark.parametrize("key", ["", "k" * 201, "ключ", "a\nb"])
async def test_a_press_needs_a_key(db: Database, agent: Caller, thread: int, key: str) -> None:
    with pytest.raises(Invalid):
        await answer(db, agent, thread, key=key)


async def test_nobody_answers_without_the_right_or_in_another_business(
    db: Database, business: Business, agent: Caller, thread: int
) -> None:
    viewer = await db.run("add", lambda conn: world.bia(conn, business, role=Role.VIEWER))
    with pytest.raises(NotAllowed):
        await answer(db, viewer.caller, thread)
    caio = (await db.run("add", world.caio)).caller
    with pytest.raises(NotFound):
        await answer(db, caio, thread)
    with pytest.raises(NotFound):
        await db.run("ask", lambda conn: sending.window_of(conn, caio, thread))
    assert await rows(db, OUTBOX) == []


async def test_a_number_without_a_token_says_so_instead_of_waiting_for_ever(
    db: Database, agent: Caller, thread: int
) -> None:
    async with db.transaction() as conn:
        await conn.execute("update channel_accounts set token_sealed = null")
    with pytest.raises(Conflict, match="no access token"):
        await answer(db, agent, thread)


async def test_who_is_known_by_a_user_id_alone_is_answered(
    db: Database, business: Business, agent: Caller, number: str, post: Post, api: FakeCloudApi
) -> None:
    hidden = written("No number here") | {"from": "", "from_user_id": BSUID}
    await come(db, body(change("messages", hidden, contacts=[contact(wa_id="")])))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    await answer(db, agent, thread)
    await deliver(db, business.id, post, STOP)
    assert [one.to for one in api.taken] == [BSUID]


PARENT = "ZA.0ENT.11111"  # before the own id, in the order of letters


@pytest.mark.parametrize("first", [
    {"from_user_id": BSUID, "from_parent_user_id": PARENT}, {"from_user_id": BSUID},
], ids=["both at once", "the upper one later"])  # fmt: skip
async def test_who_has_an_id_above_their_own_is_written_to_by_their_own(
    db: Database, business: Business, agent: Caller, number: str, post: Post, api: FakeCloudApi, first: dict[str, str]
) -> None:
    both = {"from": "", "from_user_id": BSUID, "from_parent_user_id": PARENT}
    upper = {"from": "", "from_parent_user_id": PARENT}
    for place, known in enumerate(({"from": "", **first}, both, upper)):
        await come(db, body(change("messages", written(f"No. {place}", place) | known)))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    await answer(db, agent, thread)
    await deliver(db, business.id, post, STOP)
    assert [one.to for one in api.taken] == [BSUID]
    newest = await db.run("look", lambda conn: receipts.newest(conn, business.id, thread))
    assert newest is not None
    assert newest.to == BSUID


async def test_the_upper_id_is_written_to_where_nothing_else_is_known_and_the_own_one_as_soon_as_it_is(
    db: Database, business: Business, agent: Caller, number: str, post: Post, api: FakeCloudApi
) -> None:
    api.hear(NUMBER, PARENT)
    upper = written("No number here", 1) | {"from": "", "from_parent_user_id": PARENT}
    await come(db, body(change("messages", upper)))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    await answer(db, agent, thread, key="upper")
    own = written("Me again", 2) | {"from": "", "from_user_id": BSUID, "from_parent_user_id": PARENT}
    await come(db, body(change("messages", own)))
    await answer(db, agent, thread, key="own")
    await deliver(db, business.id, post, STOP)
    assert [one.to for one in api.taken] == [PARENT, BSUID]


async def test_of_an_id_that_was_and_the_one_that_is_the_later_is_written_to(
    db: Database, business: Business, agent: Caller, number: str, post: Post, api: FakeCloudApi
) -> None:
    """The news of it comes first, so that both are learnt at one moment; and what was said before it comes late."""
    newer = "ZA.9"  # behind the earlier, in the order of letters
    api.hear(NUMBER, newer)
    moved = {
        "user_id": {"previous": BSUID, "current": newer},
        "parent_user_id": {"previous": PARENT, "current": PARENT},
    }
    await come(db, body(change("user_id_update", moved | {"timestamp": str(now())}, field="user_id_update")))
    for place, known in enumerate((newer, BSUID)):
        await come(db, body(change("messages", written("Hello", place) | {"from": "", "from_user_id": known})))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    await answer(db, agent, thread)
    await deliver(db, business.id, post, STOP)
    assert [one.to for one in api.taken] == [newer]


async def test_a_group_is_not_answered_as_if_it_were_a_person(db: Database, agent: Caller, number: str) -> None:
    await come(db, said(written("Hello all", group_id="Y2FwaV9ncm91cDoxMjM")))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    with pytest.raises(Conflict, match="Nothing is known"):
        await answer(db, agent, thread)


async def test_a_lost_answer_ends_unknown_and_the_report_settles_it(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await answer(db, agent, thread)
    api.order("drop", after=True)
    await deliver(db, business.id, post, STOP)
    (taken,) = api.taken
    reason = "WhatsApp took the message and gave no answer."
    assert await ours(db) == [("Until six.", "unknown", None, reason)]
    await report(db, taken, "delivered", 2)
    assert await ours(db) == [("Until six.", "delivered", taken.id, None)]
    await report(db, taken, "read", 3)
    await report(db, taken, "sent", 1)
    assert await ours(db) == [("Until six.", "read", taken.id, None)]
    async with db.transaction() as conn:
        await conn.execute("update outbox set not_before = now()")
    await deliver(db, business.id, post, STOP)
    assert len(api.taken) == 1, "what was settled is not sent again"
    assert await rows(db, "select count(*)::int from waiting_reports") == [(0,)]


async def report(db: Database, taken: Taken, became: str, at: int = 0, **more: Any) -> None:
    told = status(became, at=now(at), id=taken.id, biz_opaque_callback_data=taken.key, **more)
    await come(db, body(change("statuses", told)))


WORKER = """
import asyncio, sys
from tallybook.app import whatsapp_sender
from tallybook.core.db import open_database
from tallybook.core.sealing import Seal
from tallybook.core.sending import Post, deliver
from tallybook.inbox.service import outcomes
from tallybook.settings import Settings

async def main():
    settings = Settings.load({"TALLYBOOK_WHATSAPP_API_URL": sys.argv[3]})
    async with open_database(sys.argv[1], "prod", size=2) as db:
        sender = whatsapp_sender(settings, db, Seal([b"k" * 32]))
        post = Post({sender.name: sender}, at_once=1, lease=0.5, tell=outcomes.told)
        await deliver(db, int(sys.argv[2]), post, asyncio.Event())

asyncio.run(main())
"""


async def test_a_worker_killed_before_it_heard_the_yes_sends_nothing_twice(
    db: Database,
    database_url: str,
    business: Business,
    agent: Caller,
    thread: int,
    post: Post,
    api: FakeCloudApi,
) -> None:
    await answer(db, agent, thread)
    order = api.order("slow")
    command = [sys.executable, "-c", WORKER, database_url, str(business.id), api.address]
    with subprocess.Popen(command) as worker:
        await asyncio.to_thread(order.held.wait, 20)
        worker.kill()
    order.let_go.set()
    async with asyncio.timeout(20):
        while [row[1] for row in await ours(db)] != ["unknown"]:
            assert await deliver(db, business.id, post, STOP) == 0
            await asyncio.sleep(0.05)  # until the lease is over
    await report(db, api.taken[0], "delivered")
    assert await deliver(db, business.id, post, STOP) == 0
    assert await ours(db) == [("Until six.", "delivered", api.taken[0].id, None)]
    assert api.texts == ["Until six."]


async def test_a_report_that_overtakes_the_answer_is_not_undone_by_it(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await answer(db, agent, thread)
    order = api.order("slow")
    under_way = asyncio.create_task(deliver(db, business.id, post, STOP))
    await asyncio.to_thread(order.held.wait, 20)
    await report(db, api.taken[0], "delivered")
    order.let_go.set()
    await under_way
    assert await ours(db) == [("Until six.", "delivered", api.taken[0].id, None)]
    assert [row[0] for row in await rows(db, OUTBOX)] == ["delivered"]


async def test_reports_that_come_while_answers_are_recorded_miss_none_of_them(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    others = [written(number=one) | {"from": f"278200000{one:02}"} for one in range(10, 16)]
    await come(db, *(body(change("messages", one)) for one in others))
    for one in others:
        api.hear(NUMBER, one["from"])
    threads = [row[0] for row in await rows(db, "select id from whatsapp_conversation order by id")]
    for one in threads:
        await answer(db, agent, one, f"Answer in {one}")
        await answer(db, agent, one, f"More in {one}", key="k2")
    under_way = asyncio.create_task(deliver(db, business.id, post, STOP))
    reported = 0
    while not under_way.done() or reported < len(api.taken):
        fresh = api.taken[reported:]
        reported += len(fresh)
        told = [
            [status(became, at=now(), id=one.id, biz_opaque_callback_data=one.key) for one in fresh]
            for became in ("read", "delivered", "sent")
        ]
        if fresh:
            await asyncio.gather(*(come(db, body(change("statuses", *some))) for some in told))
        await asyncio.wait({under_way}, timeout=0.01)
    await under_way
    assert sorted(api.texts) == sorted(f"{word} in {one}" for one in threads for word in ("Answer", "More"))
    assert {row[1] for row in await ours(db)} == {"read"}
    assert {row[0] for row in await rows(db, OUTBOX)} == {"read"}
    assert await rows(db, "select count(*)::int from waiting_reports") == [(0,)]
    in_order = "select body from whatsapp_message where direction = 'out' order by provider_message_id"
    for one in threads:
        sent = [words for (words,) in await rows(db, in_order) if words.endswith(f" in {one}")]
        assert sent == [f"Answer in {one}", f"More in {one}"], "to one customer they leave in their order"


async def test_a_failure_told_before_the_answer_stands(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await answer(db, agent, thread)
    order = api.order("slow")
    under_way = asyncio.create_task(deliver(db, business.id, post, STOP))
    await asyncio.to_thread(order.held.wait, 20)
    await report(db, api.taken[0], "failed", errors=[{"code": 131026, "title": "Message undeliverable"}])
    order.let_go.set()
    await under_way
    assert await ours(db) == [("Until six.", "failed", api.taken[0].id, "Message undeliverable (131026)")]


async def test_a_refusal_says_why_and_a_replay_may_still_send_it(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await answer(db, agent, thread)
    api.order("says", code=131026)
    await deliver(db, business.id, post, STOP)
    ((words, became, external, reason),) = await ours(db)
    assert (words, became, external) == ("Until six.", "failed", None)
    assert "cannot deliver" in reason

    async def replay(conn: Conn) -> None:
        waiting = await outbox.aside(conn, business.id)
        await outbox.replay(conn, business.id, [one.id for one in waiting])

    await db.run("replay", replay)
    await deliver(db, business.id, post, STOP)
    assert await ours(db) == [("Until six.", "sent", api.taken[0].id, None)]


async def test_a_token_that_expired_holds_the_answer_back_and_says_so(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await answer(db, agent, thread)
    api.tokens[NUMBER] = "another"
    await deliver(db, business.id, post, STOP)
    ((_, became, _, reason),) = await ours(db)
    assert became == "queued"
    assert "expired" in reason


async def test_our_own_message_told_back_as_an_echo_is_one_message(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await answer(db, agent, thread)
    api.order("drop", after=True)
    await deliver(db, business.id, post, STOP)
    (taken,) = api.taken
    echo = written("Until six.", 40) | {"from": OURS, "to": CUSTOMER, "id": taken.id}
    await come(db, body(change("message_echoes", echo, field="smb_message_echoes")))
    await report(db, taken, "delivered")
    assert await ours(db) == [("Until six.", "delivered", taken.id, None)]


async def test_an_echo_that_is_being_filed_while_the_yes_is_recorded_undoes_nothing(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await answer(db, agent, thread)
    await answer(db, agent, thread, "On Sunday too.", "k2")
    order = api.order("slow")
    under_way = asyncio.create_task(deliver(db, business.id, post, STOP))
    await asyncio.to_thread(order.held.wait, 20)
    echo = written("Until six.", 40) | {"from": OURS, "to": CUSTOMER, "id": api.taken[0].id}
    incomings = HOOK.parse(body(change("message_echoes", echo, field="smb_message_echoes")))
    async with db.transaction() as conn:
        await ingest.absorb(conn, business, incomings, Inbox())
        order.let_go.set()
        await until(partial(is_in_the_way, conn))
    await under_way
    first, second = api.taken
    assert api.texts == ["Until six.", "On Sunday too."]
    assert await ours(db) == [("Until six.", "sent", first.id, None), ("On Sunday too.", "sent", second.id, None)]
    assert {row[0] for row in await rows(db, OUTBOX)} == {"sent"}


async def is_in_the_way(conn: Conn) -> bool:
    """Whether somebody waits for what this transaction writes."""
    waiting = "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    return await (await conn.execute(waiting)).fetchone() is not None


async def test_no_log_and_no_row_holds_the_token(
    db: Database,
    business: Business,
    agent: Caller,
    thread: int,
    post: Post,
    api: FakeCloudApi,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    await answer(db, agent, thread)
    api.order("says", code=190, status=401)
    await deliver(db, business.id, post, STOP)
    async with db.transaction() as conn:
        await conn.execute("update outbox set not_before = now()")
        await conn.execute("update sending_lines set open_at = now()")
    await deliver(db, business.id, post, STOP)
    assert api.texts == ["Until six."]
    kept = [await rows(db, f"select * from {table}") for table in ("outbox", "whatsapp_message", "audit_log")]
    printed = capsys.readouterr()
    assert TOKEN not in f"{caplog.text} {printed.out} {printed.err} {kept}"
    assert CUSTOMER not in f"{caplog.text} {printed.out} {printed.err}"
