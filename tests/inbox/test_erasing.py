"""Forgetting a customer: nothing of theirs is left in the database, others lose nothing, and it is done once."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import psycopg
import pytest

from tallybook.core import audit, channel_accounts, forgotten, jobs, kept_files, people, receive
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid, NotAllowed, NotFound
from tallybook.core.jobs import NewJob
from tallybook.core.messages import Incoming
from tallybook.core.receive import Received
from tallybook.core.spool import Spool
from tallybook.inbox import personal
from tallybook.inbox.service import customers, erasing, exporting, merging, searching, sending, threads
from tallybook.inbox.service.erasing import Places
from tallybook.inbox.store import erasing as store
from tallybook.inbox.store import whole
from tests import world as office
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import BSUID, CUSTOMER, NUMBER, OTHER, body, change, contact, message, text
from tests.channels.whatsapp.test_received import HOOK, SEAL, come, process
from tests.core.worked import rows

PHONE, THEIRS = f"+{CUSTOMER}", f"+{OTHER}"
WORDS = ("aubergine", "Naledi", "Nali the lead", "nali.k", "NALIFILE")
LATER = "27820000005"  # by which she is known too, from a joining
NEEDLES = (CUSTOMER, LATER, BSUID, *WORDS, "wamid.0001", "wamid.0002", "wamid.0003", "wamid.0007")
TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = current_schema() and c.relkind in ('r', 'p') order by 1
"""
NOW = datetime.now(UTC)


@pytest.fixture
def lead(business: Business) -> Caller:
    return Caller(None, "Zanele", business, Role.LEAD)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    damaged = tmp_path / "spool" / "quarantine"
    damaged.mkdir(parents=True)
    (damaged / "a.bad").write_bytes(b"xx" + CUSTOMER.encode() + b"xx")
    (damaged / "b.bad").write_bytes(b"somebody else")
    return Places(tmp_path / "files", tmp_path / "spool", {"whatsapp": HOOK.parse})


def now(number: int, words: str = "an aubergine", **more: Any) -> dict[str, Any]:
    return text(words, number, timestamp=str(int(NOW.timestamp()) + number - 100), **more)


def theirs(number: int, words: str = "I like pears") -> dict[str, Any]:
    return now(number, words, **{"from": OTHER})


def mixed(*items: dict[str, Any]) -> bytes:
    known = [contact(username="nali.k"), {"profile": {"name": "Thabo"}, "wa_id": OTHER}]
    return body(change("messages", *items, contacts=known))


FIRST = mixed(now(1), now(2, "aubergine again"), theirs(101))


async def number_of(db: Database, phone: str = PHONE) -> int:
    ((number,),) = await rows(db, f"select id from whatsapp_conversation where customer_number = '{phone}'")
    return int(number)


@pytest.fixture
async def talk(db: Database, business: Business, lead: Caller, places: Places) -> int:
    """A thread with everything in it: the number of Naledi's thread."""
    new, admin = NewAccount("whatsapp", NUMBER, token="a-token-of-the-tests"), people.command_line(business.id)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, admin, new))
    await come(db, FIRST)
    reaction = message("reaction", 7, reaction={"message_id": "wamid.0101", "emoji": "🍆"})
    edit = message(
        "edit",
        8,
        edit={"original_message_id": "wamid.none", "message": {"type": "text", "text": {"body": "aubergine?"}}},
    )
    await come(db, mixed(reaction), mixed(edit), body(change("statuses", bodies.status("delivered", 3))))
    await come(db, body(change("messages", now(9), number="nobody's", contacts=[contact()])))
    old = mixed(now(11, "an old aubergine") | {"from": LATER, "from_user_id": None})
    await come(
        db, old.replace(BSUID.encode(), b"ZA.other.of.hers").replace(f'"{CUSTOMER}"'.encode(), f'"{LATER}"'.encode())
    )
    thread, other = await number_of(db), await number_of(db, f"+{LATER}")
    await db.run("work", lambda conn: _work(conn, lead, thread, other))
    await searching.read_all(db, business.id)
    sha256 = bytes(range(32))
    kept_files.write(kept_files.path_of(places.files, sha256), b"a picture")
    await db.run("file", lambda conn: _file(conn, thread, sha256))
    return thread


