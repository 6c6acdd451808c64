"""The inbox comes to another environment whole and masked: its threads open there, and nothing says whose they are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tallybook.core import environment, environment_copying
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.environment_copying import Request
from tallybook.core.environment_inbox import OWN_NUMBERS, REPLACED
from tallybook.core.environment_inbox_tables import INBOX, NEVER_OF_THE_INBOX
from tallybook.core.environment_masking import Masks
from tallybook.core.errors import Conflict
from tallybook.inbox.service import automation, leads, searching, templates, threads
from tallybook.inbox.thread_types import Filter
from tests import world as office
from tests.core.test_environment_leaks import PERSONAL, fill
from tests.inbox import world
from tests.inbox.world import AVI, LIOR, NOA, Someone
from tests.postgres import APP, DEV, OWNER, Server

# Of posts in groups a pattern as wide as this one's keeps many a number.
MASKS = Masks(b"production's own key", [re.compile(r"\d{7,8}")])
INBOX_TABLES = frozenset(one.table for one in INBOX)
SINCE = datetime.now(UTC) - timedelta(days=7)
USER_ID = "ZA.13491208655302741918"
NEEDLES = (NOA[1:], AVI[1:], USER_ID, "aubergine", "Noa", "Avi", "Zanele", "wamid", "106540352242922", "velo.example",
           "DR1752104", "1234567")  # fmt: skip

# What hangs on a thread, a lead or a business. Everything that may say something says something of hers.
HANGING = """
update whatsapp_conversation set customer_wa_id = '27820000011', account = '106540352242922', assigned_to = 1,
    summary = 'aubergine', blocked_by = 'Zanele', blocked_reason = 'aubergine' where id = %(thread)s;
update whatsapp_message set account = '106540352242922', outgoing_key = 'aubergine ' || id, sent_by = 1,
    failed_reason = 'Noa', media_url = 'https://velo.example/noa', to_number = '+27820000011';
insert into contact_identities (business_id, kind, value, contact_id)
    values (%(business)s, 'user_id', 'ZA.13491208655302741918', %(contact)s);
insert into conversation_windows (business_id, conversation_id, channel, account, last_inbound_at)
    values (%(business)s, %(thread)s, 'whatsapp', '106540352242922', now());
insert into conversation_sessions (business_id, conversation_id, number, first_seq, last_seq, started_at, ended_at,
    closed_at, ended_by, who, summary, summary_at, summary_by)
    values (%(business)s, %(thread)s, 1, 1, 1, now(), now(), now(), 'person', 'Zanele', 'aubergine', now(), 'Zanele');
insert into inbox_labels (business_id, name, folded, colour) values (%(business)s, 'Noa', 'noa', 'red'),
    (%(business)s, 'Avi', 'avi', 'red');
insert into conversation_labels (business_id, conversation_id, label_id)
    select business_id, %(thread)s, id from inbox_labels where business_id = %(business)s;
insert into inbox_teams (business_id, name, folded) values (%(business)s, 'Zanele', 'zanele');
update whatsapp_conversation c set team_id = t.id from inbox_teams t
    where t.business_id = c.business_id and c.id = %(thread)s;
insert into conversation_notes (business_id, conversation_id, account_id, author, body, key, written_at)
    select %(business)s, %(thread)s, n, 'Zanele', 'likes aubergine', 'aubergine', now() from generate_series(1, 3) n;
insert into canned_answers (business_id, language, shortcut, folded, body)
    values (%(business)s, 'en', 'Noa', 'noa', 'an aubergine');
insert into lead_statuses (business_id, status, name, colour, place)
    values (%(business)s, 'new', null, 'blue', 1), (%(business)s, 'aubergine', 'Aubergine', 'red', 2);
update leads set status = 'aubergine', email = 'noa@velo.example', notes = 'Noa likes aubergine';
insert into lead_changes (business_id, lead_id, at, who, account_id, was, became, key)
    select business_id, id, now(), 'Zanele', 1, 'new', 'aubergine', 'Noa' from leads where business_id = %(business)s;
insert into inbox_templates (business_id, waba, name, language, external_id, status, category, components, told_at)
    values (%(business)s, '106540352242922', 'for_noa', 'en_US', '1065', 'approved', 'utility',
    '[{"type": "BODY", "text": "Noa, {{1}} aubergine"}]', now()),
    (%(business)s, '106540352242922', 'for_avi', 'en_US', '1066', 'approved', 'utility', '[]', now());
insert into automation_rules (business_id, name, active, active_since, starts, trigger, conditions, actions)
    values (%(business)s, 'Noa', true, now(), 'keyword', '{"on": "keyword", "words": ["aubergine"]}', '{}',
    '{"text": "Hello Noa", "assign_to": 1}');
