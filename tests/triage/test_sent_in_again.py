"""What comes by a key that was used is the same, of the same person; a key opens nothing of anybody else's."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tallybook.core.errors import Conflict
from tallybook.triage.rules_overrides import Asked, Part
from tallybook.triage.service import absences, overrides
from tallybook.triage.service.doing import Actor
from tallybook.triage.types import Absence
from tests.triage.facts import BEN, CHEN, DINA
from tests.triage.rota import NOW, SECOND, SPRINTS, Web

DAY = timedelta(days=1)
AWAY = Absence(0, BEN, NOW - DAY, NOW + 3 * DAY, "leave")


async def swap(web: Web, key: str) -> tuple[Asked, Asked]:
    third = SPRINTS[2]
    parts = (
        Part("uiEng", CHEN, SECOND.starts_at, SECOND.ends_at), Part("uiEng", BEN, third.starts_at, third.ends_at),
    )  # fmt: skip
    return await web.run(lambda conn: overrides.request_swap(conn, web.somebody(BEN), web.team, parts, NOW, key=key))


async def test_nobody_gets_at_another_s_request_by_its_key(web: Web) -> None:
    """A lead who has a new request hold at once would otherwise approve this one unseen."""
    ben = web.somebody(BEN)
    made = await web.ask(ben, DINA, "k1")
    wrong = [
        web.ask(web.lead, DINA, "k1"),
        web.ask(ben, CHEN, "k1"),
        web.ask(ben, DINA, "k1", (SECOND.starts_at, SECOND.ends_at - DAY)),
        swap(web, "k1"),
    ]
    for other in wrong:
        with pytest.raises(Conflict, match="something else in it"):
            await other
    again = await web.ask(ben, DINA, "k1", (SECOND.starts_at - DAY, SECOND.ends_at))
    assert again == made


async def test_the_key_of_an_exchange_is_not_that_of_half_of_it(web: Web) -> None:
    both = await swap(web, "s1")
    assert await swap(web, "s1") == both
    with pytest.raises(Conflict, match="something else in it"):
        await web.ask(web.somebody(BEN), CHEN, "s1")


async def test_an_absence_is_recorded_once_for_its_key_and_no_other_one_by_it(web: Web) -> None:
    async def record(actor: Actor, absence: Absence = AWAY, later: timedelta = timedelta()) -> Absence:
        return await web.run(lambda conn: absences.record(conn, actor, absence, NOW + later, key="k1"))

    ben = web.somebody(BEN)
    made = await record(ben)
    assert made.starts_at == NOW
    assert await record(ben, later=DAY) == made
    for other in ({"ends_at": NOW + 4 * DAY}, {"kind": "sick"}, {"starts_at": NOW + DAY}):
        with pytest.raises(Conflict, match="something else in it"):
            await record(ben, msgspec.structs.replace(AWAY, **other))
    with pytest.raises(Conflict, match="something else in it"):
        await record(web.lead)
    assert await web.rows("select count(*) from triage_absences") == [(1,)]