async def _work(conn: Conn, lead: Caller, thread: int, other: int) -> None:
    """What people of ours do with it."""
    await customers.make_lead(conn, lead, thread, "Nali the lead")
    found = [
        (await (await conn.execute("select contact_id from whatsapp_conversation where id = %s", (one,))).fetchone())
        for one in (thread, other)
    ]
    kept, gone = sorted(row[0] for row in found if row)
    await merging.join(conn, lead.business, kept, gone, lead)
    await sending.send_text(conn, lead, thread, "the aubergine is here", "a key")
    note = """insert into conversation_notes (business_id, conversation_id, account_id, author, body, key, written_at)
        values (%s, %s, 1, 'Zanele', 'likes aubergine', 'a note', now())"""
    await conn.execute(note, (lead.business_id, thread))
    told = {"name": "Naledi", "phone": PHONE, "words": "aubergine"}
    await audit.record(conn, lead.business_id, "x", None, "contact.renamed", "contact", str(kept), told, told)
    await audit.record(conn, lead.business_id, "x", None, "elsewhere", "thing", PHONE, {"name": "Naledi"}, {"p": PHONE})
    refused = "insert into constraint_violations (sqlstate, declared, place, existing) values ('1', true, 'x', %s)"
    await conn.execute(refused, (json.dumps({"phone": PHONE, "business_id": lead.business_id}),))


async def _file(conn: Conn, thread: int, sha256: bytes) -> None:
    put = """insert into inbox_files (business_id, message_id, kind, filename, state, sha256, type, size)
        select business_id, id, 'image', 'NALIFILE.jpg', 'kept', %s, 'image/jpeg', 9 from whatsapp_message
        where conversation_id = %s and provider_message_id = 'wamid.0001'"""
    await conn.execute(put, (sha256, thread))


async def mentions(db: Database) -> dict[str, set[str]]:
    """Every table of the database in which anything of hers stands, and what."""
    found: dict[str, set[str]] = {}
    for (table,) in await rows(db, TABLES):
        whole = "\n".join(row[0] for row in await rows(db, f"select to_jsonb(t)::text from {table} t"))
        there = {one for one in NEEDLES if one in whole or one.encode().hex() in whole}
        if there:
            found[table] = there
    return found


async def test_nothing_of_hers_is_left_in_any_table_and_others_lose_nothing(
    db: Database, business: Business, lead: Caller, places: Places, talk: int
) -> None:
    before = await mentions(db)
    assert before.keys() >= {
        "contacts", "contact_identities", "leads", "whatsapp_conversation", "whatsapp_message", "messages", "outbox",
        "deliveries", "audit_log", "contact_merges", "message_reactions", "waiting_changes", "waiting_reports",
        "constraint_violations", "conversation_notes", "inbox_files", "message_words",
    }, "the test would prove nothing"  # fmt: skip
    preview = await db.run("look", lambda conn: erasing.preview(conn, lead, talk))
    assert preview.typed == PHONE
    assert preview.counts["messages"] == 4
    for wrong in ("", THEIRS, "Naledi"):
        with pytest.raises(Invalid):
            await db.run("erase", partial(erasing.erase, caller=lead, conversation_id=talk, typed=wrong, places=places))
    assert await mentions(db) == before, "nothing was done yet"
    number = await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, "082 000 0001", places))
    await erasing.finish(db, places, business.id, number)
    assert await mentions(db) == {}
    assert await rows(db, "select count(*) from deliveries where body <> '' and state = 'done'") == [(0,)]
    assert (preview.aside, await rows(db, ASIDE)) == (1, [(1,)])
    assert await rows(db, "select body from whatsapp_message") == [("I like pears",)]
    assert await rows(db, "select text from messages where kind = 'message'") == [("I like pears",)]
    ((who, after, done),) = await rows(
        db,
        """select a.who, a.after, e.done_at is not null from audit_log a, erasures e
        where a.action = 'contact.forgotten' and a.subject_id = e.id::text""",
    )
    assert (who, done) == ("Zanele", True)
    assert after == preview.counts
    assert [path.name for path in (places.spool / "quarantine").iterdir()] == ["b.bad"]
    assert not kept_files.path_of(places.files, bytes(range(32))).exists()


