"""What is measured on: a bridge's file of so many messages, and an embedded server with an empty business in it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import psycopg

from tallybook.app import first_business, open_app
from tallybook.cli.opening import on_server
from tallybook.core import embedded, environment
from tallybook.demo.bridge_file import BridgeFile, Said
from tallybook.demo.day import GROUPS
from tallybook.demo.setup import write_projects
from tallybook.monitor.service import validity
from tallybook.monitor.service.validity import Entry
from tallybook.settings import Settings

START = datetime(2025, 3, 3, 7, 0, tzinfo=timezone(timedelta(hours=2)))
IN_GROUPS = 4  # one message in so many is of a group that is watched
DROPS_IN_TEN = 8  # of a group's ten messages
SHARES = (36, 22, 16, 6, 20)  # of a hundred messages in groups, by group
AT_ONCE = 50_000

_BY_GROUP = [group for group, share in zip(GROUPS, SHARES, strict=True) for _ in range(share)]
_CHATTER = ("Morning team, rain here so we wait", "Thanks, will look after lunch", "")


class Sample(NamedTuple):
    """The file, its numbers, and the settings on its server. ``superuser`` is an address for what only it may do."""

    folder: Path
    messages: int
    in_groups: int
    drops: int
    settings: Settings
    superuser: str

    @property
    def file(self) -> Path:
        return self.folder / "store" / "messages.db"


@asynccontextmanager
async def made(folder: Path, messages: int) -> AsyncIterator[Sample]:
    """A sample in an empty folder, its server running as shipped for as long as the block does."""
    settings = dataclasses.replace(Settings.load({}, folder), data_dir=folder, config=folder / "tallybook.toml")
    write_projects(settings.config)
    valid = _write_file(folder, messages)
    async with embedded.running(folder, exclusive=False) as server:
        role = environment.role_of("prod")
        await environment.create(server.owner_url, "prod", {role: server.password_for(role)})
        settings = on_server(settings, server)
        async with open_app(settings) as app:
            business = await app.db.run("business", lambda conn: first_business(conn, settings))
            assert business is not None
            await app.db.run("lists", lambda conn: validity.add(conn, business, valid))
        in_groups = messages // IN_GROUPS
        drops = in_groups * DROPS_IN_TEN // 10
        yield Sample(folder, messages, in_groups, drops, settings, server.superuser_url)


def empty(sample: Sample) -> None:
    """Forget what was filed, and let the server write out what it still owes, so that nobody pays for the last one."""
    with psycopg.connect(sample.superuser, autocommit=True) as conn:
        conn.execute(
            "truncate messages, message_revisions, drops, qa_photo_reviews, qa_submissions, marketing_activations,"
            " marketing_posts, invalid_drop_submissions, source_positions, jobs restart identity cascade"
        )
        conn.execute("checkpoint")


def _write_file(folder: Path, messages: int) -> list[Entry]:
    valid: set[Entry] = set()
    with BridgeFile(folder / "store") as file:
        said = _said(messages, valid)
        while some := list(itertools.islice(said, AT_ONCE)):
            file.post_many(some)
    return sorted(valid)


def _said(messages: int, valid: set[Entry]) -> Iterator[Said]:
    """Messages in the order they were said; every tenth drop was posted before, a second of marketing's is Lawley's."""
    posted = dict.fromkeys((group.name for group in GROUPS), 0)
    for place in range(messages):
        at = START + timedelta(seconds=30 * place)
        name = f"3EB0{place:016X}"
        in_group, rest = divmod(place, IN_GROUPS)
        if rest:
            yield Said(name, f"2782000{rest:04}@s.whatsapp.net", "27820000099", "A message of a chat of others", at)
            continue
        # A step prime to a hundred mixes the groups, as people do.
        group = _BY_GROUP[in_group * 37 % 100]
        sender = group.senders[in_group % len(group.senders)]
        if in_group % 10 >= DROPS_IN_TEN:
            text = _CHATTER[in_group % 3]
            yield Said(name, group.chat, sender, text, at, photo=not text)
            continue
        number = posted[group.name] = posted[group.name] + 1
        number -= 9 * (number % 10 == 0 and number > 9)
        shared = group is GROUPS[4] and number % 2
        drop = f"DR{(GROUPS[0] if shared else group).first + number}"
        if group.validated:
            valid.add(Entry(drop, group.name))
        yield Said(name, group.chat, sender, f"{drop} done, photos uploaded", at)
