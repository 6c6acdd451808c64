"""While the database is away the rota is read from a copy that says how old it is; afterwards who leads is told."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from tallybook import rota_snapshot
from tallybook.alerting import Alerting
from tallybook.app import App
from tallybook.channels.slack.requests import Kind, Request
from tallybook.core import channel_accounts
from tallybook.core import people as accounts
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.login_limits import Limits
from tallybook.core.sealing import Seal
from tallybook.settings import Settings
from tallybook.slack_desk import away
from tallybook.triage.blocks.names import Act, Held, written
from tallybook.triage.jobs import Announcer
from tallybook.triage.rules import who
from tallybook.triage.service import kept_orders, people
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.service.snapshots import Keeper
from tallybook.triage.snapshot import Shelf
from tallybook.triage.store.kept_orders import KeptOrder
from tallybook.triage.types import Discipline
from tests.triage.facts import BEN, CHEN
from tests.triage.rooms import LEADS, Workspace, be_told, said, texts
from tests.triage.rota import NOW, SECOND, Web

WORKSPACE = "T0TEAM"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings.load({"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(tmp_path)}, tmp_path)


@pytest.fixture
async def kept(web: Web, settings: Settings) -> Shelf:
    """The team's copy, by which it is known in which workspace it is, and where who leads it is."""
    caller = accounts.command_line(web.lead.business_id)
    new = NewAccount("slack", WORKSPACE)
    await be_told(web)
    await web.run(lambda conn: channel_accounts.add(conn, Seal([b"k" * 32]), caller, new))
    path = rota_snapshot.path_of(settings)
    assert await Keeper(web.db, path).keep()
    return Shelf(path)


def asked(name: str, kind: Kind = Kind.COMMAND, team: str = WORKSPACE, **payload: object) -> Request:
    return Request(
        kind=kind, name=name, identity="t1", team=team, user=BEN, payload=msgspec.Raw(msgspec.json.encode(payload))
    )


async def test_the_copy_says_what_the_rota_says_and_follows_its_changes(web: Web, kept: Shelf) -> None:
    keeper = Keeper(web.db, kept.path)
    first = kept.current()
    assert first is not None
    (known,) = first.teams
    assert known.facts == (await web.schedule()).facts
    assert who(kept.schedule(known), "uiEng", SECOND.starts_at).person == BEN
    await web.run(lambda conn: people.put_discipline(conn, web.lead, web.team, Discipline("po", "Product owner")))
    await asyncio.gather(*(keeper.keep() for _ in range(4)))
    second = kept.current()
    assert second is not None
    assert second.as_of > first.as_of
    assert "po" in {one.code for one in second.teams[0].facts.disciplines}
    assert [path.name for path in kept.path.parent.iterdir() if path.name.startswith(kept.path.name)] == [
        kept.path.name
    ]
    kept.path.write_bytes(b"{half")
    assert kept.current() is None


async def test_nobody_waits_while_the_copy_is_written_or_read(
    web: Web, kept: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.current()
    loop, at = threading.get_ident(), []
    sync, read = os.fsync, Path.read_bytes
    monkeypatch.setattr(os, "fsync", lambda file: [at.append(threading.get_ident()), sync(file)][1])
    monkeypatch.setattr(Path, "read_bytes", lambda path: [at.append(threading.get_ident()), read(path)][1])
    await Keeper(web.db, kept.path).keep()
    await kept.refresh()
    assert kept.current() is not None
    assert len(at) == 2
    assert loop not in at


async def test_what_a_killed_process_half_wrote_is_swept_at_the_next_start(web: Web, kept: Shelf) -> None:
    left, being_written = (kept.path.with_name(f"{kept.path.name}.{name * 32}") for name in "ab")
    for draft in (left, being_written):
        draft.write_bytes(b"{half")
    os.utime(left, (0, 0))
    await Keeper(web.db, kept.path).keep()
    assert (left.exists(), being_written.exists()) == (False, True)


async def test_what_is_only_looked_at_is_answered_by_the_copy_and_says_of_when_it_is(kept: Shelf) -> None:
    now = SECOND.starts_at + MINUTE
    for request in (
        asked("/triage-schedule"),
        asked("/triage-schedule-staging"),
        asked(Act.OPEN_MINE, Kind.ACTION, actions=[{"value": written(Held(1))}]),
        asked(Act.OPEN_SPRINTS, Kind.ACTION, actions=[{"value": written(Held(1))}]),
    ):
        outcome = away.answer(kept, request, now)
        assert outcome is not None, request.name
        assert outcome.view is not None
        assert "The database is away" in str(outcome.view)


@pytest.mark.parametrize(
    "request_",
    [
        asked("/override-list"),
        asked("/triage-schedule", team="T0OTHER"),
        asked(Act.APPROVE, Kind.ACTION, actions=[{"value": written(Held(1, number=1))}]),
        asked(Act.OPEN_MINE, Kind.ACTION, actions=[{"value": "{"}]),
        asked("triage_cover", Kind.SUBMISSION, view={}),
    ],
)
async def test_everything_else_is_not(kept: Shelf, request_: Request) -> None:
    assert away.answer(kept, request_, NOW) is None


async def test_who_leads_is_told_once_that_the_database_is_away_and_once_that_it_is_back(
    web: Web, kept: Shelf, settings: Settings
) -> None:
    workspace = Workspace()
    app = App(settings, web.db, [b"k" * 32], Limits(b"k" * 32), senders={"slack": workspace})
    begun = NOW
    for minutes, is_away in ((0, True), (3, True), (5, True), (8, False), (19, False), (30, False)):
        # Another process each time, with the file alone in common.
        await Alerting(app)._look_at_outage(begun + minutes * MINUTE, away=is_away)
    assert [where for where, _ in workspace.posts] == [LEADS, LEADS]
    assert "the database is away" in workspace.posts[0][1]
    assert "the database is back" in workspace.posts[1][1]
    assert kept.current() is not None


async def test_health_says_how_old_the_copy_is_and_that_it_is_in_use(kept: Shelf, settings: Settings) -> None:
    found = kept.current()
    assert found is not None
    (usual,) = rota_snapshot.checks(settings, found.as_of + MINUTE, away=False)
    assert (usual.state, usual.facts) == ("ok", {"mode": "usual", "age_seconds": 60})
    (late,) = rota_snapshot.checks(settings, found.as_of + 20 * MINUTE, away=False)
    assert late.state == "late"
    (in_use,) = rota_snapshot.checks(settings, found.as_of + MINUTE, away=True)
    assert (in_use.state, in_use.facts["mode"]) == ("late", "away")


async def test_what_was_decided_late_is_told_to_who_leads_as_one_once_nothing_more_comes(web: Web) -> None:
    await be_told(web)
    orders = [KeptOrder("k1", BEN, NOW), KeptOrder("k2", CHEN, NOW + MINUTE, "Lena has declined this already.")]
    for order in [*orders, orders[0]]:
        await web.run(
            partial(kept_orders.decided, business_id=web.lead.business_id, team_id=web.team, order=order, now=NOW)
        )
    announcers = [Announcer(web.db, Schedules()) for _ in range(4)]
    await announcers[0].report(NOW)
    assert await said(web) == []
    await asyncio.gather(*(one.report(NOW + MINUTE) for one in announcers))
    assert await said(web) == [("report", LEADS)]
    (told,) = await texts(web, LEADS)
    assert "1 things that were kept meanwhile are done, 1 could not be" in told
    assert "Lena has declined this already." in told
