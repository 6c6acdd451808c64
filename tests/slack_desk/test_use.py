"""A discipline is taken out of use in Slack: what that would change is shown first, and Slack agrees from then on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.core.worked import rows
from tests.slack_desk.office import Office

USED = "select code, unused::text from triage_disciplines order by code"


async def test_a_discipline_goes_out_of_use_as_it_was_shown_and_comes_back(office: Office) -> None:
    acts, lena, maria = office.slack.acts, office.lena, office.maria
    yesterday = f"{(datetime.now(UTC) - timedelta(days=1)).date()}"  # its hand-over is over: from now on
    before = await rows(office.db, USED)
    await acts.command(lena, "/admin-disciplines")
    await acts.press(lena, lena.view, "triage_discipline_use")
    await acts.submit(lena, {"reason": "It is done", "first_day": yesterday})
    assert "nobody instead of" in json.dumps(lena.view)
    assert await rows(office.db, USED) == before, "a look keeps nothing"
    await acts.submit(lena)
    assert await rows(office.db, USED) != before
    await acts.command(maria, "/triage-schedule")
    assert "has no disciplines" in json.dumps(maria.view)
    await acts.command(lena, "/admin-disciplines")
    await acts.press(lena, lena.view, "triage_open_disciplines")
    assert "not in use" in json.dumps(lena.view)
    await acts.press(lena, lena.view, "triage_discipline_use")
    await acts.submit(lena, {"reason": "It is needed again", "first_day": yesterday})
    await acts.submit(lena)
    ((_, unused),) = await rows(office.db, USED)
    assert not unused.endswith(",)}"), "its time out of use has an end"
