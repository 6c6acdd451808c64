"""The promise: who works on a thread is one truth, labels and notes are put once, and all of it follows its thread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.db import Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.inbox import desk_rules
from tallybook.inbox.desk_types import NOBODY, Owner
from tallybook.inbox.service import assigning, labels, merging, notes, teams, threads
from tallybook.inbox.service.threads import Filter, Narrow, Shown
from tests import world
from tests.core.worked import rows
from tests.inbox.people import NALEDI, THABO, everything, said, write
from tests.world import Someone

GIVEN = "select who, person, team from conversation_assignments order by id"
TOLD = "select action, who, after from audit_log where subject = 'conversation' order by id"


@pytest.fixture
async def bia(db: Database, business: Business) -> Someone:
    return await db.run("add", lambda conn: world.bia(conn, business))


@pytest.fixture
async def duma(db: Database, business: Business) -> Someone:
    changes = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **changes))


@pytest.fixture
async def talks(db: Database, business: Business) -> list[int]:
    """The threads of Naledi and Thabo."""
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    return [row[0] for row in await rows(db, "select id from whatsapp_conversation order by id")]


async def do(db: Database, what: Any, *asked: Any, **more: Any) -> Any:
    """One thing in a transaction of its own."""
    return await db.run("do", lambda conn: what(conn, *asked, **more))


async def shown(db: Database, caller: Caller, only: Filter = Filter.ALL, **narrow: int) -> list[int]:
    asked = Shown(only, Narrow(**narrow))
    found = await do(db, threads.threads, caller, asked, "", None, 50)
    assert await do(db, threads.count, caller, asked, "") == len(found)
    return sorted(one.id for one in found)


async def test_of_two_who_give_a_thread_at_once_the_last_wins_and_both_are_in_the_record(
    db: Database, bia: Someone, duma: Someone, talks: list[int]
) -> None:
    one = talks[0]
    givers = [(bia, Owner(duma.account_id)), (duma, Owner(bia.account_id))]
    await asyncio.gather(*(do(db, assigning.assign, who.caller, one, owner) for who, owner in givers))
    given = await rows(db, GIVEN)
    assert sorted(given) == [(bia.name, duma.name, None), (duma.name, bia.name, None)]
    thread = await do(db, threads.by_number, bia.caller, one)
    last = {bia.name: bia.account_id, duma.name: duma.account_id}[given[-1][1]]
    assert thread.assigned_to == last
    told = await rows(db, TOLD)
    assert [(action, who) for action, who, _ in told] == [("conversation.assigned", row[0]) for row in given]
    assert told[-1][2] == {"person": last, "team": None}


async def test_of_twenty_who_take_a_thread_at_once_one_has_it(
    db: Database, business: Business, talks: list[int]
) -> None:
    changes = [{"login": f"agent{n}", "name": f"Agent {n}", "role": Role.AGENT} for n in range(10)]
    people = [await do(db, world.someone, business, **one) for one in changes]
    took = await asyncio.gather(
        *(do(db, assigning.take, who.caller, talks[0]) for who in people * 2), return_exceptions=True
    )
    (winner,) = {one.assigned_to for one in took if not isinstance(one, BaseException)}
    assert all(isinstance(one, assigning.Taken) for one in took if isinstance(one, BaseException))
    assert sum(isinstance(one, BaseException) for one in took) == 18
    assert await rows(db, "select assigned_to from whatsapp_conversation where assigned_to is not null") == [(winner,)]
    assert len(await rows(db, GIVEN)) == 1


async def test_a_team_s_thread_is_each_member_s_until_one_takes_it(
    db: Database, bia: Someone, duma: Someone, talks: list[int]
) -> None:
    one, other = talks
    team = await do(db, teams.add, bia.caller, "  Sales ", [duma.account_id])
    await do(db, assigning.assign, bia.caller, one, Owner(team=team))
    assert await shown(db, duma.caller, Filter.MINE) == [one]
    assert await shown(db, bia.caller, Filter.MINE) == []
    assert await shown(db, bia.caller, Filter.UNASSIGNED) == [other]
    taken = await do(db, assigning.take, duma.caller, one)
    assert (taken.assigned_to, taken.team_id) == (duma.account_id, team)
    assert await shown(db, duma.caller, Filter.MINE) == [one]
    assert await shown(db, bia.caller, team=team) == await shown(db, bia.caller, Filter.UNREAD, team=team) == [one]
    # Whoever is not of the team takes it out of the team.
    given = await do(db, assigning.assign, duma.caller, one, Owner(bia.account_id))
    assert (given.assigned_to, given.team_id) == (bia.account_id, None)
    await do(db, assigning.assign, bia.caller, one, NOBODY)
    await do(db, assigning.assign, bia.caller, one, NOBODY)
    assert await shown(db, bia.caller, Filter.UNASSIGNED) == [one, other]
    assert [row[1:] for row in await rows(db, GIVEN)] == [
        (None, "Sales"), (duma.name, None), (bia.name, None), (None, None),
    ]  # fmt: skip
    record = await do(db, assigning.history, bia.caller, one)
    assert [(step.person, step.team) for step in record][-1] == (None, None)


async def test_only_who_may_answer_is_given_a_thread_and_only_by_who_may(
    db: Database, ana: Someone, bia: Someone, talks: list[int]
) -> None:
    with pytest.raises(Invalid):
        await do(db, assigning.assign, bia.caller, talks[0], Owner(ana.account_id))
    with pytest.raises(NotAllowed):
        await do(db, assigning.assign, ana.caller, talks[0], Owner(bia.account_id))
    with pytest.raises(Invalid):
        await do(db, assigning.assign, bia.caller, talks[0], Owner(bia.account_id, 1))
    with pytest.raises(NotFound):
        await do(db, assigning.assign, bia.caller, talks[0], Owner(team=99))
    with pytest.raises(NotFound):
        await do(db, assigning.assign, bia.caller, 99, Owner(bia.account_id))


async def test_a_team_that_is_taken_away_leaves_its_threads_to_who_has_them(
    db: Database, bia: Someone, duma: Someone, talks: list[int]
) -> None:
    team = await do(db, teams.add, bia.caller, "Sales", [duma.account_id])
    other = await do(db, teams.add, bia.caller, "Support")
    for name in ("SALES", "sales"):
        with pytest.raises(Conflict):
            await do(db, teams.add, bia.caller, name)
        with pytest.raises(Conflict):
            await do(db, teams.change, bia.caller, other, name, [])
    for one in talks:
        await do(db, assigning.assign, bia.caller, one, Owner(team=team))
    await do(db, assigning.take, duma.caller, talks[0])
    assert (await do(db, teams.one, bia.caller, team)).threads == 2
    await asyncio.gather(
        do(db, teams.remove, bia.caller, team), do(db, assigning.assign, bia.caller, talks[1], Owner(team=other))
    )
    found = {one: await do(db, threads.by_number, bia.caller, one) for one in talks}
    assert (found[talks[0]].assigned_to, found[talks[0]].team_id) == (duma.account_id, None)
    assert found[talks[1]].team_id == other
    with pytest.raises(NotAllowed):
        await do(db, teams.remove, duma.caller, other)


async def test_a_label_is_put_once_however_often_and_found_by(
    db: Database, bia: Someone, duma: Someone, talks: list[int]
) -> None:
    vip = await do(db, labels.add, bia.caller, "VIP", "amber")
    late = await do(db, labels.add, bia.caller, "Late", "red")
    with pytest.raises(Conflict):
        await do(db, labels.add, bia.caller, "vip", "red")
    with pytest.raises(Conflict):
        await do(db, labels.change, bia.caller, late, "Vip", "red")
    changed = await asyncio.gather(*(do(db, labels.put, duma.caller, talks, vip) for _ in range(5)))
    assert sum(changed) == 2
    assert await do(db, labels.put, duma.caller, talks[:1], late) == 1
    assert await shown(db, duma.caller, label=vip) == await shown(db, duma.caller, Filter.UNREAD, label=vip) == talks
    assert await shown(db, duma.caller, Filter.MINE, label=vip) == []
    assert await do(db, labels.put, duma.caller, talks[:1], vip, off=True) == 1
    assert await do(db, labels.put, duma.caller, talks[:1], vip, off=True) == 0
    assert await shown(db, duma.caller, label=vip) == talks[1:]
    # Joined into one, it stands wherever either stood.
    assert await do(db, labels.merge, bia.caller, late, vip) == 1
    assert [(label.name, count) for label, count in await do(db, labels.listed, bia.caller)] == [("VIP", 2)]
    assert await do(db, labels.remove, bia.caller, vip) == 2
    assert await do(db, labels.on, bia.caller, talks) == {}
    with pytest.raises(NotFound):
        await do(db, labels.put, duma.caller, talks, vip)
    with pytest.raises(NotAllowed):
        await do(db, labels.add, duma.caller, "Mine", "blue")


async def test_a_note_is_written_once_changed_by_its_writer_alone_and_seen_by_whom_it_names(
    db: Database, bia: Someone, duma: Someone, talks: list[int]
) -> None:
    one = talks[0]
    same = [do(db, notes.write, duma.caller, one, "Ask @bia, and @nobody. Not a@bia.example", "k1") for _ in range(4)]
    (number,) = {note.id for note in await asyncio.gather(*same)}
    with pytest.raises(Conflict):
        await do(db, notes.write, duma.caller, one, "Something else", "k1")
    (note,) = await do(db, notes.between, bia.caller, one)
    assert note.mentions == [bia.account_id]
    assert await shown(db, bia.caller, Filter.MENTIONS) == [one]
    assert await shown(db, duma.caller, Filter.MENTIONS) == []
    assert await do(db, notes.unseen, bia.caller) == {one}
    await do(db, notes.see, bia.caller, one)
    assert await do(db, notes.unseen, bia.caller) == set()
    with pytest.raises(NotAllowed):
        await do(db, notes.edit, bia.caller, number, "Not mine")
    changed = await do(db, notes.edit, duma.caller, number, "Never mind")
    assert (changed.body, changed.mentions, changed.edited_at is None) == ("Never mind", [], False)
    await do(db, notes.remove, duma.caller, number)
    await do(db, notes.remove, duma.caller, number)
    (gone,) = await do(db, notes.between, bia.caller, one)
    assert (gone.body, gone.removed_at is None) == ("", False)
    told = await rows(db, "select action, before ->> 'body' from audit_log where subject = 'note' order by id")
    assert told == [
        ("note.written", None), ("note.changed", "Ask @bia, and @nobody. Not a@bia.example"),
        ("note.removed", "Never mind"),
    ]  # fmt: skip
    assert await rows(db, "select count(*)::int from outbox") == [(0,)]


async def test_what_hangs_on_a_thread_follows_it_and_goes_back(
    db: Database, business: Business, bia: Someone, duma: Someone, talks: list[int]
) -> None:
    one, other = talks
    vip, late, new = [await do(db, labels.add, bia.caller, name, "blue") for name in ("VIP", "Late", "New")]
    team = await do(db, teams.add, bia.caller, "Sales", [duma.account_id])
    await do(db, labels.put, bia.caller, [one], vip)
    await do(db, labels.put, bia.caller, [other], late)
    await do(db, notes.write, duma.caller, other, "Thabo pays on Fridays, @bia", "k1")
    await do(db, assigning.assign, bia.caller, other, Owner(team=team))
    before = await everything(db)
    merge = await do(db, merging.join, business, 1, 2)
    assert [note.author for note in await do(db, notes.between, bia.caller, one)] == [duma.name]
    assert [label.id for label in (await do(db, labels.on, bia.caller, [one]))[one]] == [late, vip]
    assert (await do(db, threads.by_number, bia.caller, one)).team_id == team
    await do(db, merging.undo, bia.caller, merge)
    assert await everything(db) == before
    # What is hung there since stays with the one who was kept; a team that is gone comes back to nobody.
    merge = await do(db, merging.join, business, 1, 2)
    await do(db, labels.put, bia.caller, [one], new)
    await do(db, labels.put, bia.caller, [one], vip, off=True)
    await do(db, notes.write, duma.caller, one, "Since then", "k2")
    await do(db, teams.remove, bia.caller, team)
    await do(db, merging.undo, bia.caller, merge)
    put = await do(db, labels.on, bia.caller, talks)
    assert {thread: [label.id for label in on] for thread, on in put.items()} == {one: [new], other: [late]}
    assert [note.body for note in await do(db, notes.between, bia.caller, one)] == ["Since then"]
    assert (await do(db, threads.by_number, bia.caller, other)).team_id is None


async def test_nothing_of_another_business_is_within_reach(db: Database, bia: Someone, talks: list[int]) -> None:
    caio = (await db.run("add", world.caio)).caller
    vip = await do(db, labels.add, bia.caller, "VIP", "blue")
    team = await do(db, teams.add, bia.caller, "Sales")
    note = await do(db, notes.write, bia.caller, talks[0], "Ours", "k1")
    tries: list[tuple[Any, ...]] = [
        (assigning.assign, talks[0], NOBODY), (assigning.take, talks[0]), (labels.put, [talks[0]], vip),
        (labels.remove, vip), (labels.change, vip, "x", "red"), (teams.remove, team), (teams.change, team, "x", []),
        (notes.write, talks[0], "x", "k"), (notes.edit, note.id, "x"), (notes.remove, note.id),
    ]  # fmt: skip
    for what, *asked in tries:
        with pytest.raises(NotFound):
            await do(db, what, caio, *asked)
    assert await do(db, labels.listed, caio) == await do(db, teams.listed, caio) == []
    assert await do(db, labels.on, caio, talks) == {}
    assert list(await do(db, notes.between, caio, talks[0])) == []
    assert await shown(db, caio, label=vip) == await shown(db, caio, team=team) == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("@bia look", [2]), ("(@Bia)", [2]), ("@bia. @DUMA!", [2, 3]), ("a@bia", []), ("@bi", []), ("@bia @bia", [2]),
        ("שאלו את @bia", [2]),
    ],
)  # fmt: skip
def test_whom_a_note_names(body: str, named: list[int]) -> None:
    assert desk_rules.mentioned(body, {"bia": 2, "duma": 3}) == named