insert into message_reactions (business_id, channel, account, about, who, emoji, at)
    values (%(business)s, 'whatsapp', '1', 'wamid.1', '27820000011', 'x', now());
insert into scheduled_messages (business_id, conversation_id, content, words, due_at, local_at, who, key)
    values (%(business)s, %(thread)s, '{}', 'aubergine', now(), now(), 'Zanele', 'aubergine');
insert into hooks (business_id, name, host, url_sealed, secret_sealed, events)
    values (%(business)s, 'Noa', 'velo.example', '\\x01', '\\x02', '{}');
insert into messages (business_id, channel, account, scope, external_id, kind, chat, sender_raw, sender_phone, said_at,
    text, from_us, deleted, content_hash, content)
    values (%(business)s, 'whatsapp', '106540352242922', '106540352242922', 'wamid.core.' || %(business)s, 'message',
    '27820000011', 'ZA.13491208655302741918', '+27820000011', now(), 'aubergine for DR1752104 and 1234567', false,
    false, '\\x00', '{"a": "Noa"}');
insert into message_revisions (business_id, message_id, revision, text, deleted, content_hash)
    select business_id, id, 1, 'aubergine for DR1752104 and 1234567', false, '\\x00' from messages
    where business_id = %(business)s;
insert into contact_identities (business_id, kind, value, contact_id, left_at)
    values (%(business)s, 'phone', '+27820000014', %(contact)s, '2026-02-01');
insert into left_phones (business_id, phone, left_at, until, contact_id)
    values (%(business)s, '+27820000014', '2026-01-01', '2026-02-01', %(contact)s);
insert into inbox_model_leases (business_id, conversation_id, seq, claimed_by, lease_until)
    values (%(business)s, %(thread)s, 1, gen_random_uuid(), now());
update whatsapp_message m set message_id = k.id from messages k
    where k.business_id = %(business)s and m.business_id = %(business)s and m.conversation_id = %(thread)s and m.seq = 1
"""


async def furnished(conn: Conn, business: Business) -> Someone:
    """A customer with everything that a copy might take, and another one who is not there yet."""
    noa = await world.customer(conn, business, NOA, lead="Noa Levi", profile="Noa", name="Noa Levi", username="noa.l")
    await world.customer(conn, business, AVI, profile="Avi Cohen", at=datetime.now(UTC))
    for number in range(3):
        await world.says(
            conn, noa, "Where is my aubergine? DR1752104, 1234567", external=f"wamid.{business.id}.{number}"
        )
    values = {"business": business.id, "thread": noa.id, "contact": noa.contact_id}
    for statement in HANGING.split(";"):
        await conn.execute(statement.encode(), values)
    return noa


@dataclass(frozen=True)
class Once:
    """A database of which production was copied to dev once, masked. It is looked at, or cloned."""

    name: str
    url: str
    noa: Someone
    other: Business
    tried: Someone


@pytest.fixture(scope="module")
async def once(postgres: Server, worker_database: str) -> AsyncIterator[Once]:
    """Noa and Avi of one business; of the other one, which has no inbox, dev alone has somebody."""
    name = f"{worker_database}_inbox"
    url = postgres.url(OWNER, name)
    postgres.clone(name)
    async with open_database(postgres.url(APP, name), "prod", size=1) as production:
        home = await production.run("home", office.velo_fibre)
        other = await production.run("other", office.kinneret_tours)
        noa = await production.run("furnish", lambda conn: furnished(conn, home))
    await environment.create(url, "dev", {})
    async with open_database(postgres.url(DEV, name), "dev", size=1) as there:
        tried = await there.run("try", lambda conn: world.customer(conn, other, LIOR))
    assert {one: count for one, count in (await copy(url)).items() if one in INBOX_TABLES and not count} == {}
    yield Once(name, url, noa, other, tried)
    postgres.drop(name)


@pytest.fixture
def fresh_name(postgres: Server, once: Once) -> Iterator[str]:
    """A database in which all that stands already."""
    name = f"{once.name}_again"
    postgres.clone(name, once.name)
    yield name
    postgres.drop(name)


@pytest.fixture
async def dev(postgres: Server, fresh_name: str) -> AsyncIterator[Database]:
    async with open_database(postgres.url(DEV, fresh_name), "dev", size=2) as database:
        yield database


async def rows(url: str, statement: str, schema: str = "dev") -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        return await _rows(conn, statement, schema)


async def _rows(conn: Conn, statement: str, schema: str) -> list[tuple[Any, ...]]:
    await conn.execute(f"set search_path to {schema}, extensions".encode())
    cursor = await conn.execute(statement.encode())
    return await cursor.fetchall() if cursor.description else []


async def copy(url: str, masks: Masks | None = MASKS) -> dict[str, int]:
    done = await environment_copying.copy(url, Request("dev", SINCE, masks))
    return {one.table: one.read for one in done}


EVERY = "select relname from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace"


async def whole(url: str, schema: str = "dev") -> dict[str, str]:
    """Every table, as text with all that is in any of its columns."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        tables = [row[0] for row in await _rows(conn, EVERY, schema)]
        texts = [await _rows(conn, f"select to_jsonb(t)::text from {one} t order by 1", schema) for one in tables]
        return {one: "\n".join(text for (text,) in found) for one, found in zip(tables, texts, strict=True)}