ASIDE = "select count(*) from deliveries where body <> '' and state = 'parked'"


async def test_what_was_put_aside_is_filed_later_without_her_and_with_all_the_others(
    db: Database, business: Business, lead: Caller, places: Places, talk: int
) -> None:
    mixed_aside = [now(70, "aubergine aside"), theirs(170, "mine stays")]
    await come(db, body(change("messages", *mixed_aside, number="unknown", contacts=[contact()])))
    number = await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, PHONE, places))
    assert await erasing.finish(db, places, business.id, number)
    assert await rows(db, ASIDE) == [(2,)]
    before = await rows(db, "select count(*) from contacts")
    for account in ("unknown", "nobody's"):
        new, admin = NewAccount("whatsapp", account), people.command_line(business.id)
        await db.run("add", lambda conn, new=new, admin=admin: channel_accounts.add(conn, SEAL, admin, new))
    await process(db)
    assert await rows(db, "select body from whatsapp_message where body in ('mine stays', 'aubergine aside')") == [
        ("mine stays",)
    ]
    assert await rows(db, "select count(*) from contacts") == before
    assert await mentions(db) == {}, "and the words of what was replayed are not kept"


async def test_what_lay_in_the_spool_is_filed_without_her_and_with_all_the_others(
    db: Database, business: Business, lead: Caller, places: Places, talk: int
) -> None:
    before = await rows(db, "select count(*) from contacts")
    async with Spool.open(places.spool, 1_000_000) as spool:
        lies = Received("whatsapp", mixed(now(71, "aubergine in the spool"), theirs(171, "mine stays")), NOW)
        await spool.append(msgspec.msgpack.encode(lies))
        number = await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, PHONE, places))
        await receive.replay(db, spool)
    await process(db)
    await erasing.finish(db, places, business.id, number)
    assert await rows(
        db, "select body from whatsapp_message where body in ('mine stays', 'aubergine in the spool')"
    ) == [("mine stays",)]
    assert await mentions(db) == {}
    assert (await rows(db, "select count(*) from contacts"))[0][0] < before[0][0]


async def test_another_business_s_deliveries_keep_their_words(
    db: Database, lead: Caller, places: Places, talk: int
) -> None:
    other = await db.run("other", office.kinneret_tours)
    new, admin = NewAccount("whatsapp", "1065"), people.command_line(other.id)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, admin, new))
    await come(db, body(change("messages", now(80, f"call {NUMBER}"), number="1065", contacts=[contact()])))
    number = await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, PHONE, places))
    await erasing.finish(db, places, lead.business_id, number)
    assert await rows(db, "select count(*) from deliveries where body <> '' and state = 'done'") == [(1,)]


async def test_a_delivery_that_waits_is_waited_for_and_emptied_once_it_is_filed(
    db: Database, business: Business, lead: Caller, places: Places, talk: int
) -> None:
    waits = [Received("whatsapp", mixed(now(90, "aubergine that waits")), datetime.now(UTC))]
    await db.run("store", lambda conn: receive.store(conn, waits))
    number = await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, PHONE, places))
    assert not await erasing.finish(db, places, business.id, number)
    await process(db)
    assert await rows(db, "select body from whatsapp_message where body like 'aubergine%'") != []
    assert await erasing.finish(db, places, business.id, number)
    assert await rows(db, "select count(*) from deliveries where body <> '' and state = 'done'") == [(0,)]


