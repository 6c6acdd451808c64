"""A user group and a topic show who is on duty: never nobody, never over what somebody else wrote, and put right."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tallybook.core.businesses import Business
from tallybook.core.errors import Conflict, Invalid, NotAllowed
from tallybook.core.health import Check
from tallybook.triage.service import consistency, manners
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import looks
from tallybook.triage.types import Manner
from tests.triage.facts import ANA, BEN, CHEN, DINA
from tests.triage.rooms import CHANNEL, GROUP, TOLD, Workspace, be_told, look, second_team, send, shown
from tests.triage.rota import SECOND, SPRINTS, Web

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIRST, LAST = SPRINTS[0], SPRINTS[-1]


async def checked(web: Web, workspace: Workspace, now: datetime) -> None:
    await consistency.check(web.db, Schedules(), workspace, now)


async def health(web: Web, business: Business, now: datetime) -> dict[str, Check]:
    return {one.name: one for one in await web.run(lambda conn: consistency.checks(conn, business, now))}


async def test_a_group_has_whoever_is_on_duty_in_any_team_of_it_also_when_two_move_at_once(web: Web) -> None:
    workspace = Workspace()
    await be_told(web)
    await second_team(web)
    await look(web, FIRST.starts_at + HOUR, workers=4)
    await send(web, workspace)
    assert workspace.groups == {GROUP: [ANA, DINA]}
    await look(web, SECOND.starts_at, workers=4)
    await send(web, workspace)
    assert workspace.groups == {GROUP: [BEN, DINA]}


async def test_a_group_is_never_emptied_and_health_says_that_it_keeps_who_was_in_it(
    web: Web, business: Business
) -> None:
    workspace = Workspace()
    await be_told(web)
    await look(web, LAST.starts_at)
    await send(web, workspace)
    before = workspace.groups[GROUP]
    assert before
    await look(web, LAST.ends_at)
    await send(web, workspace)
    assert workspace.groups[GROUP] == before
    assert (await health(web, business, LAST.ends_at))["rota-group"].state == "late"
    assert all(body.get("members") != [] for _, _, body in await shown(web))


async def test_only_the_last_of_several_changes_is_sent(web: Web) -> None:
    workspace = Workspace()
    await be_told(web)
    await look(web, FIRST.starts_at)
    await look(web, SECOND.starts_at)
    await send(web, workspace)
    states = await web.rows("select state from outbox where dedup_key ~ '^triage:group' order by id")
    assert states == [("dropped",), ("sent",)]
    assert workspace.groups == {GROUP: [BEN]}


async def test_a_topic_of_somebody_else_is_left_and_taken_up_again_when_it_is_ours(
    web: Web, business: Business
) -> None:
    workspace = Workspace(topics={CHANNEL: "welcome"})
    await be_told(web)
    await look(web, FIRST.starts_at)
    await send(web, workspace)
    ours = workspace.topics[CHANNEL]
    assert ours == "Bugs only. Triage: @Ana"  # who leads asked for it
    workspace.topics[CHANNEL] = "Party & cake on Friday"
    await checked(web, workspace, FIRST.starts_at + HOUR)
    await look(web, SECOND.starts_at)
    await send(web, workspace)
    assert workspace.topics[CHANNEL] == "Party & cake on Friday"
    assert (await health(web, business, SECOND.starts_at))["rota-topic"].says.startswith(
        "1 channel's topic is somebody"
    )
    workspace.topics[CHANNEL] = ours
    await checked(web, workspace, SECOND.starts_at + HOUR)
    await look(web, SECOND.starts_at + HOUR)
    await send(web, workspace)
    assert workspace.topics[CHANNEL] == "Bugs only. Triage: @Ben"


async def test_a_topic_that_somebody_wrote_just_before_a_hand_over_is_left_too(web: Web) -> None:
    workspace = Workspace()
    await be_told(web)
    await look(web, FIRST.starts_at)
    await send(web, workspace)
    workspace.topics[CHANNEL] = "Party"
    await look(web, SECOND.starts_at)
    await send(web, workspace)
    assert workspace.topics[CHANNEL] == "Party"
    await checked(web, workspace, SECOND.starts_at + HOUR)
    assert await web.rows("select state from triage_shown where kind = 'topic'") == [("theirs",)]


async def test_a_group_that_somebody_changed_is_put_right_once(web: Web) -> None:
    workspace = Workspace()
    await be_told(web)
    await look(web, FIRST.starts_at)
    await send(web, workspace)
    workspace.groups[GROUP] = [CHEN]
    for _ in range(3):
        await checked(web, workspace, FIRST.starts_at + HOUR)
    assert len([one for one in await shown(web) if one[0] == "group"]) == 2
    await send(web, workspace)
    await checked(web, workspace, FIRST.starts_at + HOUR)
    assert workspace.groups[GROUP] == [ANA]
    assert await web.rows("select state from triage_shown where kind = 'group'") == [("set",)]


async def test_a_group_and_a_topic_that_were_taken_away_and_given_again_are_written_again(
    web: Web, business: Business
) -> None:
    workspace = Workspace()
    await be_told(web)
    now = FIRST.starts_at + HOUR
    for _ in range(2):
        await look(web, now)
        await send(web, workspace)
        assert workspace.groups == {GROUP: [ANA]}
        assert workspace.topics == {CHANNEL: "Bugs only. Triage: @Ana"}
        await be_told(web, Manner(CHANNEL))
        await checked(web, workspace, now)
        assert not {"rota-group", "rota-topic"} & (await health(web, business, now + HOUR)).keys()
        workspace = Workspace()  # as somebody left it meanwhile
        await be_told(web)
    await look(web, SECOND.starts_at)
    await send(web, workspace)
    assert workspace.groups == {GROUP: [BEN]}


async def test_what_leaves_under_no_number_of_before_also_where_the_count_was_lost(web: Web) -> None:
    workspace = Workspace()
    await be_told(web)
    await look(web, FIRST.starts_at)
    await send(web, workspace)
    await web.rows("delete from triage_shown returning target")
    await look(web, SECOND.starts_at)
    await send(web, workspace)
    assert workspace.groups == {GROUP: [BEN]}


async def test_a_group_for_which_slack_does_not_answer_is_late_in_health(web: Web, business: Business) -> None:
    await be_told(web)
    await look(web, FIRST.starts_at)
    then = FIRST.starts_at + 11 * MINUTE
    assert (await health(web, business, then - 2 * MINUTE))["rota-group"].state == "ok"
    assert (await health(web, business, then))["rota-group"].says.startswith("1 user group is not changed yet")
    assert (await health(web, business, then))["rota-topic"].state == "late"


async def test_a_group_that_cannot_be_changed_is_wrong_in_health_and_not_asked_for_again_and_again(
    web: Web, business: Business
) -> None:
    workspace = Workspace(refuses=frozenset({GROUP}))
    await be_told(web)
    await look(web, FIRST.starts_at)
    await send(web, workspace)
    for _ in range(2):
        await checked(web, workspace, FIRST.starts_at + HOUR)
    assert (await health(web, business, FIRST.starts_at))["rota-group"].state == "wrong"
    assert len([one for one in await shown(web) if one[0] == "group"]) == 1


async def test_those_who_keep_a_group_that_a_team_leaves_are_looked_at_at_once(web: Web) -> None:
    workspace = Workspace()
    await be_told(web)
    stays = await second_team(web)
    await look(web, FIRST.starts_at)
    await web.rows("update triage_looks set next_at = now() + interval '1 day' returning team_id")
    await be_told(web, Manner(CHANNEL))
    clock = await web.run(looks.clock)
    assert (web.lead.business_id, stays) in await web.run(lambda conn: looks.due(conn, clock))
    await look(web, clock)
    await send(web, workspace)
    assert workspace.groups == {GROUP: [DINA]}


async def test_what_was_told_since_the_check_began_is_not_astray(web: Web, business: Business) -> None:
    await be_told(web)
    await look(web, SECOND.starts_at)
    await checked(web, Workspace(), SECOND.starts_at - MINUTE)
    assert (await health(web, business, SECOND.starts_at))["rota"].state == "ok"
    assert await web.rows("select version from triage_states") == [(1,)]


async def test_a_state_that_is_not_as_the_facts_say_is_put_right_and_told(web: Web, business: Business) -> None:
    await be_told(web)
    now = FIRST.starts_at + HOUR
    await look(web, now)
    await checked(web, Workspace(), now)
    assert (await health(web, business, now))["rota"].state == "ok"

    async def spoil(conn: object) -> None:
        await conn.execute("update triage_states set on_duty = jsonb_build_object('uiEng', 'UDINA', 'beEng', null)")

    await web.run(spoil)
    await checked(web, Workspace(), now + HOUR)
    assert await web.rows("select on_duty ->> 'uiEng' from triage_states") == [(ANA,)]
    assert (await health(web, business, now + HOUR))["rota"].state == "late"
    assert (await health(web, business, now + 2 * DAY))["rota"].state == "wrong"  # nobody has looked since


async def test_how_a_team_is_told_is_set_by_who_leads_and_one_team_writes_a_topic(web: Web) -> None:
    with pytest.raises(NotAllowed):
        await web.run(lambda conn: manners.change(conn, web.somebody(BEN), web.team, TOLD))
    for wrong in (
        Manner(channel="general"), Manner(CHANNEL, topic="no place"), Manner(topic="{people}"),
        Manner(language="xx"), Manner(late_after=0),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            await be_told(web, wrong)
    await be_told(web)
    other = await second_team(web)
    with pytest.raises(Conflict):
        await web.run(lambda conn: manners.change(conn, web.lead, other, TOLD))
    assert await web.run(lambda conn: manners.read(conn, web.lead.business_id, web.team)) == TOLD