def told(tables: dict[str, str], *needles: str) -> dict[str, set[str]]:
    """Which tables say any of it, and what."""
    found = {
        name: {one for one in needles if one.casefold() in text.casefold() or one.encode().hex() in text}
        for name, text in tables.items()
    }
    return {name: there for name, there in found.items() if there}


async def test_no_phone_name_or_text_of_production_stands_anywhere_in_dev(once: Once) -> None:
    before = told(await whole(once.url, "public"), *NEEDLES)
    assert INBOX_TABLES - before.keys() == {"conversation_labels"}, "the test would prove nothing"
    for table in ("messages", "message_revisions", "whatsapp_message"):
        assert before[table] >= {"DR1752104", "1234567"}, "a project's pattern finds it"
    assert told(await whole(once.url), *NEEDLES) == {}


async def test_a_business_without_an_inbox_in_production_keeps_dev_s(once: Once) -> None:
    kept = f"select business_id, id from contacts where phone = '{LIOR}'"
    assert await rows(once.url, kept) == [(once.other.id, once.tried.contact_id)]


async def test_a_phone_that_was_left_is_left_in_dev_too(once: Once) -> None:
    left = "select value, left_at from contact_identities where left_at is not null"
    ((phone, at),) = await rows(once.url, left, "public")
    assert await rows(once.url, left) == [(MASKS.known(phone), at)]


async def test_whatever_stands_in_whichever_column_nothing_of_it_comes_through(fresh_owner_url: str) -> None:
    done = fill(fresh_owner_url)
    assert {"contacts.thread_key", "whatsapp_message.body", "automation_rules.trigger"} <= set(done)
    await copy(fresh_owner_url)
    for table, text in (await whole(fresh_owner_url)).items():
        assert PERSONAL.search(text) is None, (table, text)


async def test_a_thread_opens_in_dev_under_production_s_number_with_all_that_hangs_on_it(
    once: Once, fresh_owner_url: str, dev: Database
) -> None:
    noa = once.noa
    caller = Caller(None, "Zanele", noa.business, Role.LEAD)
    masked = MASKS.who(NOA)
    assert masked.startswith("+999")

    async def look(conn: Conn) -> None:
        listed = await threads.threads(conn, caller, Filter.ALL, "", None, 10)
        assert {one.phone for one in listed} == {masked, MASKS.who(AVI)}
        for ref in (str(noa.id), masked, noa.key):
            found = await threads.thread(conn, caller, ref)
            assert (found.id, found.canonical_key, found.phone) == (noa.id, noa.key, masked)
        assert [one.body for one in await threads.bubbles(conn, caller, noa.id, None, 10)] == ["…"] * 3
        assert len((await templates.board(conn, caller)).templates) == 2
        assert [one.active for one in await automation.listed(conn, caller, datetime.now(UTC))] == [False]
        assert (await leads.statuses(conn, caller.business_id))[1].name == MASKS.named("Aubergine")

    await dev.run("look", look)
    chats = "select 1 from messages m join contact_identities i on i.kind = 'phone' and ltrim(i.value, '+') = m.chat"
    assert len(await rows(fresh_owner_url, chats)) == 1
    linked = "select count(*) from whatsapp_message w join messages m on m.id = w.message_id"
    assert await rows(fresh_owner_url, linked) == [(1,)]


async def test_nothing_in_dev_waits_to_be_answered_or_sent(fresh_owner_url: str) -> None:
    await copy(fresh_owner_url, masks=None)
    found = await whole(fresh_owner_url)
    assert {table for table in NEVER_OF_THE_INBOX if found[table]} == set()
    waits = """select 1 from whatsapp_conversation where inbound <> decided_inbound or assigned_to is not null
        union all select 1 from whatsapp_message where counted and not decided or outgoing_key is not null
        union all select 1 from outbox union all select 1 from automation_rules where active"""
    assert await rows(fresh_owner_url, waits) == []
    assert told(found, "Where is my aubergine?") != {}


WAITS_FOR_US = "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"


async def _blocks(conn: Conn) -> None:
    """Returns once somebody waits for what the transaction holds."""
    while await (await conn.execute(WAITS_FOR_US)).fetchone() is None:
        await asyncio.sleep(0.01)  # a lock that is waited for is seen by looking alone


