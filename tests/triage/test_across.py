"""Somebody on duty in two teams at once is found weeks ahead, from either team, and told once to those concerned."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from tallybook.triage.rules import prepare
from tallybook.triage.rules_across import across
from tallybook.triage.types import Discipline, Manner, Person, Team, Unused
from tests.triage.facts import ANA, BEN, NAMES, UI, ZONE, facts, members, roster, sprints
from tests.triage.rooms import LEADS, be_told, in_another_team, look, said, texts
from tests.triage.rota import NOW, SPRINTS, Web

MINUTE = timedelta(minutes=1)
ELSEWHERE = "C0DATA"
DBA = Discipline("dba", "Databases")


def test_who_is_on_duty_in_two_teams_at_once_is_found_alike_from_both() -> None:
    web = prepare(facts())
    data = prepare(
        facts(
            team=Team(2, "Data", ZONE), disciplines=(DBA, UI), memberships=members(BEN, code="dba"),
            rosters=(roster((BEN,), code="dba"),),
        )
    )  # fmt: skip
    planned = sprints()
    span = planned[0].starts_at, planned[2].ends_at
    (found,) = across(web, [data], *span)
    assert (found.person, found.starts_at, found.ends_at) == (BEN, planned[1].starts_at, planned[1].ends_at)
    assert across(data, [web], *span) == [found]
    assert [post.team for post in found.seen_from(2)] == ["Data", "Web"]
    unused = msgspec.structs.replace(data.facts, disciplines=(msgspec.structs.replace(DBA, unused=(Unused(NOW),)),))
    assert across(web, [prepare(unused)], *span) == []


async def other_team(web: Web, channel: str) -> None:
    """The team Data, in which Ana has every week."""
    await web.run(
        lambda conn: in_another_team(conn, web.lead, Person(ANA, NAMES[ANA]), NOW, Manner(admin_channel=channel))
    )


async def test_each_hears_of_it_once_whichever_team_is_looked_at_and_a_channel_nothing_of_the_other_team(
    web: Web,
) -> None:
    await be_told(web)
    await other_team(web, ELSEWHERE)
    then = SPRINTS[0].starts_at + timedelta(days=8)  # in Ana's sprint; one week of Data's is left of it
    for minute in (0, 2, 4):
        await look(web, then + minute * MINUTE, workers=2)
    twice = [who for kind, who in await said(web) if kind == "double"]
    # One week of Data's meets what is left of her sprint, and two meet her next one.
    assert sorted(twice) == sorted([ANA, LEADS, ELSEWHERE] * 3)
    (mine, ours, theirs) = [(await texts(web, who))[0] for who in (ANA, LEADS, ELSEWHERE)]
    assert not [word for word in ("Web", "uiEng", "Data", "Databases") if word not in mine]
    for text, hidden in ((ours, ("Data", "Databases")), (theirs, ("Web", "uiEng"))):
        assert "in another team" in text
        assert not [word for word in hidden if word in text]


async def test_a_channel_of_both_teams_is_told_of_both_once(web: Web) -> None:
    await be_told(web)
    await other_team(web, LEADS)
    await look(web, SPRINTS[0].starts_at + timedelta(days=8), workers=2)
    (both, *more) = [text for text in await texts(web, LEADS) if "two teams" in text]
    assert len(more) == 2
    assert "Databases" in both
    assert "uiEng" in both
