"""What channels tell besides messages: nothing of it goes unseen, and trouble is told until somebody has looked."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY

from tallybook.core import alarms, arrivals, channel_accounts, ingest, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.errors import NotAllowed, NotFound
from tallybook.core.health import Check
from tallybook.core.health_words import is_known
from tallybook.inbox import news_rules, rules
from tallybook.inbox.news_rules import News
from tallybook.inbox.service import news
from tallybook.inbox.store import news as store
from tallybook.told_channels import entry_of
from tests import world
from tests.channels.gateway.test_echoes import come as from_gateway
from tests.channels.gateway.test_gateway import body as gateway_body
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import CUSTOMER, NOON, NUMBER, WABA, account_change, body, change, said, text
from tests.channels.whatsapp.test_received import HOOK, SEAL, add, come
from tests.core.worked import rows

MOMENT = datetime(2026, 2, 10, 10, tzinfo=UTC)
FRONT = f"account Front desk (waba:{WABA})"
QUALITY = "phone_number_quality_update"


def boss(business: Business) -> Caller:
    return people.command_line(business.id)


async def named(db: Database, business: Business) -> None:
    await add(db, business)
    await add(db, business, f"waba:{WABA}", label="Front desk")


async def troubles(db: Database, business: Business) -> list[Check]:
    found = await db.run("look", lambda conn: news.checks(conn, business, datetime.now(UTC)))
    return [one for one in found if one.state != "ok"]


async def board(db: Database, business: Business, kind: str | None = None) -> news.Board:
    return await db.run("list", lambda conn: news.board(conn, boss(business), kind))


async def see(db: Database, business: Business, upto: int) -> int:
    return await db.run("see", lambda conn: news.see(conn, boss(business), upto))


def told(field: str, at: int = 0, **value: Any) -> bytes:
    return body(account_change(field, **value), time=NOON + at)


def one(kind: str, told: Any, at: int = 0, number: int = 1, sort: str = "") -> News:
    when = MOMENT + timedelta(seconds=at)
    return News(number, "whatsapp", f"waba:{WABA}", kind, when, when, sort, json.dumps(told))


BANNED = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}


@pytest.mark.parametrize(("kind", "value", "state", "says"), [
    ("account_update", BANNED, "wrong", news_rules.DISABLED),
    ("account_update", BANNED | {"ban_info": {"waba_ban_state": ["DISABLE"]}}, "wrong", news_rules.DISABLED),
    ("account_update", {"event": "DISABLED_UPDATE"}, "wrong", news_rules.DISABLED),
    ("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE"}}, "wrong",
     news_rules.WILL_BE_DISABLED),
    ("account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "X"}]}, "wrong",
     news_rules.RESTRICTED),
    ("account_update", {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "SCAM"}}, "late",
     news_rules.VIOLATION),
    ("account_update", {"event": "ACCOUNT_DELETED"}, "wrong", news_rules.DELETED),
    ("account_update", {"event": "PARTNER_REMOVED"}, "wrong", news_rules.REMOVED),
    ("account_alerts", {"alert_info": {"alert_severity": "CRITICAL", "alert_status": "ACTIVE"}}, "wrong",
     news_rules.WARNED),
    ("account_alerts", {"alert_severity": "WARNING"}, "late", news_rules.WARNED),
    ("account_review_update", {"decision": "REJECTED"}, "wrong", news_rules.REFUSED),
    (QUALITY, {"event": "FLAGGED", "display_phone_number": bodies.OURS}, "late", news_rules.FLAGGED),
    (QUALITY, {"event": "DOWNGRADE", "current_limit": "TIER_250"}, "late", news_rules.DOWNGRADED),
    ("phone_number_name_update", {"decision": "REJECTED"}, "late", news_rules.NAME_REFUSED),
    ("security", {"event": "PIN_CHANGED"}, "late", news_rules.PIN_ASKED),
])  # fmt: skip
def test_what_is_wrong_with_an_account_is_said_in_one_sentence(kind: str, value: Any, state: str, says: str) -> None:
    (found,) = news_rules.standing([one(f"account:{kind}", value)])
    assert (found.account, found.state, found.says, found.since) == (f"waba:{WABA}", state, says, MOMENT)
    assert is_known(says)


@pytest.mark.parametrize(("kind", "value"), [
    ("account_update", {"event": "VERIFIED_ACCOUNT"}), ("account_alerts", {"alert_severity": "INFORMATIONAL"}),
    ("account_review_update", {"decision": "PENDING"}), (QUALITY, {"event": "ONBOARDING"}),
    ("business_capability_update", {"max_phone_numbers_per_business": 20}), ("account_update", {"event": [{}]}),
    ("account_update", 5), ("account_update", None), ("account_alerts", {"alert_info": 7}),
])  # fmt: skip
def test_what_asks_nothing_of_anybody_is_no_trouble(kind: str, value: Any) -> None:
    assert news_rules.standing([one(f"account:{kind}", value)]) == []


@pytest.mark.parametrize(("kind", "wrong", "over"), [
    ("account_update", BANNED, {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}),
    (QUALITY, {"event": "FLAGGED"}, {"event": "UNFLAGGED"}), (QUALITY, {"event": "DOWNGRADE"}, {"event": "UPGRADE"}),
    ("account_alerts", {"alert_severity": "CRITICAL", "alert_type": "A"}, {"alert_status": "NONE", "alert_type": "A"}),
])  # fmt: skip
def test_what_is_over_is_over_in_whatever_order_it_came(kind: str, wrong: Any, over: Any) -> None:
    first, later = one(f"account:{kind}", wrong, 0, 2), one(f"account:{kind}", over, 60, 1)
    assert news_rules.standing([first, later]) == news_rules.standing([later, first]) == []
    again = one(f"account:{kind}", wrong, 120, 3)
    assert len(news_rules.standing([first, again, later])) == 1


def test_one_number_s_recovery_says_nothing_of_another_and_the_gravest_is_told() -> None:
    flagged, other = ({"event": event, "display_phone_number": number}
                      for event, number in (("FLAGGED", bodies.OURS), ("UNFLAGGED", "15555550199")))  # fmt: skip
    some = [one(f"account:{QUALITY}", flagged), one(f"account:{QUALITY}", other, 9)]
    assert [found.says for found in news_rules.standing(some)] == [news_rules.FLAGGED]
    some += [one("account:account_update", BANNED, 20)]
    assert [found.says for found in news_rules.standing(some)] == [news_rules.DISABLED]


def test_of_what_was_told_the_provider_s_fixed_words_alone_are_shown() -> None:
    value = BANNED | {"decision": "Naledi was here", "alert_info": {"alert_type": CUSTOMER}, "code": 131031}
    assert news_rules.words_of(one("account:account_update", value)) == ["DISABLED_UPDATE", "DISABLE", "131031"]
    assert news_rules.words_of(one("connection", {"status": "x"}, sort="logged_out")) == ["logged_out"]
    assert news_rules.words_of(one("connection", {}, sort=CUSTOMER)) == []


async def test_whatever_the_inbox_does_not_act_on_stands_there_by_kind_and_time(
    db: Database, business: Business
) -> None:
    await named(db, business)
    await come(db, bodies.EVERYTHING, body(change("statuses", bodies.status("warning", 77)), change("messages", 5)))
    found = await board(db, business)
    counts = {one.kind: one.items for one in found.kinds}
    assert counts == {
        "account:account_update": 1, "account:message_template_status_update": 1, "contact": 1, "error": 1,
        "history_chunk": 1, "status:warning": 1, "system": 1, "unknown:calls": 1, "unreadable": 1,
    }  # fmt: skip
    there = {kind for (kind,) in await rows(db, "select distinct kind from messages")}
    assert there - set(counts) <= news_rules.HANDLED
    assert [one.id for one in found.items] == sorted((one.id for one in found.items), reverse=True)
    assert len(found.items) == sum(counts.values())
    only = await board(db, business, "unknown:calls")
    assert [one.kind for one in only.items] == ["unknown:calls"]
    assert only.newest is None, "who sees a part has not looked at the rest"
    for private in ("Naledi", CUSTOMER, "Is it open"):
        assert private not in repr(found)
    whole = await db.run("show", lambda conn: news.whole(conn, boss(business), only.items[0].id))
    assert isinstance(whole, dict)
    assert whole["calls"] == [{"id": "wacid.1", "from": CUSTOMER, "event": "connect", "timestamp": str(NOON)}]


def test_what_the_inbox_acts_on_is_what_its_rules_read() -> None:
    read = rules.SAID | {f"{rules.REPORT}{one}" for one in rules.REPORTED} | {"reaction", "edit", "revoke"}
    assert read <= news_rules.HANDLED
    assert {"identity", "preference"} == news_rules.HANDLED - read


ONLY_INDEX = """
update pg_index set indisvalid = false
where indrelid = 'messages'::regclass and indexrelid <> 'messages_news'::regclass
"""


async def test_the_list_is_read_by_its_own_index(db: Database, business: Business, superuser_url: str) -> None:
    """Of an empty table every index costs the same, so the others are not there to be chosen."""
    asked = {"business_id": business.id, "kind": None, "before": 9, "limit": 9, "wanted": [], "kinds": []}
    async with await psycopg.AsyncConnection.connect(superuser_url) as somebody:
        await somebody.execute("set local enable_seqscan = off")
        await somebody.execute(ONLY_INDEX)
        for statement in (store.LATEST, store.KINDS, store.WEIGHTY, store.UNREAD):
            plan = await (await somebody.execute(f"explain {statement}".encode(), asked)).fetchall()
            assert "messages_news" in str(plan)
        await somebody.rollback()


async def test_trouble_is_told_by_health_until_it_is_over_or_somebody_has_looked(
    db: Database, business: Business
) -> None:
    await named(db, business)
    assert await troubles(db, business) == []
    await come(db, told("account_update", **BANNED), said(text()))
    (check,) = await troubles(db, business)
    assert (check.name, check.state, check.says) == (FRONT, "wrong", news_rules.DISABLED)
    await come(db, told("account_update", 60, event="DISABLED_UPDATE", ban_info={"waba_ban_state": "REINSTATE"}))
    assert await troubles(db, business) == []
    # The same ban, told again by a provider's retry of a week, brings nothing back.
    await come(db, told("account_update", **BANNED) + b" ")
    assert await troubles(db, business) == []
    await come(db, told(QUALITY, 90, event="FLAGGED"))
    assert [one.says for one in await troubles(db, business)] == [news_rules.FLAGGED]
    newest = (await board(db, business)).newest
    assert newest is not None
    assert await see(db, business, newest) == 3
    assert await see(db, business, newest) == 0, "twice is once"
    assert await troubles(db, business) == []
    assert await rows(db, "select count(*) from audit_log where action = 'news.seen'") == [(1,)]
    await come(db, told("account_update", 200, **BANNED))
    assert [one.says for one in await troubles(db, business)] == [news_rules.DISABLED], "what came after is told"


async def test_what_cannot_be_read_is_told_counted_and_at_the_terminal_shown(db: Database, business: Business) -> None:
    def counted() -> float:
        labels = {"channel": "whatsapp", "kind": "unreadable"}
        return REGISTRY.get_sample_value("tallybook_inbox_news_total", labels) or 0.0

    await named(db, business)
    before = counted()
    odd = [{"type": "text", "text": {"body": f"without an id {number}"}} for number in range(2)]
    await come(db, said(*odd, text()), said(*odd, text()) + b" ")
    (check,) = await troubles(db, business)
    assert (check.name, check.state, check.says) == ("unreadable", "wrong", "2 things that came cannot be read.")
    assert is_known(check.says)
    assert counted() == before + 2
    found = await board(db, business)
    assert [(one.kind, one.state, one.is_new) for one in found.items] == [("unreadable", "wrong", True)] * 2
    whole = await db.run("show", lambda conn: news.whole(conn, boss(business), found.items[0].id))
    assert whole in odd


async def test_what_is_filed_while_somebody_looks_is_not_said_to_be_looked_at(db: Database, business: Business) -> None:
    """Its number is the smaller one, and it is there only after the look."""
    await named(db, business)
    filed, go_on = asyncio.Event(), asyncio.Event()
    slow = told("account_update", **BANNED)

    async def slowly() -> None:
        async with db.transaction() as conn:
            await ingest.absorb(conn, business, HOOK.parse(slow), entry_of(HOOK).filing.handler)
            filed.set()
            await go_on.wait()

    filing = asyncio.create_task(slowly())
    await filed.wait()
    other = body({"field": "messages", "value": {"metadata": {"phone_number_id": NUMBER}, "messages": [5]}})
    await come(db, other)
    newest = (await board(db, business)).newest
    assert newest is not None
    first, second = await asyncio.gather(see(db, business, newest), see(db, business, newest))
    assert first + second == 1, "two who look at once look once"
    go_on.set()
    await filing
    assert [one.says for one in await troubles(db, business)] == [news_rules.DISABLED]


async def test_another_business_sees_and_looks_at_its_own_alone(db: Database, business: Business) -> None:
    other = await db.run("add business", world.kinneret_tours)
    await named(db, business)
    await come(db, told("account_update", **BANNED))
    ((number,),) = await rows(db, "select id from messages")
    assert (await board(db, other)).items == []
    assert await see(db, other, number) == 0
    with pytest.raises(NotFound):
        await db.run("show", lambda conn: news.whole(conn, boss(other), number))
    assert await db.run("look", lambda conn: news.checks(conn, other, datetime.now(UTC))) == []
    assert len(await troubles(db, business)) == 1
    agent = Caller(None, "an agent", business, Role.AGENT)
    with pytest.raises(NotAllowed):
        await db.run("list", lambda conn: news.board(conn, agent))


async def test_a_gateway_that_is_logged_out_is_wrong_until_it_is_back_whoever_has_looked(
    db: Database, business: Business
) -> None:
    new = NewAccount("gateway", "front-desk", label="Shop")
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, boss(business), new))

    async def connected() -> list[tuple[str, str, str]]:
        checks = await db.run("look", lambda conn: arrivals.checks(conn, business, datetime.now(UTC)))
        told = {one.name for one in alarms.troubles(checks, [])}
        assert told == {check.name for check in checks if check.state != "ok"}
        return [(check.name, check.state, check.says) for check in checks]

    await from_gateway(db, gateway_body({"kind": "connection", "status": "logged_out", "at": NOON, "id": "c1"}))
    await see(db, business, 10)
    name = "gateway Shop (front-desk)"
    assert await connected() == [(name, "wrong", arrivals.LOGGED_OUT)]
    assert [one.words for one in (await board(db, business)).items] == [["logged_out"]]
    assert await troubles(db, business) == [], "it is told once"
    await from_gateway(db, gateway_body({"kind": "connection", "status": "open", "at": NOON + 5, "id": "c2"}))
    assert await connected() == [(name, "ok", arrivals.COMES)]


async def test_what_is_told_late_of_a_connection_changes_nothing_and_a_clock_ahead_holds_nothing_up(
    db: Database, business: Business
) -> None:
    new = NewAccount("gateway", "front-desk")
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, boss(business), new))

    async def told(*some: tuple[str, int | None]) -> str:
        updates = [
            {"kind": "connection", "status": status} | ({"at": at} if at else {"id": f"{status}-{id(some)}"})
            for status, at in some
        ]
        await from_gateway(db, gateway_body(*updates))
        (check,) = await db.run("look", lambda conn: arrivals.checks(conn, business, datetime.now(UTC)))
        return check.state

    assert await told(("open", NOON + 20), ("closed", NOON + 10)) == "ok"
    assert await told(("closed", NOON + 15)) == "ok", "it came late"
    assert await told(("closed", NOON + 30)) == "late"
    assert await told(("open", 4_000_000_000)) == "ok", "its clock is decades ahead"
    assert await told(("logged_out", None)) == "wrong"
