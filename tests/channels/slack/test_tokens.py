"""Whose token is taken in a workspace, also while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tallybook.app import slack_tokens
from tallybook.channels.slack.tokens import Tokens
from tallybook.core import channel_accounts, people
from tallybook.core.businesses import Business
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.errors import NotFound, Unavailable
from tallybook.rota_snapshot import path_of
from tallybook.settings import Settings
from tallybook.triage.snapshot import Snapshot, write
from tallybook.triage.store import snapshots as store
from tests.channels.whatsapp.test_received import SEAL
from tests.fakes import NOON

OWN, SHARED, UNKNOWN = "T0OWN", "T0SHARED", "T0UNKNOWN"
USUAL = "xoxb-of-the-settings"


@dataclass
class Kept:
    """What the database has, while it answers."""

    tokens: dict[str, str | None] = field(default_factory=lambda: {OWN: "xoxb-own", SHARED: None})
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    away: bool = False

    async def given(self, account: str) -> str | None:
        self.asked += 1
        await self.answers.wait()
        if account == "T0BROKEN":
            raise NotFound("No key opens it.")
        return self.tokens.get(account)

    async def every(self) -> Mapping[str, str | None]:
        return self.tokens


def tokens(kept: Kept) -> Tokens:
    remembered = {SHARED}.__contains__
    return Tokens(kept.given, USUAL, kept.every, is_away=lambda: kept.away, has_none=remembered, within=0.01)


async def test_a_new_token_holds_at_once_and_what_is_wrong_with_one_is_said() -> None:
    kept = Kept()
    kept.answers.set()
    ours = tokens(kept)
    assert [await ours.of(one) for one in (OWN, SHARED, UNKNOWN)] == ["xoxb-own", USUAL, USUAL]
    kept.tokens[OWN] = "xoxb-newer"
    assert await ours.of(OWN) == "xoxb-newer"
    with pytest.raises(NotFound):
        await ours.of("T0BROKEN")


async def test_while_nothing_answers_what_was_learnt_holds_and_one_look_up_is_left_to_end() -> None:
    kept = Kept()
    ours = tokens(kept)
    await ours.learn()
    assert [await ours.of(OWN) for _ in range(3)] == ["xoxb-own"] * 3
    assert kept.asked == 1
    kept.tokens[OWN] = "xoxb-newer"
    kept.answers.set()
    assert await ours.of(OWN) == "xoxb-newer"


async def test_a_process_that_begins_in_an_outage_takes_the_shared_token_only_where_there_is_no_other() -> None:
    kept = Kept(away=True)
    ours = tokens(kept)
    assert await ours.of(SHARED) == USUAL
    for account in (OWN, UNKNOWN):
        with pytest.raises(Unavailable):
            await ours.of(account)
    assert kept.asked == 0


async def test_the_product_learns_the_tokens_of_all_and_finds_in_its_copy_who_has_none(
    db: Database, business: Business, tmp_path: Path
) -> None:
    settings = Settings.load({"TALLYBOOK_DATA_DIR": str(tmp_path)}, tmp_path)
    caller = people.command_line(business.id)
    async with db.transaction() as conn:
        for new in (NewAccount("slack", OWN, token="xoxb-own"), NewAccount("slack", SHARED)):
            await channel_accounts.add(conn, SEAL, caller, new)
    ours = slack_tokens(settings, db, SEAL)
    assert await ours.every() == {OWN: "xoxb-own", SHARED: None}
    async with db.transaction() as conn:
        tokenless = await store.tokenless(conn, "slack")
    write(path_of(settings), Snapshot(NOON, {}, [], tokenless))
    assert (ours.has_none(SHARED), ours.has_none(OWN), ours.has_none(UNKNOWN)) == (True, False, False)
