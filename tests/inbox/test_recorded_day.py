"""The promise: whatever order, repetition and batching a day's webhooks come in, the inbox ends in one state."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallybook.core import receive
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.receive import Received
from tallybook.inbox.service import automation_firing, sessions
from tests import world
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import BSUID, CUSTOMER, NOON, OTHER, OURS, body, change, contact, message, text
from tests.channels.whatsapp.test_received import add, come, process
from tests.core.worked import rows
from tests.inbox import day_state
from tests.inbox.automated import rule
from tests.inbox.test_filing import by_us

MOVED, NEXT_ID = "27820000003", "ZA.2"
LEFT = 90  # seconds after noon: she is at another phone from then on
LONG_AGO = datetime.fromtimestamp(NOON, UTC) - timedelta(days=30)
AFTER = datetime.fromtimestamp(NOON, UTC) + timedelta(minutes=3)
SILENCE = timedelta(hours=24)
# The same news of WhatsApp's in another post is news again; a refusal counts from when we saw it.
CONSENTS = """with recursive who as (
        select c.id as root, c.id, c.phone from contacts c where c.merged_into is null
        union all select w.root, c.id, w.phone from contacts c join who w on c.merged_into = w.id)
    select distinct w.phone, s.stopped, s.how, case when s.how <> 'refused' then extract(epoch from s.at)::int end
    from contact_consents s join who w on w.id = s.contact_id order by 1, 4, 3"""


def theirs(*some: dict[str, Any]) -> dict[str, Any]:
    """Messages of hers, each with a place and a second of its own."""
    return change("messages", *some, contacts=[contact()])


def at(number: int, one: dict[str, Any], **more: Any) -> dict[str, Any]:
    return one | {"id": f"wamid.{number:04}", "timestamp": str(NOON + number)} | more


def echo(number: int, one: dict[str, Any], **more: Any) -> dict[str, Any]:
    return change("message_echoes", at(number, one, **{"from": OURS, "to": CUSTOMER}, **more))


EVENTS = [
    theirs(text()),
    theirs(text("The second", 2, context={"id": "wamid.0001"})),
    theirs(at(3, bodies.IMAGE)),
    change("messages", text("Another person", 4) | {"from": OTHER}, contacts=[contact(OTHER, None, name="Thabo")]),
    change("message_echoes", by_us("We open at nine", 40, NOON + 5)),
    *(change("statuses", bodies.status(one, 40, NOON + 6)) for one in ("sent", "delivered", "read")),
    theirs(bodies.REACTION),
    theirs(bodies.UNREACTION),
    theirs(bodies.EDIT),
    theirs(message("edit", 17, edit=bodies.EDIT["edit"] | {
        "message": {"type": "text", "text": {"body": "Is it open at all?"}},
    })),
    theirs(message("revoke", 18, revoke={"original_message_id": "wamid.0002"})),
    theirs(text("The last from there", 19)),
    theirs(at(20, bodies.VOICE), at(21, bodies.DOCUMENT), at(22, bodies.STICKER), at(23, bodies.VIDEO)),
    theirs(at(24, bodies.LOCATION), at(25, bodies.CARDS), at(26, bodies.UNSUPPORTED), at(27, bodies.NEWER_TYPE)),
    theirs(at(28, bodies.BUTTON_REPLY), at(29, bodies.LIST_REPLY), at(30, bodies.FORM), at(31, bodies.ORDER)),
    theirs(at(32, bodies.TAPPED)),
    theirs(text("START", 33)),
    theirs(at(34, bodies.FROM_AD)),
    theirs(at(35, bodies.IN_GROUP)),
    change("messages", at(36, bodies.NO_PHONE), contacts=[contact(wa_id=None)]),
    change("messages", at(37, bodies.REACTION, **{"from": OTHER}), contacts=[contact(OTHER, None, name="Thabo")]),
    change("messages", message("revoke", 38, revoke={"original_message_id": "wamid.0001"}) | {"from": OTHER},
           contacts=[contact(OTHER, None, name="Thabo")]),
    echo(41, bodies.IMAGE, context={"id": "wamid.0001"}),
    echo(42, bodies.REACTION, reaction={"message_id": "wamid.0003", "emoji": "🙏"}),
    echo(43, bodies.EDIT, edit={
        "original_message_id": "wamid.0040", "message": {"type": "text", "text": {"body": "We open at ten"}},
    }),
    echo(44, text("Our offer of the week")),
    change("statuses", bodies.status("failed", 44, NOON + 45, errors=[
        {"code": 131050, "title": "Marketing messages stopped", "error_data": {"details": "They want none."}},
    ])),
    change("history", bodies.PAST, field="history"),
    change("messages", message("image", 52, image={"id": "80"}), field="history"),
    change("user_preferences", {
        "wa_id": CUSTOMER, "category": "marketing_messages", "value": "stop", "timestamp": NOON + 60,
    }, field="user_preferences"),
    change("user_id_update", {
        "wa_id": CUSTOMER, "user_id": {"previous": BSUID, "current": NEXT_ID}, "timestamp": str(NOON + 70),
    }, field="user_id_update"),
    change("messages", text("By my other id", 71) | {"from": "", "from_user_id": NEXT_ID},
           contacts=[contact(None, NEXT_ID)]),
    change("messages", message("system", LEFT, system={
        "body": "Naledi changed", "type": "user_changed_number", "wa_id": MOVED,
    })),
    change("messages", text("From my new number", 91) | {"from": MOVED}, contacts=[contact(MOVED, None)]),
    echo(92, text("Is this still your number?")),
    change("statuses", bodies.status("read", 92, NOON + 93)),
    bodies.account_change(
        "message_template_status_update", event="APPROVED", message_template_id=594, reason="NONE",
        message_template_name="offer", message_template_language="en",
    ),
]  # fmt: skip


@pytest.fixture
async def number(db: Database, business: Business) -> str:
    await add(db, business)
    await add(db, business, f"waba:{bodies.WABA}")
    return bodies.NUMBER


@pytest.fixture
async def rules(db: Database, business: Business, number: str) -> None:
    """Two rules of automation, which tell other programs: what they do changes nothing here."""
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    for name, trigger in (("Any", {"on": "any"}), ("Open", {"on": "keyword", "words": ["open", "last"]})):
        await rule(db, bia, trigger, name=name, actions={"webhook": True}, since=LONG_AGO)


async def told(db: Database) -> dict[str, list[Any]]:
    """All that the inbox knows, but for what is its own alone."""
    return await day_state.state(db) | {"consents": await rows(db, CONSENTS)}


def different(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> dict[str, tuple[list[Any], list[Any]]]:
    """What either says of the day that the other does not."""
    found = {name: ([row for row in one[name] if row not in other[name]],
                    [row for row in other[name] if row not in one[name]]) for name in one}  # fmt: skip
    return {name: rows for name, rows in found.items() if any(rows) or len(one[name]) != len(other[name])}


def alone(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a change, each in a change of its own, as another post may tell them."""
    value = event["value"]
    kinds = [kind for kind in ("messages", "message_echoes", "statuses") if len(value.get(kind, ())) > 1]
    return [event | {"value": value | {kind: [one]}} for kind in kinds for one in value[kind]] or [event]