async def test_a_second_copy_leaves_the_same_rows_whatever_dev_filed_since_or_files_meanwhile(
    once: Once, postgres: Server, fresh_name: str, fresh_owner_url: str, dev: Database
) -> None:
    """What dev makes itself has numbers that production never gives."""
    before = await whole(fresh_owner_url)
    own = await dev.run("own", lambda conn: world.customer(conn, once.noa.business, "+27820000015"))
    assert min(own.id, own.contact_id) > OWN_NUMBERS
    await dev.run("say", lambda conn: world.says(conn, own, "hello"))
    await searching.read_all(dev, own.business.id)
    async with await psycopg.AsyncConnection.connect(postgres.url(DEV, fresh_name)) as filing:
        await filing.execute("set local search_path to dev, extensions")
        await world.says(filing, own, "between two deletions")
        copying = asyncio.create_task(copy(fresh_owner_url))
        await asyncio.wait_for(_blocks(filing), 20)
    await copying
    after = await whole(fresh_owner_url)
    assert {one for one in INBOX_TABLES if before[one] != after[one]} == set()
    await searching.read_all(dev, own.business.id)
    assert await rows(fresh_owner_url, "select count(*) from message_words") == [(3,)]


# A thread under a name that is about to be copied, with something said in it.
IN_THE_WAY = """
insert into dev.contacts (business_id, thread_key) values (1, '{key}');
insert into dev.whatsapp_conversation (business_id, contact_id, canonical_key, customer_number)
    select 1, id, thread_key, 'x' from dev.contacts where id > {own};
insert into dev.whatsapp_message (business_id, conversation_id, to_number, direction, status, source, seq)
    select 1, id, 'x', 'in', 'received', 'customer', 1 from dev.whatsapp_conversation where id > {own}
"""


async def test_a_copy_says_in_plain_words_that_dev_filed_what_is_in_its_way_and_the_next_one_is_whole(
    once: Once, fresh_owner_url: str
) -> None:
    before = await whole(fresh_owner_url)

    def meanwhile(table: str, done: int, total: int) -> None:
        if table == "contacts":
            with psycopg.connect(fresh_owner_url) as conn:
                conn.execute(IN_THE_WAY.format(key=once.noa.key, own=OWN_NUMBERS).encode())

    with pytest.raises(Conflict, match="dev is at work and wrote to what is copied"):
        await environment_copying.copy(fresh_owner_url, Request("dev", SINCE, MASKS), meanwhile)
    await copy(fresh_owner_url)
    after = await whole(fresh_owner_url)
    assert {one for one in INBOX_TABLES if before[one] != after[one]} == set()


FORGET = """
delete from whatsapp_message; delete from whatsapp_conversation; delete from leads; delete from left_phones;
delete from contact_identities; delete from contacts; insert into erasures (business_id, who) values (1, 'x')
"""


async def test_who_was_forgotten_in_production_goes_from_dev_with_the_next_copy(
    once: Once, fresh_owner_url: str
) -> None:
    await rows(fresh_owner_url, FORGET, "public")
    await copy(fresh_owner_url)
    hers = "select business_id from contacts union all select business_id from whatsapp_message"
    assert await rows(fresh_owner_url, hers) == [(once.other.id,)]


async def test_two_businesses_come_each_with_its_own(once: Once, fresh_db: Database, fresh_owner_url: str) -> None:
    await fresh_db.run("furnish", lambda conn: furnished(conn, once.other))
    await copy(fresh_owner_url)
    assert told(await whole(fresh_owner_url), *NEEDLES, LIOR[1:]) == {}
    each = [f"select '{one}', business_id, count(*) from {one} group by 2" for one in INBOX_TABLES]
    counts = f"{' union all '.join(each)} order by 1, 2"
    assert await rows(fresh_owner_url, counts) == await rows(fresh_owner_url, counts, "public")
    phones = f"select business_id from contact_identities where value = '{MASKS.who(NOA)}' order by 1"
    assert len(await rows(fresh_owner_url, phones)) == 2


POINTS_AT = """
select distinct c.conrelid::regclass::text, c.confrelid::regclass::text from pg_constraint c
where c.contype = 'f' and c.confdeltype <> 'c' and c.connamespace = current_schema()::regnamespace
    and c.conrelid <> c.confrelid
"""


async def test_what_is_taken_away_goes_before_what_it_hangs_on(once: Once) -> None:
    order = {table: place for place, table in enumerate(REPLACED)}
    for child, parent in await rows(once.url, POINTS_AT, "public"):
        if parent in order and child != "broadcast_recipients":  # goes with its broadcast
            assert order.get(child, len(order)) < order[parent], (child, parent)
    assert INBOX_TABLES - order.keys() == {
        "lead_changes", "conversation_windows", "conversation_sessions", "conversation_labels", "conversation_notes",
    }, "these go with the thread or lead on which they hang"  # fmt: skip
