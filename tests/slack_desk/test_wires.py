"""The same over both wires: signed posts to the web's address, and sockets that the worker opens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import REGISTRY

from tallybook.app import App
from tallybook.channels.slack import verify
from tallybook.core.login_limits import Limits
from tallybook.demo.slack.server import APP_TOKEN
from tallybook.demo.slack.telling import Door
from tallybook.settings import Settings
from tallybook.slack_link import sockets
from tallybook.told_channels import told_channels
from tallybook.triage.blocks.names import View
from tallybook.web import webhooks
from tests import world
from tests.core.worked import until
from tests.slack_desk.office import SECRET, Office

PATH = "/webhooks/slack"


def app_of(office: Office, database_url: str, folder: Path, **more: str) -> App:
    given = {"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_SLACK_API_URL": office.slack.api} | more
    settings = Settings.load(given, folder)
    senders = {"slack": office.sender}
    return App(
        settings, office.db, [b"k" * 32], Limits(b"k" * 32), world.CHEAP, told_channels(settings), senders
    )  # fmt: skip


async def nothing_else(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody asks for anything else")


def refused() -> float:
    return REGISTRY.get_sample_value("tallybook_webhooks_total", {"channel": "slack", "status": "401"}) or 0.0


async def test_over_http_what_slack_signed_is_answered_and_all_else_is_401_and_counted(
    office: Office, database_url: str, tmp_path: Path
) -> None:
    app = app_of(office, database_url, tmp_path, TALLYBOOK_SLACK_SIGNING_SECRET=SECRET.decode())
    channels = {name: entry.webhook for name, entry in app.channels.items()}
    async with (
        webhooks.in_front_of(nothing_else, channels, app) as whole,
        httpx.AsyncClient(transport=httpx.ASGITransport(whole), base_url="http://tallybook.test") as client,
    ):

        async def post(body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
            found = await client.post(PATH, content=body, headers=dict(headers))
            return found.status_code, found.headers, found.content

        office.slack.teller.door = post
        await office.slack.acts.command(office.maria, "/triage-schedule")
        assert (office.maria.faults, office.maria.view["callback_id"]) == ([], View.SCHEDULE)
        await office.ask_for_cover(office.maria, office.ben)
        assert len(await office.overrides()) == 1
        assert await office.slack.acts.write(office.ben, "who is on?")
        await told_only_again(office, post)
        before = refused()
        good = {verify.TIMESTAMP: "1", verify.SIGNATURE: verify.signature(SECRET, "1", b"{}")}
        for wrong in ({}, good, good | {verify.TIMESTAMP: "yesterday"}, good | {verify.TIMESTAMP: ""}):
            assert (await post(b"{}", wrong))[0] == 401
        assert refused() - before == 4
        stamp = str(int(office.slack.workspace.now()))
        greeting = b'{"type": "url_verification", "challenge": "abc"}'
        signed = {verify.TIMESTAMP: stamp, verify.SIGNATURE: verify.signature(SECRET, stamp, greeting)}
        status, _, content = await post(greeting, signed)
        assert (status, content) == (200, b'{"challenge":"abc"}')


async def told_only_again(office: Office, post: Door) -> None:
    """What did not get through the first time is taken by its repeat, whatever its headers say."""

    async def down(body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        return await post(body, headers) if headers.get("x-slack-retry-num") == "2" else (503, {}, b"")

    office.slack.teller.door = down
    assert await office.slack.acts.mention(office.ben, office.channel, "and now?")
    assert [one.ended for one in office.slack.teller.tries[-3:]] == ["http_error", "http_error", ""]
    office.slack.teller.door = post
    await office.process()
    assert [one["user"] for one in office.channel.messages] == [office.ben.id, "U0BOT"]


async def test_over_sockets_everything_goes_on_while_slack_ends_one_of_them(
    office: Office, database_url: str, tmp_path: Path
) -> None:
    office.slack.teller.door = None
    app = app_of(office, database_url, tmp_path, TALLYBOOK_SLACK_APP_TOKEN=APP_TOKEN)
    stop = asyncio.Event()
    listening = asyncio.create_task(sockets.keep_open(app, stop))
    both = office.slack.teller.sockets

    async def are_open() -> bool:
        return len(both) == 2

    await until(are_open)
    await office.slack.acts.command(office.maria, "/triage-schedule")
    assert (office.maria.faults, office.maria.view["callback_id"]) == ([], View.SCHEDULE)
    first = both[0]
    ending = asyncio.create_task(office.slack.refresh())
    await first.gone.wait()
    await office.ask_for_cover(office.maria, office.ben)
    assert len(await office.overrides()) == 1
    await ending
    await until(are_open)
    assert await office.slack.acts.mention(office.ben, office.channel, "who is on?")
    await office.process()
    assert [one["user"] for one in office.channel.messages] == [office.ben.id, "U0BOT"]
    stop.set()
    await listening
    assert both == []


async def test_without_a_token_no_socket_is_opened(office: Office, database_url: str, tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    await sockets.keep_open(app_of(office, database_url, tmp_path), stop)
    assert office.slack.calls == []