@pytest.mark.parametrize("first", ["asked before", "never asked"])
async def test_who_is_forgotten_while_a_repeat_is_filed_is_not_made_anew(
    db: Database,
    business: Business,
    lead: Caller,
    talk: int,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    places: Places,
) -> None:
    """The repeat has asked who was forgotten; then it is held while another connection forgets her."""
    asked, go_on = asyncio.Event(), asyncio.Event()
    without = forgotten.without

    async def held(conn: Conn, business_id: int, incomings: Sequence[Incoming]) -> Sequence[Incoming]:
        left = await without(conn, business_id, incomings)
        asked.set()
        await go_on.wait()
        return left

    if first == "asked before":
        await db.run("forgot", lambda conn: forgotten.remember(conn, business.id, [b"another"]))
    monkeypatch.setattr(forgotten, "without", held)
    repeat = asyncio.create_task(come(db, FIRST + b"\n"))
    await asked.wait()
    await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, PHONE, places))
    go_on.set()
    await repeat
    assert await rows(db, f"select count(*) from whatsapp_conversation where customer_number = '{PHONE}'") == [(0,)]
    assert await rows(db, "select count(*) from messages where external_id in ('wamid.0001', 'wamid.0002')") == [(0,)]
    assert await rows(db, "select body = '', state from deliveries order by id desc limit 1") == [(True, "done")]


LIVING = "select kind, args from jobs where kind in ('inbox.file', 'of.them', 'inbox.other') order by kind"
SAYING = "select subject_id, before is null and after is null from audit_log where subject like 'x-%' order by subject"


@pytest.mark.parametrize("name", ["file_id", "lead", "Thabo", 'O"Neil \\ sons'])
async def test_whatever_somebody_is_called_only_what_is_theirs_goes(
    db: Database, business: Business, lead: Caller, places: Places, talk: int, name: str
) -> None:
    other = await db.run("other", office.kinneret_tours)
    told = f"called {PHONE} at noon"
    entries: dict[str, dict[str, Any]] = {
        "x-1": {"role": "lead", "channel": "whatsapp"},
        "x-2": {"name": "Thabo", PHONE: "a key", "longer": f"{CUSTOMER}99"},
        "x-3": {"told": [{"deep": told}]},
    }

    async def put(conn: Conn) -> None:
        await conn.execute("update contacts set name = %s, profile_name = %s", (name, name))
        for subject, after in entries.items():
            await audit.record(conn, business.id, "x", None, "elsewhere", subject, "7", None, after)
        wanted = [
            NewJob("inbox.file", "1", {"file_id": 5}, business.id),
            NewJob("of.them", "2", {"to": PHONE}, business.id),
        ]
        await jobs.enqueue(conn, [*wanted, NewJob("inbox.other", "3", {"to": PHONE}, other.id)])
        refused = "insert into constraint_violations (sqlstate, declared, place, existing) values ('2', true, 'x', %s)"
        for kept in ({"business_id": other.id, "phone": PHONE}, {"business_id": business.id, "name": name}):
            await conn.execute(refused, (json.dumps(kept),))

    await db.run("put", put)
    number = await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, PHONE, places))
    await erasing.finish(db, places, business.id, number)
    assert await rows(db, LIVING) == [("inbox.file", {"file_id": 5}), ("inbox.other", {"to": PHONE})]
    assert await rows(db, SAYING) == [("7", False), ("7", False), ("7", True)]
    assert await rows(db, "select count(*) from constraint_violations where existing is not null") == [(2,)]


