"""Requests and exchanges: one approved for each time, one that waits for it, and nobody's history is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import psycopg
import pytest

from tallybook.core import migrate
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.triage.rules_overrides import Asked, Part, State
from tallybook.triage.service import members, overrides, rosters, sprints
from tallybook.triage.service.doing import Actor
from tallybook.triage.store import overrides as store
from tests.triage.facts import ANA, BEN, CHEN, DINA
from tests.triage.rooms import LEADS, be_told, said
from tests.triage.rota import NOW, SECOND, SPRINTS, Web

DAY = timedelta(days=1)
MIDDLE = SECOND.starts_at + 3 * DAY
APPROVED = "select id, approved_by, replacement_slack_id from overrides where approved order by id"
AUDIT = "select action, who from audit_log where subject = 'override' order by id"


async def approve(web: Web, number: int, by: Actor | None = None, now: object = NOW) -> object:
    return await web.run(lambda conn: overrides.approve(conn, by or web.lead, number, now))


async def exchange(web: Web) -> tuple[Asked, Asked]:
    """Ben asks that he and Chen exchange the second and the third sprint."""
    third = SPRINTS[2]
    parts = (
        Part("uiEng", CHEN, SECOND.starts_at, SECOND.ends_at),
        Part("uiEng", BEN, third.starts_at, third.ends_at),
    )
    return await web.run(lambda conn: overrides.request_swap(conn, web.somebody(BEN), web.team, parts, NOW, key="s1"))


async def test_a_request_changes_nothing_until_somebody_who_may_approves_it(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    assert (asked.state, asked.instead_of, asked.whole) == (State.PENDING, BEN, True)
    assert await web.on_duty(MIDDLE) == BEN
    with pytest.raises(NotAllowed):
        await approve(web, asked.id, web.somebody(DINA))
    await approve(web, asked.id)
    assert await web.on_duty(MIDDLE) == DINA
    assert await web.rows(AUDIT) == [("override.requested", "Ben"), ("override.approved", "Lena")]


async def test_of_32_approvals_at_once_one_wins_and_tells_the_others_who_it_was(web: Web) -> None:
    one = await web.ask(web.somebody(BEN), DINA, "k1")
    leads = [Actor(web.lead.business_id, f"Lead {number}", leads=True) for number in range(32)]
    results = await asyncio.gather(*(approve(web, one.id, lead) for lead in leads), return_exceptions=True)
    won = [lead.name for lead, result in zip(leads, results, strict=True) if not isinstance(result, Exception)]
    lost = [result for result in results if isinstance(result, Exception)]
    assert len(won) == 1
    assert len(lost) == 31
    for error in lost:
        assert isinstance(error, Conflict)
        assert error.details["decided_by"] == won[0]
        assert won[0] in error.message
    assert [row[1] for row in await web.rows(APPROVED)] == won


async def test_what_is_asked_for_over_an_approved_one_is_approved_once_that_is_taken_away(web: Web) -> None:
    one = await web.ask(web.somebody(BEN), DINA, "k1")
    await approve(web, one.id)
    other = await web.ask(web.somebody(CHEN), CHEN, "k2", (MIDDLE, SECOND.ends_at))
    with pytest.raises(Conflict, match="Lena has approved another one") as refused:
        await approve(web, other.id)
    assert refused.value.details["override"] == one.id
    await web.run(lambda conn: overrides.withdraw(conn, web.lead, one.id, NOW))
    again = await web.run(lambda conn: overrides.decline(conn, web.lead, other.id, NOW))
    assert again[0].state is State.DECLINED


async def test_the_database_itself_refuses_a_second_approved_one(web: Web) -> None:
    """Whatever the service gets wrong, and whoever writes by hand."""
    one = await web.ask(web.somebody(BEN), DINA, "k1")
    await approve(web, one.id)
    other = await web.ask(web.somebody(CHEN), CHEN, "k2")
    by_hand = f"update overrides set state = 'approved', approved = true where id = {other.id} returning id"
    with pytest.raises(Conflict):
        await web.rows(by_hand)
    assert len(await web.rows(APPROVED)) == 1


async def test_of_five_who_ask_for_one_time_one_waits_and_the_others_are_told_who_asked(web: Web) -> None:
    """Whose turn it is, three who offer, and who leads."""
    asking = {BEN: DINA, DINA: DINA, CHEN: CHEN, ANA: ANA}
    askers = [(web.somebody(who), person) for who, person in asking.items()] + [(web.lead, CHEN)]
    results = await asyncio.gather(
        *(web.ask(asker, person, f"k {asker.key}") for asker, person in askers), return_exceptions=True
    )
    (first,) = [one for one in results if not isinstance(one, BaseException)]
    (name,) = [asker.name for asker, _ in askers if asker.key == first.requested_by]
    said_no = [one for one in results if isinstance(one, BaseException)]
    assert len(said_no) == 4
    for error in said_no:
        assert isinstance(error, Conflict)
        assert error.message.endswith(f"{name} has asked for this time already, and it waits for a decision.")
        assert error.details["override"] == first.id
    assert await web.rows("select state from overrides") == [("pending",)]
    part = (SECOND.ends_at - DAY, SECOND.ends_at)
    with pytest.raises(Conflict, match="asked for this time already"):
        await web.ask(web.lead, ANA, "a part of it", part)
    await web.run(lambda conn: overrides.decline(conn, web.lead, first.id, NOW))
    assert (await web.ask(web.lead, ANA, "a part of it", part)).state is State.PENDING


BY_HAND = """
insert into overrides (business_id, team_id, role, original_slack_id, replacement_slack_id, requested_by, starts_at,
    ends_at, key)
