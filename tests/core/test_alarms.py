"""People are told once when something is wrong for long, and once when it is over: by however many processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from gettext import NullTranslations
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.core import alarm_store, alarms, health
from tallybook.core.alarm_letters import MAIL, WEBHOOK, Desk, Target, Told
from tallybook.core.alarms import Alarm, Refusal, Step, Terms, Trouble
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.health import Check
from tallybook.words import words

NOON = datetime(2025, 12, 2, 12, tzinfo=UTC)
TERMS = Terms(timedelta(minutes=2), timedelta(minutes=10))
WRONG = Trouble("group Lawley", "Quieter than it has been in two weeks.")
VELO = Business(1, "Velo Fibre", "Africa/Johannesburg", "en")
ANA, PAGER = Target(MAIL, "ana@example.org"), Target(WEBHOOK, "pager")


def lived(minutes: list[bool], terms: Terms = TERMS, trouble: Trouble = WRONG) -> list[tuple[int, str]]:
    """What is told, and in which minute, when the cause is there in these minutes."""
    alarm, told = Alarm("group Lawley"), []
    for minute, wrong in enumerate(minutes):
        step = alarms.step(alarm, trouble if wrong else None, NOON + timedelta(minutes=minute), terms)
        if step is not None:
            assert step.alarm.version == alarm.version + 1
            alarm = step.alarm
            if step.tell:
                told.append((minute, step.tell))
    return told


def test_what_lasts_is_told_once_and_its_end_once() -> None:
    assert lived([True] * 30 + [False] * 30) == [(2, "begun"), (40, "ended")]


def test_what_passes_soon_is_not_told() -> None:
    assert lived([True, False, False, False] * 1 + [False] * 20) == []


def test_what_comes_and_goes_is_told_once() -> None:
    assert lived([True, False] * 30 + [False] * 30) == [(4, "begun"), (69, "ended")]


def test_what_is_there_for_nearly_two_minutes_again_and_again_is_told_once() -> None:
    """110 seconds there, 130 seconds gone, in steps of ten."""
    ticks = ([True] * 11 + [False] * 13) * 10 + [False] * 70
    alarm, told = Alarm("bridge"), []
    for tick, wrong in enumerate(ticks):
        at = NOON + timedelta(seconds=10 * tick)
        step = alarms.step(alarm, Trouble("bridge", "") if wrong else None, at, TERMS)
        alarm = step.alarm if step else alarm
        told += [step.tell] if step and step.tell else []
    assert told == ["begun", "ended"]


def test_two_moments_within_the_quiet_are_not_told() -> None:
    assert lived([True] + [False] * 8 + [True] + [False] * 30) == []


def test_what_gets_worse_is_told_again_once_and_its_end_once() -> None:
    says = ["late"] * 4 + ["wrong", "late"] * 4 + [""] * 12
    alarm, told = Alarm("bridge"), []
    for minute, what in enumerate(says):
        trouble = Trouble("bridge", what, is_grave=what == "wrong") if what else None
        step = alarms.step(alarm, trouble, NOON + timedelta(minutes=minute), TERMS)
        alarm = step.alarm if step else alarm
        told += [(minute, step.tell, step.alarm.number, step.alarm.says)] if step and step.tell else []
    assert told == [(2, "begun", 1, "late"), (4, "begun", 2, "wrong"), (22, "ended", 2, "late")]


def test_an_alarm_that_was_told_shows_the_present_sentence() -> None:
    told = Alarm("parked", "told", 1, 3, "1 item is parked.", NOON, NOON)
    step = alarms.step(told, Trouble("parked", "7 items are parked."), NOON + timedelta(hours=1), TERMS)
    assert (step.alarm.says, step.tell, step.alarm.number) == ("7 items are parked.", None, 1)
    assert alarms.step(step.alarm, Trouble("parked", "7 items are parked."), NOON + timedelta(hours=2), TERMS) is None


@pytest.mark.parametrize("wrong", [True, False])
def test_a_clock_that_was_set_back_puts_nothing_off(wrong: bool) -> None:
    ahead = NOON + timedelta(hours=6)
    alarm = Alarm("worker", "seen", seen_at=ahead) if wrong else Alarm("worker", "told", 1, 1, "", NOON, NOON, ahead)
    told = []
    for minute in range(12):
        trouble = Trouble("worker", "") if wrong else None
        step = alarms.step(alarm, trouble, NOON + timedelta(minutes=minute), TERMS)
        alarm = step.alarm if step else alarm
        told += [step.tell] if step and step.tell else []
    assert told == (["begun"] if wrong else ["ended"])


def test_what_comes_back_after_its_end_is_told_again() -> None:
    assert lived([True] * 3 + [False] * 12 + [True] * 3) == [(2, "begun"), (13, "ended"), (17, "begun")]


def test_a_fact_is_told_at_once() -> None:
    assert lived([True], trouble=Trouble("constraints t c", "", at_once=True)) == [(0, "begun")]


@given(st.lists(st.booleans(), max_size=200))
def test_begin_and_end_alternate_whatever_happens(minutes: list[bool]) -> None:
    told = [what for _, what in lived(minutes)]
    assert told == (["begun", "ended"] * len(told))[: len(told)]


@given(st.lists(st.booleans(), max_size=100))
def test_a_cause_that_is_never_away_for_long_is_told_at_most_once(minutes: list[bool]) -> None:
    never_long = [wrong or minute % 5 == 0 for minute, wrong in enumerate(minutes)]
    assert len(lived(never_long)) <= 1


def test_any_check_that_is_late_or_wrong_is_a_cause_and_each_rule_of_the_database_is_one() -> None:
    checks = [
        Check("parked", "wrong", "2 items are parked."), Check("worker", "ok", "Working."),
        Check("sharepoint", "late", "A night is missing."), Check("database", "wrong", "Away."),
        Check("constraints", "wrong", "3 unexpected refusals by the database this week."),
    ]  # fmt: skip
    refusals = [Refusal("drops", "drops_pkey", 1, NOON), Refusal("outbox", "outbox_pkey", 2, NOON)]
    found = alarms.troubles(checks, refusals)
    assert [(one.name, one.at_once) for one in found] == [
        ("parked", False), ("sharepoint", False), ("constraints drops drops_pkey", True),
        ("constraints outbox outbox_pkey", True),
    ]  # fmt: skip


# ── What is written ─────────────────────────────────────────────────────────────────────────────────────────────────


def written(says: str, locale: str = "en", event: str = "begun", name: str = "group Lawley") -> dict[str, str]:
    desk = Desk(msgspec.structs.replace(VELO, locale=locale), words(locale), [ANA, PAGER], "https://t.example/alarms")
    mail, _ = desk.written(Told(event, name, says, NOON, NOON + timedelta(hours=1)), "k:")
    return mail.body


def test_an_e_mail_says_what_it_is_and_since_when_by_the_business_s_clock() -> None:
    mail = written(WRONG.says)
    assert mail["subject"] == "Alarm: Group Lawley (Velo Fibre)"
    assert mail["text"] == (
        "Group Lawley\n\nQuieter than it has been in two weeks.\nSince 2025-12-02 14:00 (Africa/Johannesburg).\n\n"
        "You are told once, and once more when it is over.\n\nhttps://t.example/alarms\n"
    )
    assert "from 2025-12-02 14:00 to 2025-12-02 15:00" in written("", event="ended")["text"]


def test_an_e_mail_is_in_the_business_s_language() -> None:
    for event in ("begun", "ended", "test"):
        mail = written(WRONG.says, "he", event)
        english = [line for line in mail["text"].splitlines() if line and line.isascii() and "https" not in line]
        assert english == [], event
        assert not mail["subject"].isascii()


@pytest.mark.parametrize(
    "says", ["The file /srv/store/messages.db is locked.", "27820000001 wrote DR1752104", "3 done by +27820000001"]
)
def test_a_sentence_that_may_quote_something_stays_on_the_page(says: str) -> None:
    mail, hook = Desk(VELO, NullTranslations(), [ANA, PAGER], "").written(Told("begun", "bridge", says, NOON), "k:")
    assert "The page says more." in str(mail.body["text"])
    assert says not in str(mail.body) + str(hook.body)


def test_braces_in_a_name_are_no_places() -> None:
    assert "{zone}" not in written(WRONG.says, name="group {zone}")["text"]


# ── In the database ─────────────────────────────────────────────────────────────────────────────────────────────────

AT_ONCE = """
import asyncio, sys
from datetime import timedelta
from tallybook.core import alarm_store, alarms
from tallybook.core.alarm_letters import MAIL, WEBHOOK, Desk, Target
from tallybook.core.alarms import Terms, Trouble
from tallybook.core.businesses import find
from tallybook.core.db import open_database
from tallybook.words import words

