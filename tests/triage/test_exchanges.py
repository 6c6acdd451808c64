"""An exchange is one: each of the two gives the other their own turn, or nothing is asked for."""

from __future__ import annotations

import pytest

from tallybook.core.errors import Conflict
from tallybook.triage.rules_overrides import Part
from tallybook.triage.service import overrides, rosters
from tests.triage.facts import ANA, BEN, CHEN, DINA
from tests.triage.rota import NOW, SECOND, SPRINTS, Web

THIRD = SPRINTS[2]


def parts(taker: str, giver: str) -> tuple[Part, Part]:
    """That one takes the second sprint, and the other the third one for it."""
    return (
        Part("uiEng", taker, SECOND.starts_at, SECOND.ends_at), Part("uiEng", giver, THIRD.starts_at, THIRD.ends_at),
    )  # fmt: skip


@pytest.mark.parametrize(("taker", "giver"), [(DINA, BEN), (CHEN, ANA), (DINA, ANA)])
async def test_nobody_gives_a_turn_that_is_not_theirs(web: Web, taker: str, giver: str) -> None:
    """Ben has the second sprint, and Chen the third one."""
    with pytest.raises(Conflict, match="somebody else's now"):
        await web.run(lambda conn: overrides.request_swap(conn, web.lead, web.team, parts(taker, giver), NOW, key="s1"))
    assert await web.rows("select count(*) from overrides") == [(0,)]


async def test_an_exchange_that_was_chosen_by_an_older_rota_is_not_asked_for(web: Web) -> None:
    plan = rosters.Plan("uiEng", (CHEN, BEN, ANA), NOW, in_order=True)
    await web.run(lambda conn: rosters.apply(conn, web.lead, web.team, plan, NOW, reason="Another order"))
    with pytest.raises(Conflict, match="somebody else's now"):
        await web.run(
            lambda conn: overrides.request_swap(conn, web.somebody(BEN), web.team, parts(CHEN, BEN), NOW, key="s1")
        )