select business_id, team_id, role, original_slack_id, original_slack_id, 'by hand', ends_at - interval '1 hour',
    ends_at + interval '1 hour', 'by hand ' || id
from overrides where key = 'k1' returning id
"""


# An exchange of which one half lies over Ben's request, and a request that lies over the other half alone.
OLDER = """
insert into overrides (business_id, team_id, role, replacement_slack_id, requested_by, starts_at, ends_at, key)
select business_id, team_id, role, original_slack_id, 'UANA', starts_at + days, ends_at + days, key_of
from overrides, (values ('one', interval '13 days'), ('other', interval '56 days'), ('alone', interval '60 days'))
    as v (key_of, days) where key = 'k1' order by days;
update overrides set swap_id = (select id from overrides where key = 'one') where key in ('one', 'other')
"""


async def test_the_database_itself_refuses_a_second_that_waits_for_a_part_of_the_time_whoever_asks(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    with pytest.raises(Conflict):
        await web.rows(BY_HAND)
    await web.run(lambda conn: overrides.decline(conn, web.lead, asked.id, NOW))
    assert len(await web.rows(BY_HAND)) == 1


async def test_of_several_that_waited_for_one_time_before_the_rule_the_first_stays_and_the_rest_says_why(
    web: Web, superuser_url: str
) -> None:
    await web.ask(web.somebody(BEN), DINA, "k1")
    mend = (migrate.FOLDER / "0042_pre_triage_slots.sql").read_text().partition("alter table")[0]
    async with await psycopg.AsyncConnection.connect(superuser_url) as owner:
        await owner.execute("alter table overrides drop constraint overrides_pending_apart")
        await owner.execute(OLDER)
        await owner.execute(mend.encode())
        became = await (await owner.execute("select key, state, note from overrides order by id")).fetchall()
        record = await (await owner.execute(AUDIT)).fetchall()
        await owner.rollback()
    gone = ("withdrawn", "Somebody had asked for this time before.")
    assert became == [("k1", "pending", ""), ("one", *gone), ("other", *gone), ("alone", "pending", "")]
    assert record == [("override.requested", "Ben"), *[("override.withdrawn", "tallybook")] * 2]


async def test_an_asker_has_one_request_waiting_for_a_time_and_may_ask_again_once_it_is_declined(web: Web) -> None:
    ben = web.somebody(BEN)
    results = await asyncio.gather(*(web.ask(ben, DINA, f"k{number}") for number in range(8)), return_exceptions=True)
    first = [one for one in results if not isinstance(one, BaseException)]
    assert len(first) == 1
    assert all(isinstance(one, Conflict) for one in results if isinstance(one, BaseException))
    await web.run(lambda conn: overrides.decline(conn, web.lead, first[0].id, NOW, note="no"))
    again = await web.ask(ben, CHEN, "again")
    assert (again.state, again.person) == (State.PENDING, CHEN)
    assert await web.rows("select state, approved from overrides order by id") == [
        ("declined", False), ("pending", False),
    ]  # fmt: skip


async def test_a_request_told_four_times_is_one(web: Web) -> None:
    results = await asyncio.gather(*(web.ask(web.somebody(BEN), DINA, "k1") for _ in range(4)))
    assert len({one.id for one in results}) == 1
    assert await web.rows("select count(*) from overrides") == [(1,)]


async def test_only_whose_turn_it_is_or_who_offers_may_ask_and_who_leads_on_their_behalf(web: Web) -> None:
    with pytest.raises(NotAllowed):
        await web.ask(web.somebody(ANA), DINA, "k1")
    offered = await web.ask(web.somebody(DINA), DINA, "k2")
    assert offered.requested_by == DINA
    on_behalf = await web.ask(web.lead, BEN, "k3", (SPRINTS[2].starts_at, SPRINTS[2].ends_at))
    assert (on_behalf.instead_of, on_behalf.requested_by) == (CHEN, "by Lena")


@pytest.mark.parametrize(
    ("person", "since", "until"),
    [
        (BEN, SECOND.starts_at, SECOND.ends_at),  # has it anyway
        (DINA, SECOND.starts_at, SECOND.ends_at + DAY),  # goes on into Chen's
        (DINA, NOW - 3 * DAY, NOW - DAY),  # is over
        ("UNOBODY", SECOND.starts_at, SECOND.ends_at),
    ],
)
async def test_what_makes_no_sense_is_refused(web: Web, person: str, since: object, until: object) -> None:
    with pytest.raises(Invalid):
        await web.ask(web.lead, person, "k", (since, until))
    assert await web.rows("select count(*) from overrides") == [(0,)]


async def test_a_part_of_a_turn_may_be_given_and_an_approved_one_is_cut_when_it_is_taken_away(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1", (MIDDLE, MIDDLE + 2 * DAY))
    await approve(web, asked.id)
    assert [await web.on_duty(MIDDLE + part * DAY) for part in (-1, 0, 1, 2)] == [BEN, DINA, DINA, BEN]
    (left,) = await web.run(lambda conn: overrides.withdraw(conn, web.lead, asked.id, MIDDLE + DAY))
    assert (left.state, left.ends_at) == (State.APPROVED, MIDDLE + DAY)
    assert [await web.on_duty(MIDDLE + part * DAY) for part in (0, 1)] == [DINA, BEN]


async def test_one_approved_while_the_turn_runs_counts_from_then_on(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    await approve(web, asked.id, now=MIDDLE)
    assert await web.on_duty(MIDDLE - timedelta(seconds=1)) == BEN
    assert await web.on_duty(MIDDLE) == DINA


async def test_one_whose_time_is_over_expires_and_cannot_be_approved(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    with pytest.raises(Conflict):
        await approve(web, asked.id, now=SECOND.ends_at)
    ended = await web.run(lambda conn: overrides.expire(conn, web.lead.business_id, SECOND.ends_at))
    assert [one.id for one in ended] == [asked.id]
    assert await web.run(lambda conn: overrides.expire(conn, web.lead.business_id, SECOND.ends_at)) == []
    with pytest.raises(Conflict, match="over"):
        await approve(web, asked.id)
    with pytest.raises(NotFound):
        await approve(web, 99)


async def test_an_asker_takes_their_request_back_and_nobody_else_s(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    with pytest.raises(NotAllowed):
        await web.run(lambda conn: overrides.withdraw(conn, web.somebody(DINA), asked.id, NOW))
    await web.run(lambda conn: overrides.withdraw(conn, web.somebody(BEN), asked.id, NOW))
    with pytest.raises(Conflict, match="withdrawn"):
        await approve(web, asked.id)


async def test_two_exchange_their_turns_together_or_not_at_all(web: Web) -> None:
    one, other = await exchange(web)
    assert one.swap == other.swap == one.id
    await approve(web, other.id)
    assert [await web.on_duty(sprint.starts_at) for sprint in SPRINTS[1:3]] == [CHEN, BEN]
    await web.run(lambda conn: overrides.withdraw(conn, web.lead, one.id, NOW))
    assert [await web.on_duty(sprint.starts_at) for sprint in SPRINTS[1:3]] == [BEN, CHEN]


async def test_an_exchange_of_which_one_turn_is_over_expires_whole_and_is_told_once(web: Web) -> None:
    await be_told(web)
    one, other = await exchange(web)
    ended = await asyncio.gather(
        *(web.run(lambda conn: overrides.expire(conn, web.lead.business_id, SECOND.ends_at)) for _ in range(4))
    )
    assert [[half.id for half in found] for found in ended if found] == [[one.id, other.id]]
    assert await web.rows("select state from overrides") == [("expired",)] * 2
    assert await said(web) == [("request", LEADS), ("decided", LEADS), ("outcome", BEN)]


async def test_half_an_exchange_is_never_approved(web: Web) -> None:
    """Though the other half expires between the look at both and the decision."""
    one, other = await exchange(web)
    await web.rows(f"update overrides set state = 'expired' where id = {one.id} returning id")
    assert not await web.run(lambda conn: store.approve(conn, web.lead.business_id, [one.id, other.id], "Lena", NOW))
    assert await web.rows("select state from overrides order by id") == [("expired",), ("pending",)]


async def test_one_asked_for_when_the_rota_was_otherwise_is_not_approved_blindly(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    plan = rosters.Plan("uiEng", (CHEN, ANA), NOW, in_order=True)
    await web.run(lambda conn: rosters.apply(conn, web.lead, web.team, plan, NOW, reason="Ben moves on"))
    with pytest.raises(Conflict, match="somebody else"):
        await approve(web, asked.id)
    await web.run(lambda conn: overrides.decline(conn, web.lead, asked.id, NOW))
    other = await web.ask(web.somebody(ANA), DINA, "k2")
    await web.run(lambda conn: members.leave(conn, web.lead, web.team, None, DINA, NOW, now=NOW))
    with pytest.raises(Conflict, match="belong"):
        await approve(web, other.id)


async def test_an_override_of_all_of_a_sprint_moves_with_it_and_goes_with_it(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    await approve(web, asked.id)
    third = SPRINTS[2]
    await web.run(lambda conn: sprints.remove(conn, web.lead, web.team, third.id, NOW, reason="merged"))
    days = (SECOND.first_day, third.last_day)
    looked = await web.run(lambda conn: sprints.preview(conn, web.lead, web.team, SECOND.id, "Sp2", days, NOW))
    done = await web.run(
        lambda conn: sprints.change(conn, web.lead, web.team, SECOND.id, "Sp2", days, NOW, reason="longer")
    )
    assert looked == done
    assert {change.becomes.person for change in done.changes if change.starts_at < third.ends_at} == {DINA}
    assert done.moved == 1
    ((before, after),) = await web.rows("select before, after from audit_log where action = 'override.moved'")
    assert {name for name in after if after[name] != before.get(name)} == {"ends_at", "reason"}
    assert (after["ends_at"], after["person"]) == (third.ends_at.strftime("%Y-%m-%dT%H:%M:%SZ"), DINA)
    named = partial(sprints.change, reason="a name", name="Both", days=days, now=NOW)
    assert (await web.run(lambda conn: named(conn, web.lead, web.team, SECOND.id))).moved == 0
    assert len(await web.rows("select from audit_log where action = 'override.moved'")) == 1, "a name moves nothing"
    assert await web.on_duty(third.ends_at - DAY) == DINA
    gone = await web.run(lambda conn: sprints.remove(conn, web.lead, web.team, SECOND.id, NOW, reason="not this one"))
    assert gone.dropped == [asked.id]


async def test_a_sprint_that_is_taken_away_takes_whole_exchanges_and_whoever_is_concerned_is_told(web: Web) -> None:
    await be_told(web)
    one, other = await exchange(web)
    await approve(web, one.id)
    third = SPRINTS[2]
    waits = await web.ask(web.somebody(DINA), DINA, "k1", (third.starts_at, third.starts_at + DAY))
    before = len(await said(web))
    looked = await web.run(lambda conn: sprints.preview_removal(conn, web.lead, web.team, third.id, NOW))
    assert sorted(looked.dropped) == [one.id, other.id]
    gone = await web.run(lambda conn: sprints.remove(conn, web.lead, web.team, third.id, NOW, reason="not this one"))
    assert sorted(gone.dropped) == [one.id, other.id, waits.id]
    assert looked.changes == gone.changes
    assert await web.on_duty(SECOND.starts_at) == BEN, "he gave it for a turn that is no more"
    assert await web.rows("select state, decided_by, note from overrides") == [
        ("withdrawn", "Lena", "The sprint was taken away.")
    ] * 3  # fmt: skip
    assert sorted((await said(web))[before:]) == [
        ("decided", LEADS), ("decided", LEADS), ("outcome", BEN), ("outcome", CHEN), ("outcome", DINA),
    ]  # fmt: skip
    assert await web.rows("select count(*) from audit_log where action = 'override.withdrawn'") == [(3,)]


async def test_an_approval_whose_connection_dies_before_its_end_is_made_once(web: Web) -> None:
    asked = await web.ask(web.somebody(BEN), DINA, "k1")
    tries: list[int] = []

    async def work(conn: Conn) -> object:
        found = await overrides.approve(conn, web.lead, asked.id, NOW)
        tries.append(1)
        if len(tries) == 1:
            await conn.execute("select pg_terminate_backend(pg_backend_pid())")
        return found

    await web.run(work)
    assert len(tries) == 2
    assert [row[0] for row in await web.rows(AUDIT)] == ["override.requested", "override.approved"]
    assert len(await web.rows(APPROVED)) == 1