async def main():
    wrong = [Trouble(f"group {n}", "Empty.", at_once=True) for n in range(20)]
    terms = Terms(quiet=timedelta(seconds=0.05))
    async with open_database(sys.argv[1], "prod", size=2) as db:
        business = await db.run("find", lambda conn: find(conn, None))
        desk = Desk(business, words("en"), [Target(MAIL, "ana@example.org"), Target(WEBHOOK, "pager")], "")

        async def judge(found):
            async def read(conn):
                known = await alarm_store.alarms(conn, business.id)
                return alarms.steps(known, found, await alarm_store.now(conn), terms)
            for step in await db.run("judge", read):
                await db.run("take", lambda conn: alarm_store.take(conn, business.id, step, desk.letters))

        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(3):
            await judge(wrong)
        print("begun", flush=True)
        sys.stdin.readline()
        for _ in range(10):
            await judge([])
            await asyncio.sleep(0.02)  # the other process has its turns between these

asyncio.run(main())
"""
KEYS = "select dedup_key, channel from outbox order by 1, 2"


async def test_eight_processes_that_judge_at_once_tell_everybody_once(
    db: Database, database_url: str, business: Business
) -> None:
    command = [sys.executable, "-c", AT_ONCE, database_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [await asyncio.create_subprocess_exec(*command, **pipes) for _ in range(8)]
    for said in (b"ready\n", b"begun\n"):
        for process in processes:
            assert await process.stdout.readline() == said
        for process in processes:
            process.stdin.write(b"\n")
    assert [await process.wait() for process in processes] == [0] * 8
    for process in processes:
        process._transport.close()
    async with db.transaction() as conn:
        keys = await (await conn.execute(KEYS)).fetchall()
        episodes = await alarm_store.history(conn, business.id, 100)
    expected = {
        (f"alarm:group {n}:1:{what}:{target.to}", target.channel)
        for n in range(20) for what in ("begun", "ended") for target in (ANA, PAGER)
    }  # fmt: skip
    assert len(keys) == len(expected)
    assert set(keys) == expected
    assert len(episodes) == 20
    assert all(episode.ended_at is not None for episode in episodes)


async def test_a_step_that_somebody_else_took_changes_and_tells_nothing(db: Database, business: Business) -> None:
    desk = Desk(business, NullTranslations(), [ANA], "")
    first = alarms.step(Alarm("parked"), Trouble("parked", "Empty.", at_once=True), NOON, TERMS)
    late = Step(msgspec.structs.replace(first.alarm, says="Somebody else's."), "begun", NOON)
    assert await db.run("take", lambda conn: alarm_store.take(conn, business.id, first, desk.letters))
    assert not await db.run("take", lambda conn: alarm_store.take(conn, business.id, late, desk.letters))
    async with db.transaction() as conn:
        (alarm,) = await alarm_store.alarms(conn, business.id)
        (told,) = await alarm_store.told(conn, business.id, ["alarm:parked:1:"], [MAIL])
    assert (alarm.says, alarm.state, told.recipient) == ("Empty.", "told", ANA.to)


async def test_a_message_and_its_step_are_kept_together_or_not_at_all(db: Database, business: Business) -> None:
    step = alarms.step(Alarm("parked"), Trouble("parked", "Empty.", at_once=True), NOON, TERMS)

    def broken(_: Step) -> list[object]:
        raise KeyError("a fault between the step and its messages")

    with pytest.raises(KeyError):
        await db.run("take", lambda conn: alarm_store.take(conn, business.id, step, broken))
    async with db.transaction() as conn:
        assert await alarm_store.alarms(conn, business.id) == []
        assert await alarm_store.history(conn, business.id, 10) == []


async def test_an_outage_that_was_told_directly_is_in_the_history_once(db: Database, business: Business) -> None:
    over = alarm_store.Episode("database", 0, "Away.", NOON, NOON, NOON + timedelta(minutes=9))
    days = {"begun_at": 1, "told_at": 1, "ended_at": 2}
    again = msgspec.structs.replace(over, **{name: NOON + timedelta(days=n) for name, n in days.items()})
    for episode in (over, over, again):
        await db.run("keep", lambda conn, episode=episode: alarm_store.outage(conn, business.id, episode))
    async with db.transaction() as conn:
        assert [one.number for one in await alarm_store.history(conn, business.id, 10)] == [2, 1]


async def test_refusals_are_counted_by_rule_for_a_week_as_health_counts_them(db: Database, business: Business) -> None:
    async with db.transaction() as conn:
        for at in ("now()", "now() - interval '2 days'", "now() - interval '8 days'"):
            await conn.execute(
                f"""insert into constraint_violations (at, sqlstate, table_name, constraint_name, declared, place)
                values ({at}, '23505', 'drops', 'drops_pkey', true, 'a test')""".encode()
            )
        (found,) = await alarm_store.refusals(conn)
        ((backlog,), _) = await health.gather(conn, datetime.now(UTC), None)
    assert (found.table, found.constraint, found.count) == ("drops", "drops_pkey", 2)
    assert health.judge_violations(backlog).says == "2 unexpected refusals by the database this week."


def test_a_test_has_a_key_of_its_own_each_time() -> None:
    desk = Desk(VELO, NullTranslations(), [ANA, PAGER], "")
    assert len({letter.dedup_key for _ in range(2) for letter in desk.tests(uuid4())}) == 4
