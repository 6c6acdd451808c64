"""What the demo finds when it starts: its projects, its lists, its people, and what they judged on the days before."""

from __future__ import annotations

import asyncio
import csv
import os
import random
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tallybook.app import App, Watching, first_business
from tallybook.core import api_tokens, businesses, channel_accounts, key_check, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Role, Scope
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict
from tallybook.core.people import NewPerson
from tallybook.inbox.answer_types import Line
from tallybook.inbox.service import faq
from tallybook.inbox.service.faq import Order
from tallybook.monitor import jobs
from tallybook.monitor.service import reviews, validity
from tallybook.monitor.service.reviews import Reviewer
from tallybook.monitor.types import STEP_COLUMNS, Changes, Filters, ReviewRow

from . import rota
from .bridge import fill
from .bridge_file import BridgeFile
from .day import DAYS, GROUPS, MARKETING, VELO_TEST, ZONE, valid_drops
from .slack import joining
from .talks import ANSWERS, NUMBER

BUSINESS = "Demo Fibre"
ADMIN, REVIEWER = "admin", "thandi"
ADMIN_NAME = "Demo"
TOKEN = "customers-token"  # noqa: S105 - the name of a file
HEAD = f"""# The demo's projects, read from a bridge file that the demo itself writes.

[bridge]
messages = "store/messages.db"
whatsapp = "store/whatsapp.db"

[monitor]
time_zone = "{ZONE.key}"
business = "{BUSINESS}"

[inbox]
business = "{BUSINESS}"
bot = "auto"

[monitor.replies]
enabled = false  # there is no WhatsApp behind the demo
"""
REASONS = (
    "The photo is blurred", "The serial cannot be read", "The house number is not in the picture",
    "The power level is outside the limits", "The light is red", "The signature is missing",
)  # fmt: skip
FAULTY, IN_PART, OPEN_YET = 0.75, 0.9, 1.1  # above it a drop has wrong steps, steps not judged yet, or none judged
MOST = 5_000  # reviews; two weeks make some five hundred


def write_projects(path: Path) -> None:
    """Write the projects file where there is none: one that was edited stays as it is."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    projects = []
    for group in GROUPS:
        kind = "marketing" if group is MARKETING else "qa"
        space = "" if group in {MARKETING, VELO_TEST} else 'drop_space = "fibre"\n'
        validated = "validated = true\n" if group.validated else ""
        named = f'name = "{group.name}"\ngroup = "{group.chat}"\nkind = "{kind}"\n'
        projects.append(f"\n[[monitor.projects]]\n{named}{space}{validated}")
    path.write_text(HEAD + "".join(projects), encoding="utf-8")


async def prepare(app: App, password: str) -> None:
    """Make all of it, or what is missing of it, so that a demo that was interrupted anywhere goes on."""
    folder = app.settings.config.parent
    await asyncio.to_thread(_write_files, folder)
    business = await app.db.run("first run", lambda conn: _business(conn, app))
    entries = validity.read_list(folder / "valid-drops.csv", None)
    await app.db.run("import valid drops", lambda conn: validity.add(conn, business, entries))
    watch = await Watching(app).current()
    if watch is not None:
        await jobs.scan(app.db, watch)
    await app.db.run(
        "add admin", lambda conn: _person(conn, app, business, NewPerson(ADMIN, ADMIN_NAME, Role.ADMIN, password))
    )
    await app.db.run("review the past", lambda conn: _review_once(conn, app, business))
    await app.db.run("make ready for customers", lambda conn: _number(conn, app, business))
    await app.db.run("make a rota", lambda conn: _rota(conn, app, business))
    await _token(app, business, folder / TOKEN)


async def _rota(conn: Conn, app: App, business: Business) -> None:
    """A rota, and the demo's Slack in which it is told; in one, so that who has the rota is told."""
    team = await rota.make(conn, business, datetime.now(UTC))
    await joining.join(conn, app.seal, business, ADMIN_NAME, team)


async def _number(conn: Conn, app: App, business: Business) -> None:
    """A number that customers write to, and what the bot answers there."""
    new = NewAccount("whatsapp", NUMBER, "The demo's number", "a-token-that-opens-nothing")
    caller = people.command_line(business.id)
    if NUMBER not in {one.account for one in await channel_accounts.listed(conn, business.id)}:
        await channel_accounts.add(conn, app.seal, caller, new)
    await faq.write(conn, business, Order([Line(*line) for line in ANSWERS]))


async def _token(app: App, business: Business, file: Path) -> None:
    """What the demo's customers do a person's work by; made once and kept in the demo's folder."""
    if await asyncio.to_thread(file.exists):
        return
    caller = people.command_line(business.id)
    scopes = frozenset({Scope.READ, Scope.REVIEW})
    token = await app.db.run("add token", lambda conn: api_tokens.create(conn, caller, "The demo", scopes))
    write_secret(file, token)


def write_secret(file: Path, words: str) -> None:
    """A file that its owner alone can read, whole or not there."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as lines:
        lines.write(words)
    draft.replace(file)


def _write_files(folder: Path) -> None:
    with BridgeFile(folder / "store") as file:
        fill(file, datetime.now(UTC))
    with (folder / "valid-drops.csv").open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([("drop_number", "project"), *valid_drops()])


async def _business(conn: Conn, app: App) -> Business:
    await key_check.check(conn)
    return await first_business(conn, app.settings) or await businesses.find(conn, BUSINESS)


async def _person(conn: Conn, app: App, business: Business, person: NewPerson) -> int | None:
    """Adds somebody; None where they are there already."""
    try:
        added = await people.add_person(conn, app.passwords, people.command_line(business.id), person)
    except Conflict:
        return None
    return added[0]


async def _review_once(conn: Conn, app: App, business: Business) -> None:
    """The reviewer's account and what the reviewer judged are one transaction: who is there has judged."""
    name = "Thandi (demo)"
    account = await _person(conn, app, business, NewPerson(REVIEWER, name, Role.REVIEWER))
    if account is None:
        return
    now = datetime.now(UTC)
    first_day = (now - timedelta(days=DAYS + 1)).date()
    for row in await reviews.listed(conn, business, Filters(first_day=first_day), None, MOST):
        changes = judged(row, now)
        if changes is None:
            continue
        who = Reviewer(account, name)
        await reviews.save(conn, business, row.id, who, changes)
        await reviews.release_lock(conn, business, row.id, who)


def judged(row: ReviewRow, now: datetime) -> Changes | None:
    """What a reviewer makes of a drop: most of the older ones are complete, of the last day's many are open. Pure."""
    dice = random.Random(row.drop_number)
    recent = now - row.said_at < timedelta(days=1)
    luck = dice.random() + (0.4 if recent else 0.0)
    if luck > OPEN_YET:
        return None
    if row.resubmitted or luck > FAULTY:
        wrong = dice.sample(STEP_COLUMNS, dice.choice((1, 1, 2)))
        seen: Sequence[str] = [column for column in STEP_COLUMNS if column not in wrong]
        if luck > IN_PART:
            seen = seen[: dice.randint(2, 9)]
        reasons = {column: dice.choice(REASONS) for column in wrong}
        return Changes(ticks=dict.fromkeys(seen, True), reasons=reasons)
    return Changes(ticks=dict.fromkeys(STEP_COLUMNS, True))
