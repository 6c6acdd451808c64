"""Somebody without Slack tries the bot from a page: is one of its people, types, presses, fills in and sees."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.receive import Receiver
from tallybook.demo.slack import drawing, playing
from tallybook.demo.slack.page import SlackPage
from tallybook.demo.slack.server import FakeSlack
from tallybook.slack_link.door import SlackDoor
from tests.core.worked import rows
from tests.slack_desk.office import knocking, open_office


async def test_cover_is_asked_for_and_approved_by_clicks_on_pages_alone(
    db: Database, business: Business, receiver: Receiver
) -> None:
    slack = FakeSlack()
    slack.pages.append(SlackPage(slack).add_to)
    async with slack, httpx.AsyncClient(base_url=slack.acts.address, follow_redirects=True) as client:
        office = await open_office(db, business, slack)
        slack.teller.door = knocking(SlackDoor(db, office.sender, receiver, within=1.5))
        assert "Maria" in (await client.get("/")).text
        me = f"/as/{office.maria.id}"
        page = await client.post(f"{me}/command", data={"command": "/triage-override"})
        assert "<dialog open>" in page.text
        turn = next(re.finditer(r'<select name="turn">.*?<option value="([^"]+)" selected', page.text))[1]
        page = await client.post(f"{me}/submit", data={"turn": unescape(turn)})
        page = await client.post(f"{me}/submit", data={"substitute": office.ben.id, "reason": "At the dentist's"})
        assert page.status_code == 200
        assert await office.overrides() == [("pending", office.ben.id, office.maria.id)]
        await office.process()
        page = await client.get(f"/as/{office.lena.id}")
        button = r'action="(/as/[^"]+/press/[^"]+)".*?value="(\[&quot;triage_approve&quot;.*?\])"'
        form = next(re.finditer(button, page.text, re.DOTALL))
        await client.post(form[1], data={"press": unescape(form[2])})
        assert (await office.overrides())[0][0] == "approved"
        page = await client.post(f"{me}/say", data={"text": "who is on?", "channel": office.channel.id})
        assert "who is on?" in page.text
        await client.post(f"{me}/home")
        await office.process()
        assert "Home" in (await client.get(me)).text
        assert (await client.get("/as/U0BOT")).status_code == 404
        await office.sender.aclose()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*Now*: <@U0DEMO0001>", "<b>Now</b>: <b>@Thandi Nkosi</b>"),
        ("a &lt;b&gt; & <script>", "a &lt;b&gt; &amp; &lt;script&gt;"),
        ("<https://example.org/a|the _page_>", '<a href="https://example.org/a" rel="noreferrer">the <i>page</i></a>'),
        ("<javascript:alert(1)|x>", "&lt;javascript:alert(1)|x&gt;"),
    ],
)
def test_what_is_marked_up_is_shown_so_and_nothing_else_is_html(text: str, shown: str) -> None:
    assert drawing.said(playing.workspace(), text) == shown


async def test_a_status_is_set_on_a_page_and_makes_somebody_absent(
    db: Database, business: Business, receiver: Receiver
) -> None:
    slack = FakeSlack()
    slack.pages.append(SlackPage(slack).add_to)
    async with slack, httpx.AsyncClient(base_url=slack.acts.address, follow_redirects=True) as client:
        office = await open_office(db, business, slack)
        slack.teller.door = knocking(SlackDoor(db, office.sender, receiver, within=1.5))
        page = await client.post(f"/as/{office.maria.id}/status", data={"status": "On vacation, for a week"})
        assert "<option selected>On vacation" in page.text
        await office.process()
        assert await rows(db, "select slack_id, source from triage_absences") == [(office.maria.id, "slack")]