@given(st.randoms(use_true_random=False))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_order_repetition_and_batching_of_a_day_ends_in_one_state(
    db: Database, business: Business, rules: None, chance: random.Random
) -> None:
    await played(db, business, chance)


@pytest.mark.soak
@given(st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_so_do_two_hundred_days(db: Database, business: Business, rules: None, chance: random.Random) -> None:
    await played(db, business, chance)


async def played(db: Database, business: Business, chance: random.Random) -> None:
    """The day once more, by two workers at once: its messages shuffled, split, told again and cut into posts anew."""
    if not (expected := SEEN.get("day")):
        await come(db, *(body(one) for one in EVENTS))
        expected = SEEN["day"] = await evening(db, business)
    told_once = [one for event in EVENTS for one in (alone(event) if chance.random() < 0.5 else [event])]
    some = [*told_once, *chance.choices(EVENTS, k=8)]
    chance.shuffle(some)
    cuts = sorted(chance.sample(range(len(some)), k=5))
    posts = [some[first:last] for first, last in zip([0, *cuts], [*cuts, None], strict=True)]
    waiting: list[bytes] = []
    for place, post in enumerate(posts):
        waiting += [body(*post, time=NOON + place)] if post else []
        if chance.random() < 0.5:  # what lies there is filed together, what comes then after it
            await both_work(db, waiting)
            waiting = []
    await both_work(db, waiting)
    assert different(await evening(db, business), expected) == {}


async def evening(db: Database, business: Business) -> dict[str, list[Any]]:
    """How the day ended: what came for rules and what they made of it, and each conversation with its summary."""
    causes = await day_state.state(db, "automation_causes")
    await automation_firing.fire_due(db, business, AFTER)
    await sessions.end_silent(db, business, SILENCE, datetime.now(UTC))
    over = await told(db)
    await empty(db)
    return over | causes


async def both_work(db: Database, posts: list[bytes]) -> None:
    received = [Received("whatsapp", one, datetime.now(UTC)) for one in posts]
    if received:
        await db.run("store", lambda conn: receive.store(conn, received))
    await asyncio.gather(process(db), process(db))


async def test_the_day_leaves_nothing_waiting_and_each_kind_where_it_belongs(
    db: Database, business: Business, rules: None
) -> None:
    await come(db, *(body(one) for one in EVENTS))
    found = await told(db)
    assert (found["waiting_reports"], len(found["waiting_changes"])) == ([], 1), (
        "what somebody else said of her words waits for words of their own"
    )
    assert len(found["whatsapp_conversation"]) == 3, "hers, another person's, and a group's"
    assert {row[2] for row in found["consents"]} == {"keyword", "preference", "refused"}
    assert [row["language"] for row in found["inbox_templates"]] == ["en"]
    assert ("wamid.0052", "image") in {(row["message_id"], row["kind"]) for row in found["inbox_files"]}, (
        "not what stood for it"
    )
    left = datetime.fromtimestamp(NOON + LEFT, UTC)
    assert await rows(db, "select value, left_at from contact_identities where left_at is not null") == [
        (f"+{CUSTOMER}", left)
    ]
    day = await evening(db, business)
    for table in ("automation_causes", "automation_runs", "conversation_sessions"):
        assert day[table], "it is compared at what is there"


async def test_every_table_and_column_is_compared_or_named_with_the_reason(db: Database) -> None:
    there = await day_state.columns(db)
    assert set(day_state.LEFT_OUT) <= set(there)
    for named in (day_state.DIFFER, day_state.STANDS_FOR):
        for table, some in named.items():
            assert set(some) <= set(there[table]), table
    assert not [table for table, some in day_state.DIFFER.items() if not all(some.values())]


SEEN: dict[str, dict[str, list[Any]]] = {}
TABLES = (
    "automation_causes", "channel_arrivals",
    "deliveries", "message_revisions", "merged_messages", "contact_merges", "messages", "contact_consents",
    "whatsapp_message", "whatsapp_conversation", "contact_identities", "left_phones", "contacts", "message_reactions",
    "waiting_reports", "waiting_changes", "inbox_templates",
)  # fmt: skip


async def empty(db: Database) -> None:
    async with db.transaction() as conn:
        for table in TABLES:
            await conn.execute(f"delete from {table}".encode())