async def test_a_retried_webhook_brings_nothing_back_and_a_new_message_is_somebody_new(
    db: Database, business: Business, lead: Caller, places: Places, talk: int
) -> None:
    number = await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, PHONE, places))
    await erasing.finish(db, places, business.id, number)
    kept = await rows(db, "select id, body from whatsapp_message order by id")
    late = body(change("statuses", bodies.status("read", 2)))
    await come(db, FIRST, FIRST + b"\n", mixed(now(2, "aubergine again")), late)
    assert await rows(db, "select id, body from whatsapp_message order by id") == kept
    assert "messages" not in await mentions(db)
    await come(db, mixed(now(50, "Hello, I am new here")))
    thread = await number_of(db)
    assert thread != talk
    found = await db.run("look", lambda conn: threads.bubbles(conn, lead, thread, None, 9))
    assert [one.body for one in found] == ["Hello, I am new here"]


async def test_what_was_stopped_in_the_middle_is_begun_where_it_stopped_and_ends_once(
    db: Database, business: Business, lead: Caller, places: Places, talk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "STRETCH", 1)
    number = await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, PHONE, places))
    for _ in range(3):  # as a worker that is killed after each of its transactions
        await db.run("forget", lambda conn: erasing._stretch(conn, business.id, number, places))
    (plan,) = await rows(db, "select plan->>'deliveries' from erasures")
    assert plan == ("3",)
    assert await mentions(db), "there is something left to be done"
    await asyncio.gather(*(erasing.finish(db, places, business.id, number) for _ in range(3)))
    assert await mentions(db) == {}
    assert await rows(db, "select count(*) from audit_log where action = 'contact.forgotten'") == [(1,)]


async def test_two_who_forget_her_at_once_do_it_once_and_while_she_writes_nothing_is_lost(
    db: Database, business: Business, lead: Caller, places: Places, talk: int
) -> None:
    async def forget() -> int | Exception:
        try:
            return await db.run("erase", lambda conn: erasing.erase(conn, lead, talk, PHONE, places))
        except NotFound as error:
            return error

    async def write(count: int) -> None:
        received = [Received("whatsapp", mixed(now(200 + count, f"word {count}")), datetime.now(UTC))]
        await db.run("store", lambda conn: receive.store(conn, received))

    await asyncio.gather(*(write(count) for count in range(10)))
    done = await asyncio.gather(forget(), forget(), come(db))
    assert sum(isinstance(one, int) for one in done) == 1
    (number,) = (one for one in done if isinstance(one, int))
    await erasing.finish(db, places, business.id, number)
    assert await rows(db, "select state from deliveries where state = 'waiting'") == []
    written = {row[0] for row in await rows(db, "select body from whatsapp_message where body like 'word %'")}
    threads_of = await rows(db, f"select count(*) from whatsapp_conversation where customer_number = '{PHONE}'")
    assert threads_of == [(1 if written else 0,)]


async def test_who_may_not_lead_and_who_is_of_another_business_forgets_and_exports_nobody(
    db: Database, business: Business, lead: Caller, places: Places, talk: int
) -> None:
    other = await db.run("other", office.kinneret_tours)
    agent = Caller(1, "Agent", business, Role.AGENT)
    for caller, refusal in ((agent, NotAllowed), (Caller(1, "x", other, Role.ADMIN), NotFound)):
        with pytest.raises(refusal):
            await db.run(
                "erase", partial(erasing.erase, caller=caller, conversation_id=talk, typed=PHONE, places=places)
            )
        with pytest.raises(refusal):
            async with exporting.exported(db, caller, str(talk), places):
                pass
    assert "contacts" in await mentions(db)


async def test_an_export_holds_all_that_forgetting_would_take_and_no_formula(
    db: Database, business: Business, lead: Caller, places: Places, talk: int
) -> None:
    await come(db, mixed(now(60, "=HYPERLINK(1) aubergine")))
    async with Spool.open(places.spool, 1_000_000) as spool:
        lies = Received("whatsapp", mixed(now(61, "aubergine in the spool"), theirs(161)), NOW)
        await spool.append(msgspec.msgpack.encode(lies))
    async with exporting.exported(db, lead, "082 000 0001", places) as path:
        with ZipFile(path) as archive:
            held = {name: archive.read(name) for name in archive.namelist()}
    assert not path.exists()
    assert held.keys() >= {f"{one.name}.json" for one in personal.HOLDINGS if one.name}
    for name, content in held.items():
        if name.endswith(".json"):
            assert isinstance(json.loads(content), list), name
    whole = b"".join(held.values()).decode()
    assert [one for one in NEEDLES if one not in whole and one != "wamid.0007"] == []
    assert "I like pears" not in whole
    raw = json.loads(held["raw.json"])
    assert len(raw) > 5
    assert "aubergine in the spool" in json.dumps(raw[-1]["said"])
    assert {"wamid.0001", "wamid.0002"} <= {one.get("id") for each in raw for one in each["said"]}
    assert THEIRS.removeprefix("+") not in json.dumps(raw)
    lines = list(csv.reader(io.StringIO(held["messages.csv"].decode("utf-8-sig"))))
    assert lines[0][:2] == ["id", "said_at"]
    assert len(lines) == 6
    assert any("'=HYPERLINK(1)" in line[5] for line in lines)
    files = [name for name in held if name.startswith("files/")]
    assert [held[name] for name in files] == [b"a picture"]
    assert files[0].endswith("-NALIFILE.jpg")
    assert [row[0] for row in await rows(db, "select who from audit_log where action = 'contact.exported'")] == [
        "Zanele"
    ]


COLUMNS = """
select distinct c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = current_schema() and c.relkind = 'r'
    and a.attname in ('contact_id', 'conversation_id', 'lead_id', 'kept_id', 'message_id', 'merge_id', 'note_id')
"""
OF_THE_MONITOR = {
    "message_revisions", "drop_photos", "message_files", "qa_submissions", "marketing_posts", "held_posts",
    "invalid_drop_submissions", "monitor_replies", "register_gaps",
}  # fmt: skip


async def test_every_table_that_hangs_on_a_customer_is_among_those_that_are_exported_and_forgotten(
    db: Database,
) -> None:
    known = {one.table for one in personal.HOLDINGS}
    there = {row[0] for row in await rows(db, COLUMNS)}
    assert there - known - OF_THE_MONITOR == set(), "say in inbox/personal.py what becomes of it"
    assert personal.OF_NOBODY.isdisjoint(known)


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("../../etc/passwd", "5-passwd"),
        ("a b.jpg", "5-a b.jpg"),
        ("..", "5"),
        (None, "5"),
        ("C:\\x\\y<z>.pdf", "5-y_z_.pdf"),
    ],
)
def test_a_file_s_name_leads_nowhere_else(filename: str | None, name: str) -> None:
    assert exporting.name_of({"id": 5, "filename": filename}) == name


MANY = """
insert into messages (channel, account, scope, external_id, kind, chat, sender_raw, said_at, text, from_us, deleted,
    content_hash)
select 'whatsapp', '1', '1', 'many.' || n, 'message', 'chat' || n, 'x', now(), '', false, false, '\\x00'
from generate_series(1, 4000) n
"""


async def test_what_was_received_of_them_is_found_by_indexes_however_much_there_is(
    db: Database, business: Business, talk: int, superuser_url: str
) -> None:
    async def plans(conn: Conn) -> list[str]:
        one = await whole.whole(conn, business.id, talk)
        assert one is not None
        core = next(holding for holding in personal.HOLDINGS if holding.table == "messages")
        found = []
        for statement in (core.taken, core.told, store.TOMBSTONES):
            told = await (await conn.execute(f"explain {statement}", one.values)).fetchall()
            found.append("\n".join(row[0] for row in told))
        return found

    await db.run("many", lambda conn: conn.execute(MANY))
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as owner:
        await owner.execute("analyze messages, whatsapp_message")  # as it is where rows have been for a minute
    for plan in await db.run("explain", plans):
        assert "messages_by_chat" in plan, plan
        assert "Seq Scan on messages" not in plan, plan
